"""What every section of task.yaml is."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field


def unit(name: str) -> dict[str, Any]:
    """What a number counts, for `tunec explain`, docs/task-yaml.md and editors."""
    return {"unit": name}


Licence = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9.+-]{0,62}$")]


class Section(BaseModel):
    """A part of task.yaml: frozen, strict (no text becomes a number), closed to unknown keys."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, defer_build=True)  # Task is built, whole
