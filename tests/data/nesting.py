"""Schemas with references and combinations at any depth, each with a value whose keys stand in the schema's order."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

KINDS = ("object", "reference", "list", "tuple", "all", "any")
LEAVES: tuple[tuple[Any, Any], ...] = (
    ({"type": "integer"}, 7),
    ({"type": "string"}, 'é"\\🍜'),
    ({"type": ["string", "null"], "enum": ["訂位🍜", None, 3]}, None),
    ({"enum": ['q"\\', "訂位🍜"]}, "訂位🍜"),
    ({"type": "string", "pattern": r"^\d{2}-(?:a|b)+[^,]\.$"}, "12-aba."),
    ({"description": "anything"}, [1, {"a": True}]),
    (True, {"a": None}),
)


@st.composite
def schemas_and_values(draw: st.DrawFn) -> tuple[dict[str, Any], Any]:
    definitions: dict[str, Any] = {}

    def fields(names: str, depth: int) -> tuple[dict[str, Any], dict[str, Any]]:
        parts = {n: part(depth + 1) for n in draw(st.lists(st.sampled_from(names), unique=True, max_size=4))}
        required = [name for name in parts if draw(st.booleans())]
        value = {name: inner for name, (_, inner) in parts.items() if name in required or draw(st.booleans())}
        schema = {"type": "object", "properties": {n: s for n, (s, _) in parts.items()}, "required": required}
        return schema, value

    def part(depth: int) -> tuple[Any, Any]:
        kind = draw(st.sampled_from(KINDS)) if depth < 3 and draw(st.booleans()) else "leaf"
        if kind == "object":
            return fields("dcba", depth)
        if kind == "reference":
            schema, value = part(depth + 1)
            name = draw(st.sampled_from("abxy")) + f"_{len(definitions)}"
            definitions[name] = schema
            return {"$ref": f"#/$defs/{name}", "description": "somewhere else"}, value
        if kind == "list":
            schema, value = part(depth + 1)
            return {"type": "array", "items": schema}, [value, value]
        if kind == "tuple":
            first, second = part(depth + 1), part(depth + 1)
            return {"type": "array", "prefixItems": [first[0], second[0]], "items": False}, [first[1], second[1]]
        if kind == "all":
            (one, value), (other, more) = fields("ba", depth), fields("DC", depth)
            return {**one, "allOf": [other]}, value | more
        if kind == "any":
            schema, value = fields("dcba", depth)
            backwards = {"type": "object", "properties": dict.fromkeys("abcde", True), "required": ["e"]}
            return {"anyOf": [{"type": "null"}, backwards, schema]}, value
        return draw(st.sampled_from(LEAVES))

    schema, value = fields("dcba", 0)
    return {**schema, "$defs": definitions}, value
