"""The sections `data.judge` and `data.review` of task.yaml: a model and a person, who look at rows after the gates."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pydantic import Field

from compiler.section import Section, unit

USUAL = "data/review.jsonl"
_TOLD = ("goal", "language", "system_prompt")  # what a judge is told of the task


class Review(Section):
    """Rows that wait for a person, who decides with `tunec data review`."""

    file: str = Field(
        default=USUAL,
        min_length=1,
        description="Where decisions are kept, a line each: a file that belongs into git, beside the data.",
    )
    flags: list[str] = Field(
        default_factory=list,
        max_length=50,
        description="Gates whose warnings make a row wait, such as [pii, judge].",
    )
    share: float = Field(
        default=0.02,
        ge=0,
        le=1,
        json_schema_extra=unit("share of rows"),
        description="Share of all rows that wait whatever the gates say; which ones, a hash says.",
    )


def settled(values: dict[str, Any], files: Callable[[str], list[str]]) -> None:
    """What a judge is told of the task stands with its section, for the stage that reads it; the decisions are an input
    where there are any, and where they would stand is no matter of a stage.
    """
    data = values["data"]
    judge, review = data["judge"], data["review"]
    if judge:
        judge["least"] = dict(sorted(judge["least"].items()))
        judge["about"] = {name: values[name] for name in _TOLD}
    data["decisions"] = next(iter(files(review.pop("file"))), None) if review else None
    if review:
        review["flags"] = sorted(set(review["flags"]))
