"""The section `data.general_mix` of task.yaml, and what follows from it and from the weights of sources."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pydantic import Field

from compiler.section import Section, unit


class GeneralMix(Section):
    """Rows of other work, trained on beside the task's own: they pass the row gates, and are never measured by."""

    path: str = Field(
        min_length=1,
        description="A file, or a pattern of files, of questions and answers in any shape that tunec reads: prompt and "
        "completion, messages, instructions.",
    )
    share: float = Field(
        default=0.2,
        gt=0,
        lt=1,
        json_schema_extra=unit("share of trained rows"),
        description="Their share of all rows that are trained on; which ones, a hash says.",
    )


def settled(data: dict[str, Any], files: Callable[[str], list[str]]) -> None:
    """A weight of 1 is none; `mixed` says whether what is trained on is more than the train split."""
    for source in data["sources"]:
        if source["weight"] == 1:
            del source["weight"]
    if data["general_mix"]:
        data["general_mix"]["files"] = files(data["general_mix"]["path"])
    data["mixed"] = bool(data["general_mix"]) or any("weight" in source for source in data["sources"])
