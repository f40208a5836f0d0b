"""Answers of a build that a manifest tells of, judged again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from stages.contract import Contract
    from stages.judging import Judged


def judged(whole: Mapping[str, Any], rows: Sequence[Mapping[str, Any]], said: Mapping[str, Any]) -> list[Judged]:
    """rows: as splits hold them. said: row id -> the answer, as the test stage writes it.

    whole: the manifest whose contract the answers are held against. Raises T370 for a row without an answer.
    """
    from stages.answers import Answer
    from stages.judging import judge
    from stages.rows import Row

    answers = [Answer(**said[row["id"]]) for row in rows if row["id"] in said]
    return judge([Row(**row) for row in rows], answers, contract(whole))


def contract(whole: Mapping[str, Any]) -> Contract:
    from stages.contract import Contract

    form = whole["config"]["output_format"]
    return Contract(type=form["type"], schema_=form["schema"])
