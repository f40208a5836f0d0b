"""A key of task.yaml as the schema describes it: what it means, what it takes, what holds where nobody sets it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from pydantic.json_schema import GenerateJsonSchema

from compiler.section import Later, Section
from compiler.task import Task
from stages.catalog import QUANTIZATIONS, Baseline, Gate, Metric, members
from stages.facts import methods
from tunec import shown
from tunec.workspace import Disk

Schema = Mapping[str, Any]
_WORDS = {
    "string": "text",
    "integer": "a whole number",
    "number": "a number",
    "boolean": "true or false",
    "array": "a list",
    "object": "a mapping",
}
_BOUNDS = {
    "exclusiveMinimum": "more than {}",
    "minimum": "at least {}",
    "exclusiveMaximum": "less than {}",
    "maximum": "at most {}",
}
NOTHING: Any = object()  # no default


@dataclass(frozen=True)
class About:
    """path: without list marks, `data.sources.path`. keys: those of a section, by name. default: NOTHING without one.

    free: a mapping that takes names of its own, such as `baselines`; inside: what it takes below them.
    """

    path: str
    meaning: str
    allowed: str
    unit: str | None = None
    default: Any = NOTHING
    keys: Mapping[str, About] = field(default_factory=dict)
    free: bool = False
    inside: str = ""


def about(path: str) -> About | None:
    """What the schema says of a key; below a mapping that takes any name, what it says of that mapping."""
    known: About | None = whole()
    for part in parts(path):
        if known is None or known.free:
            return known
        known = known.keys.get(part)
    return known


def parts(path: str) -> list[str]:
    """`data.sources[0].path` and `data.sources.0.path` are both the key data.sources.path."""
    return [part for part in re.sub(r"\[\d*\]", "", path).split(".") if not part.isdigit()]


def every(section: About | None = None) -> Iterator[About]:
    """All keys below a section, outer ones first."""
    for inner in (section or whole()).keys.values():
        yield inner
        yield from every(inner)


def json_schema() -> dict[str, Any]:
    """JSON Schema of a whole task, every section under its class's name in `$defs`."""
    return Task.model_json_schema(schema_generator=_Following)


class _Following(GenerateJsonSchema):
    """A section's own schema stands where a validator stands that builds it when it is needed."""

    def generate_inner(self, schema: Any) -> Any:
        if schema["type"] != "function-plain":
            return super().generate_inner(schema)
        owner: type[Section] | Later = schema["function"]["function"].__self__
        section = owner.section if isinstance(owner, Later) else owner
        section.model_rebuild()
        return super().generate_inner(section.__pydantic_core_schema__)

    def field_title_should_be_set(self, schema: Any) -> bool:
        return schema["type"] != "function-plain" and super().field_title_should_be_set(schema)


@cache
def whole() -> About:
    """The task itself."""
    schema = json_schema()
    return _about("", schema, schema.get("$defs", {}))


def named() -> list[str]:
    """The keys whose values the schema leaves to presets and to the catalog."""
    return list(_CHOICES)


def choices(path: str, disk: Disk) -> list[str]:
    """The names that such a key takes; none for any other key."""
    return sorted(_CHOICES[path](disk)) if path in _CHOICES else []


def summary(path: str) -> str | None:
    """What a member of the catalog says of itself: `success_criteria.gates.golden` is a gate."""
    section, _, name = path.rpartition(".")
    found: Any = next((known[name] for kind in _MEMBERS.get(section, ()) if name in (known := members(*kind))), None)
    return str(found.summary) if found else None


def _about(path: str, given: Schema, defs: Mapping[str, Schema]) -> About:
    schema = _resolved(given, defs)
    items = _resolved(schema.get("items", {}), defs)
    section = schema if "properties" in schema else items if "properties" in items else {}
    inner = {
        name: _about(f"{path}.{name}".lstrip("."), one, defs) for name, one in section.get("properties", {}).items()
    }
    meaning = given.get("description") or schema.get("description") or section.get("description") or ""
    default = given.get("default", NOTHING)
    free = not section and schema.get("type") == "object"
    below = schema.get("additionalProperties")
    inside = _allowed(_resolved(below, defs), {}) if isinstance(below, dict) else "any value"
    allowed, unit = _allowed(schema, items) + (", or auto" if given.get("auto") else ""), given.get("unit")
    return About(path, " ".join(meaning.split()), allowed, unit, default, inner, free, inside)


def _resolved(schema: Schema, defs: Mapping[str, Schema]) -> Schema:
    """Without references, and without the null of what may be left out."""
    if "$ref" in schema:
        return _resolved(defs[schema["$ref"].rpartition("/")[2]], defs)
    options = [one for one in schema.get("anyOf", []) if one.get("type") != "null"]
    return _resolved(options[0], defs) if len(options) == 1 else schema


def _allowed(schema: Schema, items: Schema) -> str:
    if "enum" in schema or "const" in schema:
        return " | ".join(map(str, schema.get("enum", [schema.get("const")])))
    if "anyOf" in schema:
        return " or ".join(_allowed(one, {}) for one in schema["anyOf"])
    kind = _WORDS.get(str(schema.get("type")), "any value")
    if kind == "a list" and (inner := _WORDS.get(str(items.get("type")))):
        kind = f"a list of {'mappings' if inner == 'a mapping' else inner}"
    bounds = [words.format(shown.value(schema[name])) for name, words in _BOUNDS.items() if name in schema]
    return ", ".join([kind, *bounds])


def _presets(group: str) -> Callable[[Disk], list[str]]:
    return lambda disk: sorted({name for layer in disk.presets(group) for name in layer})


def _catalog(*kinds: Any, but: str | None = None) -> Callable[[Disk], list[str]]:
    return lambda disk: [name for kind in kinds for name in members(*kind) if name != but]


_METRICS = ("stages.metrics", "METRIC", Metric)
_GATES = ("stages.gates", "GATE", Gate)
_BASELINES = ("stages.baselines", "BASELINE", Baseline)
_MEMBERS: dict[str, tuple[tuple[str, str, Any], ...]] = {
    "baselines": (_BASELINES,),
    "success_criteria.gates": (_GATES, _METRICS),
    "evaluation.metrics": (_METRICS,),
}
_CHOICES: dict[str, Callable[[Disk], list[str]]] = {
    "task_type": _presets("task_type"),
    "baselines": _catalog(_BASELINES),
    "training.base_model": _presets("base_model"),
    "execution.type": _presets("execution"),
    "training.method": lambda disk: list(methods()),
    "quantization.preset": _presets("quantization"),
    "quantization.formats": lambda disk: QUANTIZATIONS,
    "evaluation.metrics": _catalog(_METRICS),
    "success_criteria.primary_metric": _catalog(_METRICS),
    "success_criteria.baseline": _catalog(_BASELINES),
    "success_criteria.gates": _catalog(_GATES, _METRICS, but="threshold"),  # it has a key of its own
}
