"""What every section of task.yaml is."""

from __future__ import annotations

from importlib import import_module
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, GetCoreSchemaHandler
from pydantic_core import CoreSchema, PydanticKnownError, core_schema


def unit(name: str) -> dict[str, Any]:
    """What a number counts, for `tunec explain`, docs/task-yaml.md and editors."""
    return {"unit": name}


Licence = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9.+-]{0,62}$")]
Tag = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,62}$")]


class Section(BaseModel):
    """A part of task.yaml: frozen, strict (no text becomes a number), closed to unknown keys.

    Its validator is built when a task first writes it: all of them together take longer than a check does.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, defer_build=True)

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        if _building:
            return core_schema.no_info_plain_validator_function(cls._validated)
        _building.append(cls)
        try:
            return handler(source)
        finally:
            _building.pop()

    @classmethod
    def _validated(cls, value: Any) -> Section:
        """What pydantic would make of it; an error inside keeps its place, below the one that this value has."""
        if not isinstance(value, dict):
            raise PydanticKnownError("model_type", {"class_name": cls.__name__})
        return cls(**value)


_building: list[type[Section]] = []


class Later:
    """A section whose module is imported when a task writes it: reading its classes takes as long as checking it.

    For the type of a field that may be None: `Annotated[Any, Later(...)] | None`. Alone, pydantic would take it out of
    the annotation, by which `sections` finds it.
    """

    def __init__(self, module: str, name: str) -> None:
        self.module, self.name = module, name

    @property
    def section(self) -> type[Section]:
        found: type[Section] = getattr(import_module(self.module), self.name)
        return found

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_plain_validator_function(self._validated)

    def _validated(self, value: Any) -> Section:
        return self.section._validated(value)


def unwritten(section: type[Section]) -> Any:
    """A field for a section that a task may leave out; then all of its keys have their defaults."""
    return Field(default_factory=section.model_construct)
