"""The contract that answers show: labels, JSON with a schema made from them, calls of tools, or text."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from stages.metrics._calls import NO_CALL

_LABELS, _LONGEST = 300, 80  # labels of a contract; characters of one
_EACH = 3  # rows a label, on average, from which on texts are labels
_CHOICES = 20  # values of a field from which on it is no choice any more
_DEEPEST = 6
_LARGEST = 40  # fields of an object that are told apart


@dataclass(frozen=True)
class Shown:
    """type: as output_format.type; None without answers. labels: label -> rows. fits: share of the answers that are of
    this form. schema: as output_format.schema.
    """

    type: str | None
    schema: dict[str, Any] | None = None
    labels: Mapping[str, int] | None = None
    fits: float = 1.0


def shown(answers: Sequence[Any], inputs: Sequence[str]) -> Shown:
    """What answers (one a row, None where it is missing) have in common. inputs: the text beside each."""
    present = [(_parsed(answer), text) for answer, text in zip(answers, inputs, strict=True) if answer is not None]
    if not present:
        return Shown(None)
    values = [value for value, _ in present]
    kind, many = Counter(_kind(value) for value in values).most_common(1)[0]
    of_it = [(value, text) for value, text in present if _kind(value) == kind]
    fits = round(many / len(values), 4)
    if kind == "text":
        counts = Counter(str(value).strip() for value, _ in of_it)
        counts.pop("", None)
        if _are_labels(counts):
            return Shown("label", {"enum": sorted(counts)}, dict(counts.most_common()), fits)
        return Shown("text", fits=fits)
    if kind == "call":
        return Shown("tool_call", _tools([value for value, _ in of_it]), fits=fits)
    schema = _schema([value for value, _ in of_it], [text for _, text in of_it])
    return Shown("json", schema, _label_counts(schema, values), fits)


def _parsed(value: Any) -> Any:
    """JSON that stands in a text, as many files have it."""
    if isinstance(value, str) and value.lstrip()[:1] in ("{", "["):
        try:
            return json.loads(value)
        except (ValueError, RecursionError):
            return value
    return value


def _kind(value: Any) -> str:
    if isinstance(value, str):
        return "text"
    if isinstance(value, dict) and set(value) == {"name", "arguments"} and isinstance(value["name"], str):
        return "call"
    return type(value).__name__


def _are_labels(counts: Counter[str]) -> bool:
    """Few, short and each of them again and again."""
    rows = counts.total()
    return 0 < len(counts) <= _LABELS and max(map(len, counts)) <= _LONGEST and rows >= _EACH * len(counts)


def _label_counts(schema: Mapping[str, Any], values: Sequence[Any]) -> dict[str, int] | None:
    """Of a JSON answer with one choice in it, how often each is chosen."""
    chosen = [name for name, field in schema.get("properties", {}).items() if "enum" in field]
    if len(chosen) != 1:
        return None
    return dict(Counter(str(value.get(chosen[0])) for value in values if isinstance(value, dict)).most_common())


def _tools(calls: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """{tool: schema of its arguments}. An argument that not every call of a tool has is optional."""
    found: dict[str, list[Any]] = {}
    for call in calls:
        found.setdefault(call["name"], []).append(call["arguments"] if isinstance(call["arguments"], dict) else {})
    return {name: {} if name.lower() in NO_CALL else _object(given, None, 0) for name, given in sorted(found.items())}


def _schema(values: Sequence[Any], texts: Sequence[str] | None, depth: int = 0) -> dict[str, Any]:
    """A JSON Schema that all of these values fit."""
    kinds = {_json_type(value) for value in values}
    if kinds == {"integer", "number"}:
        kinds = {"number"}
    if len(kinds) != 1 or depth >= _DEEPEST:
        return {"type": sorted(kinds)} if kinds and depth < _DEEPEST and not kinds & {"object", "array"} else {}
    kind = kinds.pop()
    if kind == "object":
        return _object(values, texts, depth)
    if kind == "array":
        items = [item for value in values for item in value]
        return {"type": "array", **({"items": _schema(items, None, depth + 1)} if items else {})}
    choices = _choices(values, texts) if kind == "string" else None
    return {"type": kind, **({"enum": choices} if choices else {})}


def _object(values: Sequence[Mapping[str, Any]], texts: Sequence[str] | None, depth: int) -> dict[str, Any]:
    names = list(dict.fromkeys(name for value in values for name in value))
    if not names or len(names) > _LARGEST:
        return {"type": "object"}
    fields = {}
    for name in names:
        having = [place for place, value in enumerate(values) if name in value]
        beside = [texts[place] for place in having] if texts else None
        fields[name] = _schema([values[place][name] for place in having], beside, depth + 1)
    required = [name for name in names if all(name in value for value in values)]
    closed: dict[str, Any] = {"type": "object", "additionalProperties": False, "properties": fields}
    return closed | ({"required": required} if required else {})


def _choices(values: Sequence[str], texts: Sequence[str] | None) -> list[str] | None:
    """The values of a field that is a choice; none of one that is copied out of the input."""
    counts = Counter(values)
    few = len(counts) <= min(_CHOICES, len(values) // 5) and max(map(len, counts)) <= 40 and all(counts)
    if not few or len(counts) < 2:
        return None
    if texts and sum(value in text for value, text in zip(values, texts, strict=True)) > 0.5 * len(values):
        return None
    return sorted(counts)


def _json_type(value: Any) -> str:
    if isinstance(value, bool):
        return "boolean"
    names = {str: "string", int: "integer", float: "number", dict: "object", list: "array", type(None): "null"}
    return names.get(type(value), "string")
