"""In which way an answer is wrong. One kind a row: the first of this order that fits."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from stages.equality import same
from stages.judging import Judged
from stages.metrics._calls import arguments, tool
from stages.metrics.runaway_rate import ran_away
from stages.rows import dumps

_REFUSING = re.compile(
    r"\b(I can(?:no|')t|I am unable|I'm (?:sorry|unable)|as an AI)\b|抱歉|無法|无法|對不起|对不起", re.IGNORECASE
)
_INJECTED = re.compile(
    r"\b(?:ignore|disregard|forget)\b.{0,40}\b(?:instructions?|above|previous|prompt)|system prompt|"
    r"忽略.{0,12}(?:指令|指示|以上|前面)",
    re.IGNORECASE | re.DOTALL,
)


@dataclass(frozen=True)
class Kind:
    """cause: what is likely to blame: data, model, prompt, schema or deployment. advice: how to mend it. tag: which of
    a teacher's kinds of rows mends it (stages.asking.KINDS); about: what those rows are about, in words.
    """

    name: str
    cause: str
    advice: str
    tag: str
    about: str


_KINDS = (
    Kind(
        "injection followed",
        "data",
        "Add rows whose input holds instructions that are to be treated as text.",
        "adversarial",
        "the input holds instructions to the model, which are text like any other",
    ),
    Kind(
        "too long",
        "deployment",
        "Check the stop token and the chat template; add rows that end early.",
        "canonical",
        "the answer is short and ends early",
    ),
    Kind(
        "refusal",
        "data",
        "Add rows of this kind that are answered, and take refusals out of the train rows.",
        "boundary",
        "a request that sounds as if it were to be refused, and is answered",
    ),
    Kind(
        "wrong schema",
        "schema",
        "Add schema-only rows, decode under the grammar, or make the schema simpler.",
        "schema-repair",
        "the input tempts to leave the form of the answer",
    ),
    Kind(
        "wrong tool",
        "prompt",
        "Say in the prompt which tool is for what; add rows for both tools whose inputs are alike.",
        "near-miss",
        "inputs for which a model took another tool",
    ),
    Kind(
        "wrong argument",
        "data",
        "Add rows with this argument in many wordings; check that train rows agree on it.",
        "boundary",
        "the argument is said in an unusual wording",
    ),
    Kind(
        "missing field",
        "data",
        "Add rows in which this field is named in passing, late, or in other words.",
        "boundary",
        "the field is named in passing, late, or in other words",
    ),
    Kind(
        "extra field",
        "data",
        "Add rows in which this field is not named, so that it is left out.",
        "negative",
        "the field is not named, though it looks so",
    ),
    Kind(
        "wrong value",
        "data",
        "Add rows with the values that are confused; check whether the labels agree.",
        "near-miss",
        "several values could be meant, and one is right",
    ),
    Kind(
        "wrong label",
        "data",
        "Add rows at the border of the two labels; write the border into the label's description.",
        "near-miss",
        "inputs at the border of two labels",
    ),
    Kind(
        "too verbose",
        "prompt",
        "Say in the prompt how long an answer is; cut the answers of the train rows.",
        "style",
        "the answer is as short as can be",
    ),
    Kind(
        "other words",
        "model",
        "Look at the examples: where the meaning is right, the metric asks for too much.",
        "production-like",
        "the answer keeps the input's own words",
    ),
)
KINDS: Mapping[str, Kind] = {kind.name: kind for kind in _KINDS}


def failure(judged: Judged) -> tuple[str, str] | None:
    """(kind, what of the answer: a field, a pair of labels or tools); None for a row that is right."""
    if judged.right:
        return None
    return next(_kinds(judged))


def _kinds(judged: Judged) -> Iterator[tuple[str, str]]:
    text = " ".join(value if isinstance(value, str) else dumps(value) for value in judged.input.values())
    if _INJECTED.search(text):
        yield "injection followed", ""
    if ran_away(judged):
        yield "too long", ""
    if _REFUSING.search(judged.text) and not _REFUSING.search(str(judged.gold)):
        yield "refusal", ""
    if not judged.read or not judged.valid:
        yield "wrong schema", "" if judged.read else "cannot be read"
    if "anyOf" in (judged.schema or {}) and isinstance(judged.gold, dict) and "arguments" in judged.gold:
        yield _call(judged)
    if isinstance(judged.gold, dict) and isinstance(judged.said, dict):
        yield _fields(judged.gold, judged.said)
    if judged.schema and "enum" in judged.schema:
        yield "wrong label", f"{judged.labels[0]} → {judged.labels[1]}"
    if isinstance(judged.gold, str) and len(judged.text) > 2 * len(judged.gold) + 20:
        yield "too verbose", ""
    yield ("other words", "") if isinstance(judged.gold, str) else ("wrong value", "")


def _call(judged: Judged) -> tuple[str, str]:
    gold, said = tool(judged.gold), tool(judged.said)
    if gold != said:
        return "wrong tool", f"{gold} → {said}"
    expected, given = arguments(judged.gold), arguments(judged.said)
    off = [name for name in {**expected, **given} if not same(expected.get(name), given.get(name))]
    return "wrong argument", f"{gold}: {off[0] if off else ''}"


def _fields(gold: Mapping[str, Any], said: Mapping[str, Any]) -> tuple[str, str]:
    """The first field that is off, missing ones before wrong ones before extra ones."""
    missing, extra = [name for name in gold if name not in said], [name for name in said if name not in gold]
    wrong = [name for name in gold if name in said and not same(gold[name], said[name])]
    for kind, names in (("missing field", missing), ("wrong value", wrong), ("extra field", extra)):
        if names:
            return kind, names[0]
    return "wrong value", ""
