"""docs/task-yaml.md: every key of task.yaml, out of the schema itself. A test holds the page fresh."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, get_args

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from compiler.recipe import AUTO
from compiler.task import Task, sections

_WORDS = {str: "text", int: "whole number", float: "number", bool: "true or false"}
_HEAD = """# task.yaml, key by key

Generated from the schema (`python -m tunec.keys > docs/task-yaml.md`). A key without a default gets its value from a
preset of conf/, or must be written. Later wins: conf/defaults.yaml, conf/task_type/, conf/method/, conf/base_model/,
conf/execution/, conf/quantization/, the workspace's own conf/, task.yaml, `key=value` on the command line.

| key | value | default | meaning |
|---|---|---|---|"""


def page() -> str:
    return "\n".join([_HEAD, *_rows(Task)]) + "\n"


def _rows(section: type[BaseModel], prefix: str = "") -> Iterator[str]:
    for name, field in section.model_fields.items():
        key = f"{prefix}{field.alias or name}"
        inner = next(iter(sections(field.annotation)), None)
        if inner is None:
            value = _value(field.annotation) + _auto(field) + _unit(field)
            yield f"| `{key}` | {value} | {_default(field)} | {_cell(field.description or '')} |"
            continue
        many = "list" in str(field.annotation)
        about = field.description or (inner.__doc__ or "").split("\n")[0]
        yield f"| **`{key}`** | {'list of mappings' if many else 'mapping'} | {_default(field)} | {_cell(about)} |"
        yield from _rows(inner, f"{key}[]." if many else f"{key}.")


def _value(annotation: Any) -> str:
    if annotation in _WORDS:
        return _WORDS[annotation]
    parts = [part for part in get_args(annotation) if part is not type(None)]
    if parts and all(isinstance(part, str) for part in parts):
        return ", ".join(f"`{part}`" for part in parts)
    name = str(annotation)
    if name.startswith("dict"):
        return "mapping"
    if name.startswith("list"):
        return "list"
    return " or ".join(dict.fromkeys(_value(part) for part in parts if not hasattr(part, "pattern"))) or "any"


def _auto(field: FieldInfo) -> str:
    extra = field.json_schema_extra
    return " or `auto`" if isinstance(extra, dict) and extra.items() >= AUTO.items() else ""


def _unit(field: FieldInfo) -> str:
    extra = field.json_schema_extra
    return f" ({extra['unit']})" if isinstance(extra, dict) and "unit" in extra else ""


def _default(field: FieldInfo) -> str:
    if field.is_required() or field.default_factory is not None or field.default is None:
        return ""
    return f"`{field.default}`".replace("`True`", "`true`").replace("`False`", "`false`")


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")


if __name__ == "__main__":
    print(page(), end="")
