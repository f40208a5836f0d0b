"""What a model says of tokens that are given: the logits before each token of an answer, as one pass reads them."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import closing

import numpy as np
import numpy.typing as npt

from stages.engines._llama_native import Batch, Context, Model
from stages.engines._llama_slots import BATCH

Rows = npt.NDArray[np.float32]


def forced(model: Model, pairs: Sequence[tuple[list[int], list[int]]]) -> Iterator[Rows]:
    """For each (prompt, answer) the logits that foretell the answer's tokens: float32 (answer, vocabulary)."""
    cells = max(len(prompt) + len(answer) for prompt, answer in pairs)
    with closing(Context(model, cells=cells, sequences=1, batch=BATCH)) as context:
        batch = Batch(context.lib, BATCH)
        for prompt, answer in pairs:
            context.forget(0)
            yield _read(context, batch, prompt, answer)


def _read(context: Context, batch: Batch, prompt: list[int], answer: list[int]) -> Rows:
    tokens, first = [*prompt, *answer[:-1]], len(prompt) - 1
    found: list[Rows] = []
    for begin in range(0, len(tokens), BATCH):
        batch.clear()
        some = tokens[begin : begin + BATCH]
        batch.add(some, begin, 0, logits=False)
        wanted = [place for place in range(len(some)) if begin + place >= first]
        batch.wanted[wanted] = 1
        context.decode(batch)
        found += [context.logits(place).copy() for place in wanted]
    return np.stack(found)


def log_probabilities(logits: Rows) -> Rows:
    """Over the last axis."""
    shifted = logits - logits.max(axis=-1, keepdims=True)
    return np.asarray(shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True)), dtype=np.float32)


def likelihood(logits: Rows, answer: Sequence[int]) -> float:
    """The mean log-probability of the answer's tokens, in nats."""
    said = log_probabilities(logits)[np.arange(len(answer)), list(answer)]
    return float(said.mean())


def divergence(of: Rows, other: Rows) -> tuple[float, float]:
    """KL(of || other) averaged over positions, in nats, and the share of positions with the same likeliest token."""
    a, b = log_probabilities(of).astype(np.float64), log_probabilities(other).astype(np.float64)
    apart = float((np.exp(a) * (a - b)).sum(axis=-1).mean())
    return (0.0 if math.isclose(apart, 0.0, abs_tol=1e-12) else apart), float((a.argmax(-1) == b.argmax(-1)).mean())
