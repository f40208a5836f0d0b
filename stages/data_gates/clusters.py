"""What the rows are about, in clusters of their embeddings: too many about one thing, and those about nothing else."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from stages.catalog import DataGate
from stages.corpus import Corpus, Finding
from stages.likeness import digest
from stages.meaning import vectors
from stages.seen import Settings

_MOST = 64  # clusters
_FEWEST = 20  # rows that are worth parting


def sift(corpus: Corpus, settings: Settings) -> Iterator[Finding]:
    """Rows to train on that a cluster has beyond data.clusters.share of all, a hash of their ids decides which; and
    rows whose cosine to the middle of every cluster is below data.clusters.far. Raises T602 without a model.
    """
    places = corpus.by_rank(corpus.trainable().tolist())
    if len(places) < _FEWEST:
        return
    every = vectors(corpus, places, settings.embedder, "clusters")
    middles, whose = _parted(every)
    most = int(settings.cluster_share * len(places))
    for cluster in range(len(middles)):
        members = sorted((places[at] for at in (whose == cluster).nonzero()[0]), key=lambda p: digest(corpus.name(p)))
        if len(members) > most:
            shares = (
                f"{len(members) / len(places):.0%} of the rows are about one thing, {settings.cluster_share:.0%} may"
            )
            yield from ((place, shares, members[0]) for place in members[most:])
    far = (every @ middles.T).max(axis=1) < settings.cluster_far
    yield from ((places[at], "it is far from every cluster of rows", None) for at in far.nonzero()[0])


def _parted(every: Any) -> tuple[Any, Any]:
    """(middles of the clusters, of length 1; the cluster of each row), the same every time.

    As many clusters as the root of half the rows (Mardia et al. 1979), in one thread: sums of several would round
    otherwise each time.
    """
    import numpy as np
    from sklearn.cluster import MiniBatchKMeans
    from threadpoolctl import threadpool_limits

    many = max(2, min(_MOST, round((len(every) / 2) ** 0.5)))
    with threadpool_limits(1):
        found = MiniBatchKMeans(many, random_state=0, n_init=3, batch_size=4096).fit(every)
    lengths = np.linalg.norm(found.cluster_centers_, axis=1, keepdims=True)
    return found.cluster_centers_ / np.maximum(lengths, 1e-9), found.labels_


DATA_GATE = DataGate("clusters", "rows are about many things, and none about what no other is", "off", sift=sift)
