"""What every section of task.yaml is."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict


class Section(BaseModel):
    """A part of task.yaml: frozen, strict (no text becomes a number), closed to unknown keys."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, defer_build=True)  # Task is built, whole


def unit(name: str) -> dict[str, Any]:
    """What a number counts, for `tunec explain`, docs/task-yaml.md and editors."""
    return {"unit": name}
