"""What a JSON Schema says of the parts of a value, through its references and combinations."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import unquote

Fits = Callable[[Any, Any], bool]  # (schema, value) -> whether the value fits


def resolve(reference: str, root: Any) -> Any:
    """What a reference such as `#/$defs/town` stands for. Raises LookupError when there is no such place."""
    if not f"{reference}/".startswith("#/"):
        raise LookupError(reference)
    found = root
    try:
        for part in unquote(reference).split("/")[1:]:
            name = part.replace("~1", "/").replace("~0", "~")
            found = found[int(name)] if isinstance(found, list) else found[name]
    except (LookupError, TypeError, ValueError):
        raise LookupError(reference) from None
    return found


def layers(schema: Any, root: Any, fits: Callable[[Any], bool]) -> list[dict[str, Any]]:
    """The plain schemas that describe one value together: its own, what it refers to, allOf, then what it chooses.

    Of anyOf and oneOf the first that `fits`, or all of them when none does.
    """
    return list(_layers(schema, root, fits, frozenset()))


def _layers(schema: Any, root: Any, fits: Callable[[Any], bool], followed: frozenset[str]) -> Iterator[dict[str, Any]]:
    if not isinstance(schema, dict):
        return
    yield schema
    reference = schema.get("$ref")
    if isinstance(reference, str) and reference not in followed:
        followed |= {reference}
        yield from _layers(_known(reference, root), root, fits, followed)
    for part in schema.get("allOf", ()):
        yield from _layers(part, root, fits, followed)
    for key in ("anyOf", "oneOf"):
        choices = schema.get(key, ())
        for part in next(([choice] for choice in choices if fits(choice)), choices):
            yield from _layers(part, root, fits, followed)


def ordered(value: Any, schema: Any, root: Any, fits: Fits) -> Any:
    """The value with its keys in the schema's order, unknown ones sorted after them, at every depth."""
    if not isinstance(value, dict | list):
        return value
    found = layers(schema, root, lambda choice: fits(choice, value))
    if isinstance(value, list):
        return [ordered(item, _item(found, place), root, fits) for place, item in enumerate(value)]
    known = list(dict.fromkeys(name for layer in found for name in layer.get("properties", ())))
    names = [name for name in known if name in value] + sorted(value.keys() - set(known))
    return {name: ordered(value[name], field(found, name), root, fits) for name in names}


def _known(reference: str, root: Any) -> Any:
    try:
        return resolve(reference, root)
    except LookupError:
        return None


def field(found: list[dict[str, Any]], name: str) -> dict[str, Any]:
    """All that the layers of an object say of one of its fields."""
    own = [layer["properties"][name] for layer in found if name in layer.get("properties", ())]
    return {"allOf": own or [layer["additionalProperties"] for layer in found if "additionalProperties" in layer]}


def _item(found: list[dict[str, Any]], place: int) -> dict[str, Any]:
    firsts = [layer.get("prefixItems", ()) for layer in found]
    own = [first[place] for first in firsts if place < len(first)]
    return {"allOf": own or [layer["items"] for layer in found if "items" in layer]}


def kinds(kind: str, schema: Any) -> frozenset[str]:
    """The kinds of contract that a metric may take this one for: JSON may hold a label, or be a tool call."""
    found = {kind}
    if kind == "json" and label_field(schema) is not None:
        found.add("label")
    if kind == "json" and _is_tool_call(schema):
        found.add("tool_call")
    return frozenset(found)


def label_field(schema: Any) -> str | None:
    """The one property of an object schema whose values are an enum of texts; None where there is none or several."""
    properties = schema.get("properties") if isinstance(schema, dict) else None
    if not isinstance(properties, dict):
        return None
    found = [name for name, spec in properties.items() if isinstance(spec, dict) and _is_labels(spec.get("enum"))]
    return found[0] if len(found) == 1 else None


def _is_labels(values: Any) -> bool:
    return isinstance(values, list) and bool(values) and all(isinstance(value, str) for value in values)


def _is_tool_call(schema: Any) -> bool:
    """A choice between objects of a fixed name and arguments, as the compiler writes tool calls."""
    calls = schema.get("anyOf") if isinstance(schema, dict) else None
    properties = [call.get("properties") for call in calls if isinstance(call, dict)] if isinstance(calls, list) else []
    return bool(properties) and all(isinstance(p, dict) and p.keys() == {"name", "arguments"} for p in properties)
