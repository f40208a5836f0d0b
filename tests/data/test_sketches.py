"""Which texts may be alike: what shares a band is found, whatever else is sketched beside it."""

from __future__ import annotations

import random
import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stages import likeness
from stages.likeness import MOVED, hashed, jaccard, sequences, shingles
from stages.sketches import _ALL_PAIRS, BANDS, candidates, clusters, sketch

WORD = st.text(st.characters(exclude_categories=["Cs", "Z", "C"]), min_size=1, max_size=8)
TEXTS = st.lists(st.lists(WORD, max_size=30), min_size=1, max_size=20)
QUICK = settings(max_examples=60, deadline=None)


@QUICK
@given(TEXTS)
def test_a_text_is_sketched_alike_whatever_stands_beside_it(texts: list[list[str]]) -> None:
    together = sketch(texts)
    assert together.shape == (len(texts), BANDS + 1)
    assert all((sketch([text])[0] == one).all() for text, one in zip(texts, together, strict=True))


@QUICK
@given(TEXTS, st.integers(0, 8))
def test_a_word_is_hashed_alike_wherever_it_stands_and_however_the_text_is_parted(
    texts: list[list[str]], bits: int
) -> None:
    whole, lengths = hashed(texts)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(likeness, "_CHUNK", 1 << bits)
        parted, again = hashed(texts)
    alone = [hashed([[word]])[0][0] for text in texts for word in text]
    assert whole.tolist() == parted.tolist() == alone and lengths.tolist() == again.tolist() == list(map(len, texts))


def test_long_texts_are_hashed_a_part_at_a_time() -> None:
    texts = [[f"word{n}" for n in range(200_000)], ["x" * 3_000_000, "last"]] * 3
    hashed([["warm"]])
    tracemalloc.start()
    try:
        found, _ = hashed(texts)
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert found[:200_002].tolist() * 3 == found.tolist() and most < 120_000_000, f"{most / 1e6:.0f} MB of 16 MB"


@QUICK
@given(st.lists(WORD, min_size=MOVED, max_size=40), st.randoms())
def test_the_same_words_in_another_order_share_the_last_number(words: list[str], chance: random.Random) -> None:
    moved = chance.sample(words, len(words))
    one, other = sketch([words, moved])
    assert one[-1] == other[-1]


@QUICK
@given(TEXTS, st.integers(1, 8))
def test_every_run_of_words_inside_a_text_has_a_hash_and_none_runs_over_its_end(
    texts: list[list[str]], many: int
) -> None:
    found, whose = sequences(*hashed(texts), many)
    expected = [(place, tuple(t[n : n + many])) for place, t in enumerate(texts) for n in range(len(t) - many + 1)]
    assert whose.tolist() == [place for place, _ in expected]
    assert len(set(found.tolist())) == len({run for _, run in expected})


def changed(words: list[str], share: float, chance: random.Random) -> list[str]:
    return [chance.choice(VOCABULARY) if chance.random() < share else word for word in words]


VOCABULARY = [f"word{n}" for n in range(5_000)]


def test_of_pairs_at_the_threshold_hardly_any_is_missed_and_of_others_few_are_looked_at() -> None:
    chance = random.Random(5)
    texts = [chance.choices(VOCABULARY, k=45) for _ in range(4_000)]
    pairs = [(one, changed(one, chance.random() / 4, chance)) for one in texts]
    likeness = [jaccard(*(set(shingles(words)) for words in pair)) for pair in pairs]
    left, right = (sketch([pair[side] for pair in pairs])[:, :BANDS] for side in (0, 1))
    found = (left == right).any(axis=1)
    alike, apart = (np.array([0.8 <= j < 0.9 for j in likeness]), np.array([j < 0.4 for j in likeness]))
    assert alike.sum() > 200 and found[alike].mean() > 0.99
    assert apart.sum() > 200 and found[apart].mean() < 0.25


@QUICK
@given(st.lists(st.tuples(*[st.integers(0, 4)] * 3), min_size=0, max_size=24))
def test_every_pair_that_shares_a_band_is_named_once_or_stands_in_one_cluster(bands: list[tuple[int, ...]]) -> None:
    """A large bucket is not compared pair by pair, but its texts come together through their neighbours."""
    given_bands = np.array(bands, np.uint32).reshape(-1, 3)
    found = [tuple(pair) for pairs in candidates(given_bands) for pair in pairs.tolist()]
    shared = {
        (i, j)
        for j in range(len(bands))
        for i in range(j)
        if any(a == b != 0 for a, b in zip(bands[i], bands[j], strict=True))
    }
    assert len(found) == len(set(found)) and set(found) <= shared
    if (
        max((sum(b[column] == value for b in bands) for column in range(3) for value in range(1, 5)), default=0)
        <= _ALL_PAIRS
    ):
        assert set(found) == shared
    joined = clusters(given_bands, lambda one, other: True)
    assert all(joined.find(i) == joined.find(j) for i, j in shared)
