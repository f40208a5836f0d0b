"""Linear models that learn a task in seconds: what it costs without a language model, and how it grows with the rows.

Labels: TF-IDF of words and characters, one linear separator a label. Fields that stand in the text: a tag for each
word, from the word, its form and its neighbours. Other answers have no linear model.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

Score = tuple[float, int]  # value in 0..1, and how many decisions it was counted over
_WORD = re.compile(r"[A-Za-z0-9]+(?:['.:][A-Za-z0-9]+)*|[^\sA-Za-z0-9]")
_BUCKETS = 2**18


def labels(
    known: Sequence[str], answers: Sequence[Any], asked: Sequence[str], right: Sequence[Any], metric: str
) -> Score:
    """Learn `known` -> `answers`, answer `asked`, and score by accuracy or macro F1 against `right`."""
    if len(set(answers)) < 2:
        said = [answers[0]] * len(right)
    else:
        from sklearn.svm import LinearSVC

        from stages.baselines._similar import features

        made = features()
        model = LinearSVC(C=1.0, random_state=0, max_iter=2000).fit(made.fit_transform(list(known)), list(answers))
        said = list(model.predict(made.transform(list(asked))))
    return _labels_score(said, right, metric), len(right)


def _labels_score(said: Sequence[Any], right: Sequence[Any], metric: str) -> float:
    if metric == "accuracy":
        return float(np.mean([one == other for one, other in zip(said, right, strict=True)]))
    from sklearn.metrics import f1_score

    return float(f1_score(list(right), list(said), labels=sorted(set(right)), average="macro", zero_division=0))


def spans(known: Sequence[str], answers: Sequence[Any], asked: Sequence[str], right: Sequence[Any]) -> Score:
    """The same for fields that are copied out of the text; F1 over (field, value) pairs."""
    from sklearn.feature_extraction import FeatureHasher
    from sklearn.linear_model import SGDClassifier

    words = [_WORD.findall(text) for text in known]
    tags = [_tags(one, pairs(answer)) for one, answer in zip(words, answers, strict=True)]
    flat = [tag for row in tags for tag in row]
    gold = [Counter(pairs(answer)) for answer in right]
    many = sum(counts.total() for counts in gold)
    if len(set(flat)) < 2:
        return 0.0, many
    hasher = FeatureHasher(_BUCKETS, input_type="string")
    seen = hasher.transform(_features(row, place) for row in words for place in range(len(row)))
    model = SGDClassifier(loss="modified_huber", alpha=1e-5, max_iter=12, tol=None, random_state=0).fit(seen, flat)
    texts = [_WORD.findall(text) for text in asked]
    said = model.predict(hasher.transform(_features(row, place) for row in texts for place in range(len(row))))
    found, at = [], 0
    for row, text in zip(texts, asked, strict=True):
        found.append(Counter(_read(row, list(said[at : at + len(row)]), text)))
        at += len(row)
    both = sum((one & other).total() for one, other in zip(found, gold, strict=True))
    told = sum(counts.total() for counts in found)
    return (2 * both / (told + many) if told + many else 0.0), many


def pairs(answer: Any) -> list[tuple[str, str]]:
    """(field, text) of an answer: of {field: text}, or of a list of {type, text}."""
    if isinstance(answer, Mapping):
        return [(str(name), value) for name, value in answer.items() if isinstance(value, str) and value]
    if isinstance(answer, list):
        found = ((one.get("type") or one.get("label"), one.get("text")) for one in answer if isinstance(one, Mapping))
        return [(str(name), text) for name, text in found if name and isinstance(text, str) and text]
    return []


def _tags(words: list[str], wanted: list[tuple[str, str]]) -> list[str]:
    """B-field at the first word of a value, I-field at the others, O elsewhere."""
    tags = ["O"] * len(words)
    for name, text in wanted:
        value = _WORD.findall(text)
        for start in range(len(words) - len(value) + 1) if value else ():
            if words[start : start + len(value)] == value and tags[start] == "O":
                tags[start : start + len(value)] = [f"B-{name}"] + [f"I-{name}"] * (len(value) - 1)
                break
    return tags


def _read(words: list[str], tags: list[str], text: str) -> list[tuple[str, str]]:
    found, at, open_ = [], 0, None
    for word, tag in [*zip(words, tags, strict=True), ("", "O")]:
        start = text.find(word, at) if word else len(text)
        if open_ and tag != f"I-{open_[0]}":
            found.append((open_[0], text[open_[1] : open_[2]]))
            open_ = None
        if tag.startswith("B-") or (tag.startswith("I-") and not open_):
            open_ = (tag[2:], start, start + len(word))
        elif open_:
            open_ = (open_[0], open_[1], start + len(word))
        at = start + len(word)
    return found


def _features(words: list[str], place: int) -> list[str]:
    found = []
    for offset in (-2, -1, 0, 1, 2):
        at = place + offset
        word = words[at] if 0 <= at < len(words) else "<>"
        lower = word.lower()
        found += [f"{offset}w{lower}", f"{offset}s{_form(word)}"]
        if offset == 0:
            found += [f"p{lower[:3]}", f"e{lower[-3:]}", f"l{min(len(word), 8)}"]
    before = words[place - 1].lower() if place else "<"
    after = words[place + 1].lower() if place + 1 < len(words) else ">"
    return [*found, f"b{before}|{words[place].lower()}", f"a{words[place].lower()}|{after}"]


def _form(word: str) -> str:
    return re.sub(r"(.)\1+", r"\1", re.sub(r"[0-9]", "0", re.sub(r"[A-Z]", "X", re.sub(r"[a-z]", "x", word))))
