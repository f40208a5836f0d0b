"""The training step. What all rows begin with is run once, and the vocabulary's logits are made for answers alone.

All rows of a task begin with the same system prompt, token by token. A step runs those tokens once, with gradient,
gives their keys and values to every row of the batch, and runs only what is each row's own. Causal attention makes that
the same function as running every row whole; only its cost differs.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

WORTH = 8  # tokens; a shorter prefix costs more to set up than it saves
PACKED = 1024  # tokens; a longer batch has too many pairs of tokens for one sequence


@dataclass(frozen=True)
class Sharing:
    """tokens: how many all rows begin with alike, fewer than any row's prompt has; 0 runs every row whole.

    packed: whether a short batch may be run as one sequence.
    """

    tokens: int = 0
    packed: bool = False


def shareable(model: Any) -> bool:
    """Whether the model's memory of a prefix is nothing but keys and values, with no window that slides."""
    from transformers import DynamicCache
    from transformers.cache_utils import DynamicLayer

    layers = DynamicCache(config=model.config).layers
    return bool(layers) and all(type(layer) is DynamicLayer for layer in layers)


def answer_loss(model: Any, ids: Any, labels: Any, sharing: Sharing) -> Any:
    """The summed cross-entropy of the learned tokens: a scalar tensor with gradient.

    model: a causal language model, not wrapped. ids: int64 (rows, length), padded on the right. labels: the same shape,
    -100 where nothing is learned; each row ends with a learned token.
    """
    short = sharing.tokens + ids[:, sharing.tokens :].numel() <= PACKED
    step = _packed if sharing.packed and short else _rowwise
    return step(model, ids, labels, sharing.tokens)


def _packed(model: Any, ids: Any, labels: Any, shared: int) -> Any:
    """One sequence: the prefix, then what is each row's own, each token seeing the prefix and its own row.

    A matrix product with 18 rows takes as long as one with 126 (two cores, MKL), so one pass beats a pass over the
    prefix and one over the rest. Attention is over all pairs of tokens, so it pays for short batches only.
    """
    import torch

    at = torch.arange(ids.shape[1], device=ids.device)
    ends = ((labels != -100) * at).amax(dim=1, keepdim=True)  # a row's last token foretells nothing
    own = (at >= shared) & (at < ends)
    rows, places = own.nonzero(as_tuple=True)
    row, place = torch.cat([torch.full_like(at[:shared], -1), rows]), torch.cat([at[:shared], places])
    sees = (place <= place[:, None]) & ((row == row[:, None]) | (row < 0))
    mask = torch.zeros(sees.shape, dtype=model.dtype, device=ids.device).masked_fill(
        ~sees, torch.finfo(model.dtype).min
    )
    tokens = torch.cat([ids[0, :shared], ids[own]])
    targets = torch.cat([torch.full_like(at[:shared], -100), labels[rows, places + 1]])
    given = {"input_ids": tokens[None], "attention_mask": mask[None, None], "position_ids": place[None]}
    return _loss(model, targets[None], use_cache=False, **given)


def _rowwise(model: Any, ids: Any, labels: Any, shared: int) -> Any:
    """The rows as a batch, after the prefix's keys and values. What stands right of a token is never seen by it, so the
    padding needs no mask."""
    cache = _read(model, ids[:1, :shared], rows=len(ids)) if shared else None
    return _loss(
        model, labels[:, shared + 1 :], input_ids=ids[:, shared:-1], past_key_values=cache, use_cache=bool(shared)
    )


def _loss(model: Any, targets: Any, **inputs: Any) -> Any:
    """targets: what each position of the inputs foretells, or -100."""
    from torch.nn.functional import cross_entropy

    learned = targets != -100
    with _only(model.get_output_embeddings(), learned):
        logits = model(**inputs).logits
    return cross_entropy(logits.float(), targets[learned], reduction="sum")


def _read(model: Any, prefix: Any, rows: int) -> Any:
    """Keys and values of one prefix, (1, tokens), as the memory of `rows` rows."""
    from transformers import DynamicCache

    cache = DynamicCache(config=model.config)
    model.base_model(input_ids=prefix, past_key_values=cache, use_cache=True)
    for layer in cache.layers:
        layer.keys = layer.keys.expand(rows, -1, -1, -1)
        layer.values = layer.values.expand(rows, -1, -1, -1)
    return cache


@contextmanager
def _only(head: Any, positions: Any) -> Iterator[None]:
    """Let the head see these positions alone, (rows, length) -> (positions, hidden). The model may scale or cap its
    logits afterwards as it likes."""
    hook = head.register_forward_pre_hook(lambda _, hidden: (hidden[0][positions],))
    try:
        yield
    finally:
        hook.remove()


def batches(lengths: Sequence[int], size: int, epochs: float, seed: int) -> list[list[int]]:
    """The rows of every step of a whole run, in its order. Rows of like length stand together, so little is padding.

    lengths: tokens of each row. Each epoch shuffles anew, sorts pools of 32 batches by length and shuffles the batches.
    A part of an epoch takes its first steps. Never empty. The same for the same arguments.
    """
    import math
    import random

    draw = random.Random(seed)  # noqa: S311 - an order of rows is no secret
    wanted = max(1, math.ceil(epochs * math.ceil(len(lengths) / size)))
    steps: list[list[int]] = []
    while len(steps) < wanted:
        rows = draw.sample(range(len(lengths)), len(lengths))
        pools = (rows[i : i + 32 * size] for i in range(0, len(rows), 32 * size))
        ordered = [row for pool in pools for row in sorted(pool, key=lambda row: lengths[row])]
        epoch = [ordered[i : i + size] for i in range(0, len(ordered), size)]
        steps += draw.sample(epoch, len(epoch))
    return steps[:wanted]


def trainer_class() -> Any:
    """TRL's SFTTrainer with this step. A function, for importing TRL takes seconds."""
    from torch.utils.data import DataLoader
    from trl import SFTTrainer

    class PrefixTrainer(SFTTrainer):  # type: ignore[misc]
        """steps: the rows of every step. losses: of every step so far, per learned token."""

        def __init__(self, *, steps: list[list[int]], sharing: Sharing, **given: Any) -> None:
            super().__init__(**given)
            self.steps, self.sharing = steps, sharing
            self.losses: list[float] = []

        def get_train_dataloader(self) -> Any:
            return DataLoader(self.train_dataset, batch_sampler=self.steps, collate_fn=self.data_collator)

        def compute_loss(
            self, model: Any, inputs: Any, return_outputs: bool = False, num_items_in_batch: Any = None
        ) -> Any:
            plain = self.accelerator.unwrap_model(model).get_base_model()
            learned = (inputs["labels"] != -100).sum()
            loss = answer_loss(plain, inputs["input_ids"], inputs["labels"], self.sharing) / learned
            self.losses.append(float(loss.detach()))
            return loss

    return PrefixTrainer
