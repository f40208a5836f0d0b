"""Which column is the answer, which go in, which are neither: by what they are called, and by what stands in them."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from stages.row_shapes import CONTAINERS
from stages.shapes import ANSWER_COLUMNS, SPLIT_COLUMN, VERDICT_COLUMNS

Shape = Literal["answers", "pairs", "verdicts", "texts"]
By = Literal["person", "name", "labels", "values"]
# What answers are called beside the columns that are read by themselves, the likeliest first.
_ANSWERS = (
    *(
        "entities",
        "call",
        "calls",
        "answers",
        "category",
        "class",
        "intent",
        "sentiment",
        "target",
        "summary",
        "response",
    ),
    *(
        "steps",
        "plan",
        "reply",
        "translation",
        "rewrite",
        "標籤",
        "類別",
        "分類",
        "答案",
        "輸出",
        "摘要",
        "情感",
        "意圖",
    ),
)
_INPUTS = (
    *("text", "prompt", "query", "question", "input", "instruction", "utterance", "sentence", "message", "review"),
    *("context", "document", "article", "passage", "title", "entity", "history", "content", "內容", "文本", "問題"),
)
_NEVER = {SPLIT_COLUMN, "id", "license", "licence", "tags", "lang", "language", "parent", "weight", "source", "system"}
_GIVES_AWAY = re.compile(
    r"answer|output|label|response|rationale|explanation|gold|reason|答案|標籤|解釋", re.IGNORECASE
)
_ID = re.compile(r"[\w.:/-]{1,64}", re.ASCII)
_LOOKED = 500
_EACH, _MOST, _LONGEST = 3, 100, 40  # of a column that may hold labels: rows a value, values, characters of one


@dataclass(frozen=True)
class Told:
    """What a person said of the answers. guess: whether a column may be taken for them by its values alone."""

    column: str | None = None
    labels: frozenset[str] = frozenset()
    guess: bool = True


NOTHING = Told()


@dataclass(frozen=True)
class Columns:
    """answer: None where no row has one. inputs: in the order of a template. left_out: of neither, with why.
    by: what told the answer: a person, what it is called, the labels that a person named, or nothing but its few
    values.
    """

    names: tuple[str, ...]
    answer: str | None
    inputs: tuple[str, ...]
    left_out: Mapping[str, str]
    shape: Shape
    by: By = "name"


def columns(rows: Sequence[Mapping[str, Any]], told: Told = NOTHING) -> Columns:
    """Look at the beginning: names are the same throughout a file, or a person is asked anyway."""
    some = rows[:_LOOKED]
    names = tuple(dict.fromkeys(name for row in some for name in row))
    shape = _shape(names, some)
    by: By = "name"
    answer = {"pairs": "chosen", "texts": None}.get(shape, _answer(names, some, shape))
    if shape == "answers" and told.column in names:
        answer, by = told.column, "person"
    elif shape == "answers" and answer is None and told.guess:
        answer, by = _by_values(names, some, told.labels)
    left_out: dict[str, str] = {}
    inputs = []
    given = {answer, *(("chosen", "rejected") if shape == "pairs" else ("label",) if shape == "verdicts" else ())}
    derived = "prompt" in names and any(name in names for name in CONTAINERS)
    for name in (name for name in names if name not in given):
        why = _why_not(name, [row.get(name) for row in some], derived)
        if why is None:
            inputs.append(name)
        elif why:
            left_out[name] = why
    return Columns(names, answer, tuple(sorted(inputs, key=_place)), left_out, shape, by)


def _shape(names: Sequence[str], rows: Sequence[Mapping[str, Any]]) -> Shape:
    if {"chosen", "rejected"} <= set(names):
        return "pairs"
    said = {str(row.get("label")).strip().lower() for row in rows if row.get("label") is not None}
    if said and said <= {"true", "false"} and any(name in names for name in VERDICT_COLUMNS):
        return "verdicts"
    return "texts" if set(names) - _NEVER == {"text"} else "answers"


def _answer(names: Sequence[str], rows: Sequence[Mapping[str, Any]], shape: Shape) -> str | None:
    if shape == "verdicts":
        return next(name for name in VERDICT_COLUMNS if name in names)
    lower = {name.lower(): name for name in reversed(names)}
    return next(
        (lower[name] for name in (*ANSWER_COLUMNS, *_ANSWERS) if name in lower and _filled(lower[name], rows)), None
    )


def _by_values(
    names: Sequence[str], rows: Sequence[Mapping[str, Any]], labels: frozenset[str]
) -> tuple[str | None, By]:
    """The last column whose values are the labels that somebody named; else the last with few of them, each of them in
    several rows, if another column is left to go in.
    """
    present = {name: [row[name] for row in rows if row.get(name) not in (None, "")] for name in names}
    texts = {name: of for name, of in present.items() if of and all(isinstance(one, str) for one in of)}
    held = {name: Counter(of) for name, of in texts.items()}
    named = [name for name, counts in held.items() if labels and set(counts) <= labels]
    if named:
        return named[-1], "labels"
    few = [name for name in held if name.lower() not in (*_NEVER, *_INPUTS) and _again_and_again(held[name])]
    return (few[-1], "values") if few and len(held) > len(few) else (None, "name")


def _again_and_again(counts: Counter[str]) -> bool:
    several = 1 < len(counts) <= _MOST and min(counts.values()) > 1 and counts.total() >= _EACH * len(counts)
    return several and max(map(len, counts)) <= _LONGEST


def _filled(name: str, rows: Sequence[Mapping[str, Any]]) -> bool:
    return 2 * sum(row.get(name) is not None for row in rows) >= len(rows)


def _why_not(name: str, values: list[Any], derived: bool) -> str | None:
    """Why a column does not go in: a reason to tell, "" for none that needs telling; None where it does."""
    if name in _NEVER or (derived and name in CONTAINERS):
        return ""
    if _GIVES_AWAY.search(name):
        return "gives_away"
    present = [value for value in values if value not in (None, "", [], {})]
    if not present:
        return ""
    if not all(isinstance(value, str) or _is_words(value) for value in present):
        return "no_text"
    spelled = [str(value) for value in present]
    if len(present) >= 5 and len(set(spelled)) == 1:
        return "constant"
    if name.lower() not in _INPUTS and _is_id(name, spelled):
        return "id"
    return None


def _is_words(value: Any) -> bool:
    """A short list of words, such as the slots that were asked for."""
    return isinstance(value, list) and len(value) <= 20 and all(isinstance(one, str) for one in value)


def _is_id(name: str, spelled: Sequence[str]) -> bool:
    alike = all(_ID.fullmatch(one) and any(map(str.isdigit, one)) for one in spelled)
    named = name.lower() == "id" or name.lower().endswith(("_id", "uuid", "guid"))
    return named or (alike and len(spelled) > 1 and len(set(spelled)) == len(spelled))


def _place(name: str) -> tuple[int, str]:
    """What is worked on after what is asked of it: a document after its question."""
    lower = name.lower()
    return (_INPUTS.index(lower) if lower in _INPUTS else len(_INPUTS), name)
