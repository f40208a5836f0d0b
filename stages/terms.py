"""What answers are held against beside the contract: which fields, tools, labels and words of this task matter more."""

from __future__ import annotations

from stages.base import Params


class Terms(Params):
    """The section `evaluation.terms` of task.yaml, as metrics see it. See compiler/evaluating.py for its keys."""

    critical_fields: tuple[str, ...] = ()
    unsafe_tools: tuple[str, ...] = ()
    harmless_label: str | None = None
    severity: dict[str, float] = {}  # noqa: RUF012 - pydantic copies it
    unanswerable: tuple[str, ...] = ()
    must_match: tuple[str, ...] = ()
    must_not_match: tuple[str, ...] = ()
    max_words: int | None = None


NONE = Terms()
