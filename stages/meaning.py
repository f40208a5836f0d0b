"""Rows by what they mean: embeddings of their inputs, by a model that the user brings.

Source: Tulkens and van Dongen 2024, model2vec: one vector a token, and a text is their mean.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from stages.corpus import Corpus
from stages.diagnostics import fail
from stages.seen import Seen

_BATCH = 4096


def vectors(corpus: Corpus, places: Sequence[int], embedder: str | None, gate: str) -> Any:
    """Array of float32 (places, dimension), each of length 1; of a text without known words, zeros.

    Raises T602 without model2vec, or without a model of it in `embedder`; `gate` is who asks.
    """
    import numpy as np

    model = _model(embedder, gate)
    found = [np.zeros((0, model.dim), np.float32)]
    for start in range(0, len(places), _BATCH):
        texts = [Seen(corpus.row(place), {}, corpus.contract).text for place in places[start : start + _BATCH]]
        found.append(np.asarray(model.encode(texts, use_multiprocessing=False), np.float32))
    every = np.concatenate(found)
    lengths = np.linalg.norm(every, axis=1, keepdims=True)
    return np.divide(every, lengths, out=np.zeros_like(every), where=lengths > 0)


def pairs(every: Any, threshold: float) -> Iterator[tuple[int, int]]:
    """(one, other), one < other, of rows of `every` whose cosine is `threshold` or more, by the second."""
    import numpy as np
    from sklearn.neighbors import NearestNeighbors

    known = np.flatnonzero(every.any(axis=1))
    if len(known) < 2:
        return
    radius = math.sqrt(max(0.0, 2 - 2 * threshold)) + 1e-4  # of vectors of length 1; rounding must lose none
    index = NearestNeighbors(radius=radius, algorithm="brute").fit(every[known])
    for start in range(0, len(known), _BATCH):
        near = index.radius_neighbors(every[known[start : start + _BATCH]], return_distance=False)
        for other, around in enumerate(near, start=start):
            here = np.sort(around[around < other])
            close = here[every[known[here]] @ every[known[other]] >= threshold - 1e-6]
            yield from ((int(known[one]), int(known[other])) for one in close)


def _model(embedder: str | None, gate: str) -> Any:
    try:
        from model2vec import StaticModel
    except ImportError:
        raise fail("T602", f"the gate `{gate}` needs model2vec", help="pip install 'tunec[semantic]'") from None
    if not embedder or not Path(embedder).is_dir():  # a name alone would be looked for on the Hub
        help = "put a model2vec model into the workspace and name its folder in data.dedupe.embedder"
        raise fail("T602", f"the gate `{gate}` needs a model of embeddings", help=help)
    try:
        return StaticModel.from_pretrained(embedder)
    except Exception as error:  # whatever its parts raise: safetensors', tokenizers', and the Hub's own errors
        help = "data.dedupe.embedder names a folder with config.json, model.safetensors and tokenizer.json"
        raise fail("T602", f"{embedder} is no model of embeddings: {error}"[:300], help=help) from None
