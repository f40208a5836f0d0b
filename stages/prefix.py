"""The training step. What all rows begin with is run once, and the vocabulary's logits are made for answers alone.

All rows of a task begin with the same system prompt, token by token. A step runs those tokens once, with gradient,
gives their keys and values to every row of the batch, and runs only what is each row's own. Causal attention makes that
the same function as running every row whole; only its cost differs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from functools import partial
from typing import Any

from stages.diagnostics import UserError, fail

FILL = 0.95  # of a run's tokens are no padding, at least, where longer pools of rows can bring that about
WORTH = 8  # tokens; a shorter prefix costs more to set up than it saves
ATTENTION = "tunec_rows"  # the name that transformers knows our attention by


def answer_loss(model: Any, ids: Any, labels: Any, shared: int, call: Any = None) -> Any:
    """The summed cross-entropy of the learned tokens: a scalar tensor with gradient.

    model: a causal language model, not wrapped. ids: int64 (rows, length), padded on the right. labels: the same shape,
    -100 where nothing is learned. shared: how many tokens all rows begin with alike, fewer than any row's prompt has;
    0 runs every row whole. call: what the model is wrapped in, where it is.
    """
    call = call or model
    if not shared:
        # What stands right of a token is never seen by it, so the padding needs no mask.
        return _loss(model, call, labels[:, 1:], input_ids=ids[:, :-1], use_cache=False)
    return _shared_loss(model, call, ids, labels, shared)


def _shared_loss(model: Any, call: Any, ids: Any, labels: Any, shared: int) -> Any:
    """All in one sequence: the prefix, then what is each row's own, row after row.

    A matrix product with 18 rows takes as long as one with 126 (two cores, MKL), so one pass beats a pass over the
    prefix and one over the rest.
    """
    import torch

    rows, length = ids.shape
    places = torch.arange(length - 1, device=ids.device)  # a row's last token foretells nothing
    tokens = torch.cat([ids[0, :shared], ids[:, shared:-1].flatten()])
    position = torch.cat([places[:shared], places[shared:].repeat(rows)])
    targets = torch.cat([torch.full_like(places[:shared], -100), labels[:, shared + 1 :].flatten()])
    with attention_of(model, rows, shared):
        return _loss(model, call, targets[None], input_ids=tokens[None], position_ids=position[None], use_cache=False)


@contextmanager
def attention_of(model: Any, rows: int, shared: int, seen: Any = None) -> Iterator[None]:
    """Let each row attend to the prefix and to itself alone; of itself, to what `seen` says (None: what is before).

    seen: bool (rows, 1, length, shared + length).
    """
    with _attending(model, partial(_attend, rows=rows, shared=shared, seen=seen)):
        yield


def as_before(model: Any) -> Callable[[], tuple[Any, Any]]:
    """For torch's checkpoint: what it is to compute a layer in at first, and when it does so again in the backward
    pass. By then `attention_of` is left, so its attention is brought back."""

    def contexts() -> tuple[Any, Any]:
        from transformers import AttentionInterface

        if model.config._attn_implementation != ATTENTION:
            return nullcontext(), nullcontext()
        return nullcontext(), _attending(model, AttentionInterface()[ATTENTION])

    return contexts


@contextmanager
def _attending(model: Any, attend: Callable[..., Any]) -> Iterator[None]:
    from transformers import AttentionInterface

    before = model.config._attn_implementation
    AttentionInterface.register(ATTENTION, attend)
    model.set_attn_implementation(ATTENTION)
    if model.config._attn_implementation != ATTENTION:  # transformers only warns of it, and rows would see each other
        raise RuntimeError(f"{type(model).__name__} keeps its own attention; see stages.engines._prefix.shareable")
    try:
        yield
    finally:
        model.set_attn_implementation(before)


def _attend(
    module: Any, query: Any, key: Any, value: Any, mask: None, *, rows: int, shared: int, seen: Any, **given: Any
) -> tuple[Any, None]:
    """query: (1, heads, shared + rows * length, dimension); key and value the same, of their own number of heads."""
    import torch
    from transformers.integrations.sdpa_attention import sdpa_attention_forward as attention

    def row_by_row(all: Any) -> Any:
        return all[0, :, shared:].unflatten(1, (rows, -1)).transpose(0, 1)

    def after_prefix(all: Any) -> Any:
        return torch.cat([all[:, :, :shared].expand(rows, -1, -1, -1), row_by_row(all)], dim=2)

    given |= {"is_causal": False}
    length = (query.shape[2] - shared) // rows
    if seen is None:
        seen = torch.ones(length, shared + length, dtype=torch.bool, device=query.device).tril(shared)[None, None]
    own, _ = attention(module, row_by_row(query), after_prefix(key), after_prefix(value), seen, **given)
    own = own.flatten(0, 1)[None]
    if not shared:
        return own, None
    first = [part[:, :, :shared] for part in (query, key, value)]
    prefix, _ = attention(module, *first, seen.new_ones(shared, shared).tril()[None, None], **given)
    return torch.cat([prefix, own], dim=1), None


def _loss(model: Any, call: Any, targets: Any, **inputs: Any) -> Any:
    """targets: what each position of the inputs foretells, or -100."""
    from torch.nn.functional import cross_entropy

    learned = targets != -100
    with only(model.get_output_embeddings(), learned):
        logits = call(**inputs).logits
    return cross_entropy(logits.float(), targets[learned], reduction="sum")


@contextmanager
def only(head: Any, positions: Any) -> Iterator[None]:
    """Let the head see these positions alone, (rows, length) -> (positions, hidden). The model may scale or cap its
    logits afterwards as it likes."""
    hook = head.register_forward_pre_hook(lambda _, hidden: (hidden[0][positions],))
    try:
        yield
    finally:
        hook.remove()


def refused(why: str) -> UserError:
    """Of `shared_prefix: on`, where nothing can be shared."""
    help = "set training.shared_prefix to auto"
    return fail("T343", f"training.shared_prefix is on, but {why}", help=help, key="training.shared_prefix")


def pieces(rows: Sequence[Any], size: int | None) -> list[Sequence[Any]]:
    """A step's rows as they are computed together, `size` of them at most; None: all."""
    return [rows[first : first + size] for first in range(0, len(rows), size)] if size else [rows]


