"""Log-probabilities of answers, for methods that weigh answers against one another: what rows begin with runs once.

All rows of a step begin with the same system prompt, and the answers to one row (a chosen and a rejected one, or
several that are tried) with the same prompt. So a step is a tree: a trunk, a branch for every prompt, a twig for every
answer. stages/prefix.py has the trunk; here are the branches. And the vocabulary's logits are made for learned tokens
alone, where TRL makes them for all on a CPU.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

from stages.engines._prefix import shareable, shared_prefix
from stages.prefix import WORTH, attention_of, only, refused


class Row(NamedTuple):
    """number: its place in the batch. tokens: without padding. columns: where each stands in the padded batch.
    learned: which of them are learned, in order; none before the second."""

    number: int
    tokens: list[int]
    columns: list[int]
    learned: list[int]

    @property
    def prompt(self) -> list[int]:
        return self.tokens[: self.learned[0]] if self.learned else self.tokens


class Learned(NamedTuple):
    """at: the token of the branch that foretells it. row, column: where it stands in the padded batch."""

    at: int
    row: int
    column: int


@dataclass
class Branch:
    """What rows of one prompt are after the trunk: tokens, their positions, and whose they are (0: all rows')."""

    tokens: list[int] = field(default_factory=list)
    positions: list[int] = field(default_factory=list)
    owners: list[int] = field(default_factory=list)
    learned: list[Learned] = field(default_factory=list)

    def grow(self, tokens: Sequence[int], position: int, owner: int) -> None:
        self.tokens += tokens
        self.positions += range(position, position + len(tokens))
        self.owners += [owner] * len(tokens)


def tree_of(rows: Sequence[Row]) -> tuple[int, list[Branch]]:
    """How many tokens the trunk has, and the branches. The last token of a prompt stays with each of its answers, whose
    first token it foretells."""
    trunk = shared_prefix([row.prompt for row in rows])
    trunk = trunk if trunk >= WORTH else 0
    together: dict[tuple[int, ...], list[Row]] = {}
    for row in rows:
        together.setdefault(tuple(row.prompt), []).append(row)
    return trunk, [_branch(members, trunk) for members in together.values()]


def _branch(rows: Sequence[Row], trunk: int) -> Branch:
    branch, parting = Branch(), max(trunk, len(rows[0].prompt) - 1)
    branch.grow(rows[0].tokens[trunk:parting], trunk, 0)
    for owner, row in enumerate(rows, start=1):
        before = len(branch.tokens) - parting - 1
        branch.grow(row.tokens[parting:], parting, owner)
        branch.learned += [Learned(before + place, row.number, row.columns[place]) for place in row.learned]
    return branch


def log_probs(model: Any, call: Any, ids: Any, mask: Any, labels: Any, share: bool) -> Any:
    """float32 (rows, length - 1): the log-probability of every learned token, at its column less one; 0 elsewhere.

    model: a causal language model, not wrapped. call: the same, or what it is wrapped in. ids, mask, labels: int64
    (rows, length), padded on either side, labels -100 where nothing is learned. share: whether what rows begin with
    alike is run once; the numbers are the same.
    """
    if share:
        return _of_tree(model, call, ids, labels, list(_rows(ids, mask, labels)))
    learned = labels[:, 1:] != -100
    with only(model.get_output_embeddings(), learned):
        logits = call(input_ids=ids[:, :-1], attention_mask=mask[:, :-1], use_cache=False).logits
    return _spread(logits, labels, *learned.nonzero(as_tuple=True))


def _rows(ids: Any, mask: Any, labels: Any) -> Iterator[Row]:
    for number, (tokens, real, targets) in enumerate(zip(ids, mask.bool(), labels, strict=True)):
        learned = (targets[real] != -100).nonzero()[:, 0].tolist()
        yield Row(number, tokens[real].tolist(), real.nonzero()[:, 0].tolist(), learned)


def _of_tree(model: Any, call: Any, ids: Any, labels: Any, rows: list[Row]) -> Any:
    """All in one sequence: the trunk, then branch after branch, padded to the longest."""
    import torch

    trunk, branches = tree_of(rows)
    length, device = max(len(branch.tokens) for branch in branches), ids.device
    tokens, positions, owners = (
        torch.tensor([part + [pad] * (length - len(part)) for part in parts], device=device)
        for parts, pad in (
            ([branch.tokens for branch in branches], 0),
            ([branch.positions for branch in branches], 0),
            ([branch.owners for branch in branches], -1),
        )
    )
    learned = [
        (trunk + number * length + one.at, one.row, one.column)
        for number, branch in enumerate(branches)
        for one in branch.learned
    ]
    at, row, column = torch.tensor(sorted(learned), device=device).reshape(-1, 3).unbind(1)
    sequence = torch.cat([torch.tensor(rows[0].tokens[:trunk], device=device, dtype=ids.dtype), tokens.flatten()])
    position = torch.cat([torch.arange(trunk, device=device), positions.flatten()])
    chosen = torch.zeros_like(sequence, dtype=torch.bool)
    chosen[at] = True
    attention = attention_of(model, len(branches), trunk, _seen(owners, trunk))
    with attention, only(model.get_output_embeddings(), chosen[None]):
        logits = call(input_ids=sequence[None], position_ids=position[None], use_cache=False).logits
    return _spread(logits, labels, row, column - 1)


def _seen(owners: Any, trunk: int) -> Any:
    """bool (branches, 1, length, trunk + length): the trunk, and what is before in the branch and all rows' or its own.

    owners: int64 (branches, length), -1 for padding, which sees itself.
    """
    import torch

    own = (owners[:, None, :] == 0) | (owners[:, None, :] == owners[:, :, None])
    return torch.cat([own.new_ones(*owners.shape, trunk), own.tril()], dim=2)[:, None]


def _spread(logits: Any, labels: Any, rows: Any, places: Any) -> Any:
    """The log-probabilities of the labels behind these places, each at its place."""
    from torch.nn.functional import cross_entropy

    values = -cross_entropy(logits.float(), labels[rows, places + 1], reduction="none")
    return values.new_zeros(labels.shape[0], labels.shape[1] - 1).index_put((rows, places), values)


def shares(model: Any, wish: Literal["auto", "on", "off"]) -> bool:
    """Whether a run shares what its rows begin with. Raises T343 when it must and cannot."""
    able = wish != "off" and shareable(model)
    if wish == "on" and not able:
        raise refused("the base model's attention does not allow it")
    return able
