"""Wrong answers in clusters: those of one kind together, large ones parted by what their inputs are about.

Each cluster is named by the terms that set its inputs apart, and says what to do: what is likely to blame, the repair,
and a quota of rows that `generate.rows` of task.yaml takes as it stands. A quota holds no word of an input: these are
test or dev rows, and it is what others are written from. What is to blame, the other systems tell where
they have most of its rows right; else the kind of mistake does.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from stages.failing import KINDS, failure
from stages.judging import Judged
from stages.metrics._words import words
from stages.rows import dumps

LEAST = 3  # rows of one field or label pair that are a cluster of their own
PARTED = 24  # rows of a cluster that is parted by its inputs, into pieces of about half as many
MOST = 40  # clusters that are told of
SHOWN = 5  # examples of each
NAMED = 4  # fields or label pairs of a cluster that holds several
TERMS = 4
LONGEST = 300  # characters of an example's text
QUOTA = (20, 100)  # targeted rows a cluster, at least and at most
MOSTLY = 0.5  # of a cluster's rows: another system that has so many right tells what is to blame

# Who has the rows right -> what is to blame, and the repair; the first that applies.
TELLING = (
    (
        ("tuned",),
        "deployment",
        "The tuned weights have most of these right: ship a larger format, and see what the export changed.",
    ),
    (
        ("prompted", "few_shot", "rag"),
        "prompt",
        "The base model has most of these right when its prompt holds the contract: train with `prompt: contract`, at "
        "a lower rate, or for fewer passes.",
    ),
    (
        ("nearest", "tfidf", "encoder", "rule"),
        "model",
        "A method without a language model has most of these right, so the rows tell it: train longer, at another rate "
        "or a higher rank.",
    ),
    (("larger",), "model", "A larger model has most of these right: try a larger base model before more rows."),
)


def clusters(judged: Sequence[Judged], others: Mapping[str, Sequence[Judged]] | None = None) -> list[dict[str, Any]]:
    """The largest first: {kind, what, terms, rows, share, cause, advice, right, quota, examples}.

    others: other systems' answers to the same rows; right: how many of the cluster's rows each has right.
    """
    wrong = sum(failure(j) is not None for j in judged)
    background = [_text(j) for j in judged]
    hits = {name: {j.id for j in of if j.right} for name, of in sorted((others or {}).items())}
    return [_told(kind, what, rows, wrong, background, hits) for kind, what, rows in grouped(judged)]


def grouped(judged: Sequence[Judged]) -> list[tuple[str, str, list[Judged]]]:
    """(kind, what it is about, its rows), the largest first: the rows of `clusters`, cluster by cluster."""
    groups: dict[tuple[str, str], list[Judged]] = defaultdict(list)
    for j in judged:
        if (found := failure(j)) is not None:
            groups[found].append(j)
    rare: dict[str, list[str]] = defaultdict(list)
    for kind, what in sorted(groups):  # what is too rare for itself goes with its kind
        if what and len(groups[kind, what]) < LEAST:
            groups[kind, ""] += groups.pop((kind, what))
            rare[kind].append(what)
    parts = [
        (kind, what or _several(rare[kind]), part)
        for (kind, what), rows in sorted(groups.items())
        for part in _parts(rows)
    ]
    return sorted(parts, key=lambda part: (-len(part[2]), part[0], part[1], part[2][0].id))[:MOST]


def _several(what: Sequence[str]) -> str:
    """The first few of what a cluster is about, and how many more there are."""
    more = [f"{len(what) - NAMED} others"] if len(what) > NAMED else []
    return "; ".join([*what[:NAMED], *more])


def _told(
    kind: str,
    what: str,
    rows: Sequence[Judged],
    wrong: int,
    background: Sequence[str],
    hits: Mapping[str, set[str]],
) -> dict[str, Any]:
    told = terms([_text(j) for j in rows], background)
    right = {name: sum(j.id in ids for j in rows) for name, ids in hits.items()}
    cause, advice = _blame(right, len(rows)) or (KINDS[kind].cause, KINDS[kind].advice)
    return {
        "kind": kind,
        "what": what,
        "terms": told,
        "rows": len(rows),
        "share": len(rows) / wrong,
        "cause": cause,
        "advice": advice,
        "right": right,
        "quota": _quota(kind, what, len(rows)),
        "examples": [_example(j) for j in sorted(rows, key=lambda j: j.id)[:SHOWN]],
    }


def _blame(right: Mapping[str, int], rows: int) -> tuple[str, str] | None:
    """What is to blame by who has the rows right, and the repair; None where nobody tells."""
    for names, cause, advice in TELLING:
        of = (many for name, many in right.items() if any(name == one or name.startswith(f"{one}-") for one in names))
        if max(of, default=0) > MOSTLY * rows:
            return cause, advice
    return None


def _quota(kind: str, what: str, rows: int) -> dict[str, Any]:
    """An entry of `generate.rows`. Source: the seeds' 20 to 100 targeted rows a cluster."""
    told = [KINDS[kind].about, *([what] if what else [])]
    count = max(QUOTA[0], min(QUOTA[1], 5 * rows))
    return {"tag": KINDS[kind].tag, "count": count, "difficulty": "hard", "edge_case": _cut("; ".join(told))}


def _example(judged: Judged) -> dict[str, Any]:
    expected = judged.gold if isinstance(judged.gold, str) else dumps(judged.gold)
    return {"id": judged.id, "input": _cut(_text(judged)), "expected": _cut(expected), "said": _cut(judged.text)}


def _cut(text: str) -> str:
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}…"


def _text(judged: Judged) -> str:
    return " ".join(value if isinstance(value, str) else dumps(value) for value in judged.input.values())


def _parts(rows: list[Judged]) -> Iterator[list[Judged]]:
    """A large cluster by what its inputs are about: k-means over the inputs' TF-IDF, the same every time."""
    if len(rows) < PARTED:
        yield rows
        return
    from sklearn.cluster import KMeans

    matrix = _vectors([_text(j) for j in rows])
    if matrix is None:
        yield rows
        return
    many = min(6, len(rows) // (PARTED // 2))
    places = KMeans(many, random_state=0, n_init=4).fit_predict(matrix)
    found: Mapping[int, list[Judged]] = {place: [] for place in sorted(set(places))}
    for place, j in zip(places, rows, strict=True):
        found[place].append(j)
    yield from found.values()


def _vectors(texts: Sequence[str]) -> Any:
    """Sparse TF-IDF rows; None where no word says anything."""
    from sklearn.feature_extraction.text import TfidfVectorizer

    try:
        return TfidfVectorizer(analyzer=words, sublinear_tf=True, max_df=0.9, max_features=5_000).fit_transform(texts)
    except ValueError:  # every word stands in almost every text
        return None


def terms(texts: Sequence[str], background: Sequence[str]) -> list[str]:
    """Words that are more frequent here than in all rows: share here times the log of how much more frequent."""
    import math

    here, all_ = (_shares(group) for group in (texts, background))
    weight = {
        term: share * math.log(share / all_[term])
        for term, share in here.items()
        if len(term) > 1 or not term.isascii()
    }
    best = sorted(weight, key=lambda term: (-weight[term], term))
    return [term for term in best if weight[term] > 0][:TERMS]


def _shares(texts: Sequence[str]) -> dict[str, float]:
    """Word -> in which share of the texts it stands."""
    found: dict[str, float] = defaultdict(float)
    for text in texts:
        for term in set(words(text)):
            found[term] += 1 / len(texts)
    return found