def batches(lengths: Sequence[int], size: int, epochs: float, seed: int) -> list[list[int]]:
    """The rows of every step of a whole run, in its order. Rows of like length stand together, so little is padding.

    lengths: tokens of each row. Each epoch shuffles anew, sorts pools of 32 batches by length and shuffles the batches;
    where that leaves more than a twentieth to padding, larger pools. A part of an epoch takes its first steps. Never
    empty. The same for the same arguments.
    """
    pool = 32 * size
    while _fill(steps := _steps(lengths, size, epochs, seed, pool), lengths) < FILL and pool < len(lengths):
        pool *= 2
    return steps


def _steps(lengths: Sequence[int], size: int, epochs: float, seed: int, pool: int) -> list[list[int]]:
    import math
    import random

    draw = random.Random(seed)  # noqa: S311 - an order of rows is no secret
    wanted = max(1, math.ceil(epochs * math.ceil(len(lengths) / size)))
    steps: list[list[int]] = []
    while len(steps) < wanted:
        rows = draw.sample(range(len(lengths)), len(lengths))
        parts = (rows[i : i + pool] for i in range(0, len(rows), pool))
        ordered = [row for part in parts for row in sorted(part, key=lambda row: lengths[row])]
        epoch = [ordered[i : i + size] for i in range(0, len(ordered), size)]
        steps += draw.sample(epoch, len(epoch))
    return steps[:wanted]


def _fill(steps: Sequence[Sequence[int]], lengths: Sequence[int]) -> float:
    """The share of tokens that are no padding."""
    real = sum(lengths[row] for step in steps for row in step)
    return real / max(1, sum(max(lengths[row] for row in step) * len(step) for step in steps))
