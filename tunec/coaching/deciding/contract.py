"""What comes out: the form of an answer, its labels or its fields."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from itertools import takewhile
from typing import Any

from stages.schemas import label_field
from tunec.coaching.case import Case
from tunec.coaching.words import Many

_FREE = ("generation", "rewriting", "summarization")
_FORMS = {"classification": "label", "policy": "label", "extraction": "json", "structured": "json"}
_FORMS |= {"tool_calling": "tool_call", "planning": "json"}
# Task types that need a certain form of answer: their metrics say nothing of another.
_NEEDS = {"classification": ("label", "json"), "policy": ("label", "json"), "extraction": ("json",)}
_NEEDS |= {"structured": ("json",), "tool_calling": ("tool_call", "json"), "planning": ("json",)}
_TAKEN = {"label": "classification", "json": "structured", "tool_call": "tool_calling", "text": "generation"}
_FIELD = re.compile(r"\S(.{0,62}\S)?")
_WORD = 5  # letters from which on two labels are hardly a letter apart by chance
_FAR_RARER = 5  # times
_PLACEHOLDERS = ("label_a", "label_b")


def decide(case: Case) -> None:
    _form(case)
    _fitting(case)
    _schema(case)
    _named(case)
    _conflicts(case)


def _form(case: Case) -> None:
    seen = case.seen.contract.type if case.seen else None
    said = case.said("output")
    if seen:
        if said and said != seen and not (said == "json" and seen == "label"):
            case.against("output", data=True, said=said, seen=seen)
        if _labels_stay_text(case, seen):
            seen = "text"
        case.put("output_format.type", seen, "data", "shown", rows=f"{case.seen.looked:,}")  # type: ignore[union-attr]
    elif said:
        case.put("output_format.type", said, "answer", "you")
    else:
        by_labels = "label" if case.said("labels") else "json" if case.said("fields") else None
        if by_labels == "label" and case.value("task_type") in _FREE:
            case.against("labels_free", said=case.task_type(case.value("task_type")))
            by_labels = None
        form = by_labels or _FORMS.get(case.value("task_type"), "text")
        case.put(
            "output_format.type", form, "answer" if by_labels else "assumed", "you" if by_labels else "default_target"
        )


def _labels_stay_text(case: Case, seen: str) -> bool:
    """The same few short answers may be written freely by one who says so."""
    return seen == "label" and (case.said("output") == "text" or case.said("task_type") in _FREE)


def _fitting(case: Case) -> None:
    """Kind of task and form of answer go together; where they do not, the form decides, for the rows have it."""
    kind, form = case.value("task_type"), case.value("output_format.type")
    schema = (case.seen.contract.schema if case.seen else None) or {}
    unlabelled = form == "json" and schema and label_field(schema) is None and kind in ("classification", "policy")
    shown = case.seen.kind.task_type if case.seen and case.seen.kind else None
    uncalled = kind == "tool_calling" and form == "json" and shown != kind
    if kind in _NEEDS and (uncalled or form not in _NEEDS[kind] or unlabelled):
        taken = _TAKEN[form]
        case.against("task_form", said=case.task_type(kind), form=form, taken=case.task_type(taken))
        case.put("task_type", taken, "assumed", "default_target")


def _schema(case: Case) -> None:
    form = case.value("output_format.type")
    if form == "text":
        return
    schema = case.seen.contract.schema if case.seen and case.seen.contract.type == form else None
    if form == "label":
        _labels(case, schema)
    elif schema:
        case.put("output_format.schema", schema, "data", "shown", rows=f"{case.seen.looked:,}")  # type: ignore[union-attr]
    else:
        _from_words(case, form)


def _labels(case: Case, schema: dict[str, Any] | None) -> None:
    said: list[str] = case.said("labels") or []
    if not schema or not case.seen:
        known = _apart(said)
        if len(known) < 2:
            case.put(
                "output_format.schema",
                {"enum": known + list(_PLACEHOLDERS)[len(known) :]},
                "assumed",
                "placeholder_labels",
            )
        else:
            case.put("output_format.schema", {"enum": known}, "answer", "you")
        return
    counts = case.seen.contract.labels or {}
    if said and (missing := [name for name in said if name not in counts]):
        case.against("labels_missing", data=True, labels=", ".join(missing[:10]))
    if said and (unknown := [name for name in counts if name not in said]):
        case.against("labels_unknown", data=True, labels=", ".join(unknown[:10]))
    labels = _apart([*schema["enum"], *said])
    for slip, meant in _slips(counts):
        told = {"slip": slip, "rows": Many(counts[slip]), "meant": meant, "many": f"{counts[meant]:,}"}
        case.against("labels_near", data=True, **told)
    if len(counts) == 1:
        case.against("one_label", data=True, label=next(iter(counts)))
    rarest, fewest = case.seen.rarest or ("", 0)
    many = {"labels": Many(len(counts)), "rows": Many(case.seen.looked)}
    told = {**many, "rarest": rarest, "fewest": f"{fewest:,}"}
    case.put("output_format.schema", {"enum": labels}, "data", "counted", **told)


def _slips(counts: Mapping[str, int]) -> Iterator[tuple[str, str]]:
    """(label, the one that was most likely meant): a letter apart, and far rarer. Labels that both are in use, such as
    singular and plural or v1 and v2, are no slips.
    """
    for slip, few in counts.items():
        near = [one for one, many in counts.items() if many >= _FAR_RARER * few and _letter_apart(slip, one)]
        if len(slip) >= _WORD and near:
            yield slip, max(near, key=lambda one: counts[one])


def _letter_apart(one: str, other: str) -> bool:
    """Whether one letter that is too much, missing, another, or changed places with its neighbour is all the
    difference.
    """
    if abs(len(one) - len(other)) > 1:
        return False
    same = _alike(one, other)
    one, other = one[same:], other[same:]
    same = _alike(one[::-1], other[::-1])
    one, other = one[: len(one) - same], other[: len(other) - same]
    swapped = len(one) == 2 and one == other[::-1]
    return (one + other).isalpha() and (swapped or max(len(one), len(other)) == 1)


def _alike(one: str, other: str) -> int:
    """Signs that both begin with."""
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(one, other, strict=False)))


def _apart(labels: list[str]) -> list[str]:
    """Labels that differ by more than case, blanks or width: of two that do not, the first."""
    import unicodedata

    folded: dict[str, str] = {}
    for label in labels:
        folded.setdefault(unicodedata.normalize("NFKC", label).casefold().strip(), label)
    return list(folded.values())


def _from_words(case: Case, form: str) -> None:
    """No row shows the schema: the fields that were named, each a text; an open place where none was."""
    names = [name for name in case.said("fields") or [] if _FIELD.fullmatch(name)]
    labels = _apart(case.said("labels") or [])
    if form == "tool_call":
        tools = names or ["tool_name"]
        schema: dict[str, Any] = {name: {"argument": {"type": "string"}} for name in tools}
        case.put("output_format.schema", schema, "assumed", "open_schema")
        return
    if case.value("task_type") in ("classification", "policy") and len(labels) > 1:
        properties: dict[str, Any] = {(names or ["label"])[0]: {"type": "string", "enum": labels}}
    elif case.value("task_type") == "planning":
        properties = {(names or ["steps"])[0]: {"type": "array", "items": {"type": "string"}}}
    else:
        properties = {name: {"type": "string"} for name in names or ["field"]}
    closed = {"type": "object", "additionalProperties": False, "properties": properties}
    if case.value("task_type") != "extraction":
        closed["required"] = list(properties)
    ground = "answer" if names or len(labels) > 1 else "assumed"
    case.put("output_format.schema", closed, ground, "you" if ground == "answer" else "open_schema")  # type: ignore[arg-type]


def _named(case: Case) -> None:
    """Labels and fields that were named, against those that answers of rows have."""
    if case.seen is None or (seen := case.seen.contract.type) is None:
        return
    if case.said("labels") and not case.seen.contract.labels:
        case.against("labels_shown", data=True, seen=seen)
    fields, there = case.said("fields") or [], list((case.seen.contract.schema or {}).get("properties", ()))
    if missing := [name for name in fields if name not in there]:
        case.against("fields_missing", data=True, names=", ".join(missing[:10]))
    if fields and (unnamed := [name for name in there if name not in fields]):
        case.against("fields_unknown", data=True, names=", ".join(unnamed[:10]))


def _conflicts(case: Case) -> None:
    if case.seen and case.seen.conflicts:
        case.against("conflicts", data=True, count=Many(case.seen.conflicts))
