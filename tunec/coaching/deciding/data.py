"""Where the rows are, and how they are parted."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import PurePosixPath
from typing import Any

from stages.shapes import ANSWER_COLUMNS, SPLITS
from tunec.coaching.case import Case, Ground
from tunec.coaching.deciding.inputs import MAP
from tunec.observing.columns import By

EMPTY = "data/raw/rows.jsonl"  # where rows are to be put, when there are none
UNANSWERED = "data/labelled/rows.jsonl"
_FEW = 1_000  # rows below which small splits get a larger share
_FOR_FEW = {"train": 0.7, "dev": 0.15, "test": 0.15}
_TOLD_BY: Mapping[By, tuple[Ground, str]] = {  # what told the column of answers -> whose word that is, and why
    "person": ("answer", "you"),
    "name": ("data", "answer_column"),
    "labels": ("data", "answer_by_labels"),
    "values": ("assumed", "answer_by_values"),
}


def decide(case: Case) -> None:
    if not case.seen:
        case.put("data.sources", [{"path": EMPTY}], "assumed", "no_data")
        return
    _counted(case)
    if (named := case.said("answer_column")) and named not in case.seen.columns.names:
        case.against("inputs", data=True, names=named)
    if case.seen.columns.answer is None:
        case.put("data.sources", [{"path": UNANSWERED}], "assumed", "no_answers")
        return
    sources = [_source(case, file) for file in case.seen.files]
    roles = any("role" in source for source in sources)
    case.put("data.sources", sources, "data", "role_by_name" if roles else "shown", rows=f"{case.seen.total:,}")
    column, labels = case.seen.columns.answer, list(case.seen.contract.labels or {})
    if case.seen.columns.shape == "answers" and _not_found(case, column):
        case.put("data.output", column, *_TOLD_BY[case.seen.columns.by], labels=", ".join(labels[:5]))
    if not case.seen.splits and not roles and 0 < case.seen.trainable < _FEW:
        case.put("splits.ratios", dict(_FOR_FEW), "table", "few_rows", rows=f"{case.seen.trainable:,}")


def _source(case: Case, file: str) -> dict[str, Any]:
    source: dict[str, Any] = {"path": file}
    if renamed := case.value(MAP):
        source["map"] = dict(renamed)
    role = SPLITS.get(PurePosixPath(file).name.split(".")[0].lower())
    if role and case.seen and len(case.seen.files) > 1 and not case.seen.splits:
        source["role"] = role
    return source


def _not_found(case: Case, column: str) -> bool:
    """Whether the answer has to be named: it is found by itself under the usual names, unless a field has that name."""
    schema = case.value("output_format.schema") or {}
    fields = schema.get("properties", {}) if case.value("output_format.type") == "json" else {}
    names = case.seen.columns.names if case.seen else ()
    first = next((name for name in ANSWER_COLUMNS if name in names and name not in fields), None)
    return column != first


def _counted(case: Case) -> None:
    said = case.said("rows")
    if said is not None and case.seen and not 0.5 <= (said + 1) / (case.seen.total + 1) <= 2:
        case.against("rows", data=True, said=f"{said:,}", seen=f"{case.seen.total:,}")
