"""The contract's schema as the user wrote it -> the JSON Schema that everything else uses."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any


def is_shorthand(schema: dict[str, Any]) -> bool:
    """Whether this is {field: {type, enum}}: no key is JSON Schema's own.

    A field may well be called `type` or `items`: `{type: {type: string}}` is shorthand, `{type: object}` is not.
    """
    fields = schema.get("properties")
    own = {"$ref", "$defs", "allOf", "anyOf", "oneOf", "enum", "const"} & {
        word for word, value in schema.items() if word.startswith("$") or not isinstance(value, dict)
    }
    full = isinstance(fields, dict) and all(isinstance(field, dict | bool) for field in fields.values())
    return bool(schema) and not (own or full or isinstance(schema.get("type"), str | list))


def expand(schema: dict[str, Any] | None, kind: str = "json") -> dict[str, Any] | None:
    """Shorthand to JSON Schema: an object in which every field is required and no other is allowed.

    Of a tool_call, {tool: the schema of its arguments} to a choice between calls {"name": tool, "arguments": …}.
    """
    if schema is None:
        return None
    if kind == "tool_call":
        return {"anyOf": [_call(tool, arguments) for tool, arguments in schema.items()]}
    return _closed(schema) if is_shorthand(schema) else schema


def lowered(kind: str) -> str:
    """The kind of contract that the stages know: a tool call is JSON like any other."""
    return "json" if kind == "tool_call" else kind


def _closed(fields: dict[str, Any]) -> dict[str, Any]:
    return {"type": "object", "properties": fields, "required": list(fields), "additionalProperties": False}


def _call(tool: str, arguments: Any) -> dict[str, Any]:
    given = arguments if isinstance(arguments, dict) and arguments else {}
    schema = expand(given) if given else _closed({})
    return _closed({"name": {"const": tool}, "arguments": schema})


def canonical(schema: Any) -> Any:
    """A schema with its keys sorted, but for `properties`: their order is the order in which answers are written. A
    number is written in one way: 1.0 is 1. Its JSON is what stages are given, for DVC compares mappings without regard
    to order, and true with 1.
    """
    if isinstance(schema, list):
        return [canonical(part) for part in schema]
    if not isinstance(schema, dict):
        return int(schema) if isinstance(schema, float) and schema.is_integer() else schema
    return {key: _named(part) if key == "properties" else canonical(part) for key, part in sorted(schema.items())}


def _named(properties: Any) -> Any:
    fields = properties.items() if isinstance(properties, dict) else ()
    return {name: canonical(part) for name, part in fields} or properties


def references(schema: Any) -> Iterator[str]:
    """Every `$ref` in a schema."""
    stack = [schema]
    while stack:
        part = stack.pop()
        if isinstance(part, dict):
            if isinstance(part.get("$ref"), str):
                yield part["$ref"]
            stack.extend(part.values())
        elif isinstance(part, list):
            stack.extend(part)
