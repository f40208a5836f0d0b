"""A JSON Schema -> a llama.cpp grammar (GBNF), by the converter of llama-cpp-python.

The converter stops at some schemas and is loose with others (it forgets the enum beside a list of types, the fields
beside anyOf). So the schema is first said in the few words that it takes exactly: $ref, anyOf, enum and one type at a
time. Keywords that no grammar can hold (minimum, uniqueItems, not, ...) are left to the contract.
Source: llama_cpp/llama_grammar.py of llama-cpp-python 0.3.36.
"""

from __future__ import annotations

import json
import re
from typing import Any

from stages.diagnostics import UserError, fail
from stages.rows import dumps
from stages.schemas import resolve

_KINDS = {
    "object": ("properties", "required", "additionalProperties"),
    "array": ("items", "prefixItems", "minItems", "maxItems"),
    "string": ("pattern", "format", "minLength", "maxLength"),
}
_SAID = frozenset(("$ref", "allOf", "anyOf", "oneOf", "type", "enum", "const", *sum(_KINDS.values(), ())))
_ANY = {"type": "value"}  # the converter's own word for it; it takes `{}` for an object
_MOST = 1000  # the converter nests a bracket for each character or item that may follow, and llama.cpp reads so many

# The converter lets a raw line break stand inside a string, and a pattern's dot be a quote: strict JSON forbids both.
_LOOSE_CHAR, _STRICT_CHAR = r'[^"\\] |', r'[^"\\\x7F\x00-\x1F] |'
_LOOSE_DOT, _STRICT_DOT = r"[^\x0A\x0D]", r'[^"\\\x7F\x00-\x1F]'


def literal(text: str) -> str:
    """A text as a GBNF literal."""
    return json.dumps(text, ensure_ascii=False)


def gbnf(schema: dict[str, Any]) -> str:
    """Keys stand in the schema's order. Raises T352 when the schema is beyond a grammar, T361 without llama.cpp."""
    try:
        from llama_cpp.llama_grammar import SchemaConverter
    except (ImportError, OSError, RuntimeError) as error:
        help = "pip install llama-cpp-python (it compiles for minutes)"
        raise fail("T361", f"llama.cpp cannot be loaded: {error}", help=help) from None
    try:
        converter = _in_order(SchemaConverter)(prop_order={}, allow_fetch=False, dotall=False, raw_pattern=False)
        plain, converter._refs = _Plain(schema).whole()
        converter.visit(plain, "")
        grammar: str = converter.format_grammar()
    except UserError:
        raise
    except Exception as error:  # the converter's own are AssertionError, AttributeError, RecursionError, ...
        raise _refused("", f"{type(error).__name__}: {str(error)[:200]}", "write it with simpler means") from None
    return grammar.replace(_LOOSE_CHAR, _STRICT_CHAR).replace(_LOOSE_DOT, _STRICT_DOT) + "\n"


def _refused(at: str, why: str, help: str) -> UserError:
    where = f"output_format.schema{at.replace('/', '.')}"
    return fail("T352", f"no grammar can be made of {where}: {why}", help=help)


def _in_order(converter: Any) -> Any:
    """The converter with every field in its place; its own puts required fields before the others."""

    class InOrder(converter):  # type: ignore[misc]
        def _format_literal(self, text: str) -> str:
            return literal(text)

        def _generate_constant_rule(self, value: Any) -> str:
            return literal(dumps(value))

        def _build_object_rule(self, properties: Any, required: set[str], name: str, additional_properties: Any) -> str:
            def pair(field: str, key: str, spec: Any) -> str:
                place = f"{name}-{field}" if name else field
                return str(self._add_rule(f"{place}-kv", f'{key} space ":" space {self.visit(spec, place)}'))

            rest, start, needed = "", "", False  # from the last field to the first: what follows one, what may begin
            if additional_properties:
                more = pair("additional", self.visit({"type": "string"}, "string"), additional_properties)
                rest, start = f'( "," space {more} )*', f'{more} ( "," space {more} )*'
            for field, spec in reversed(properties):
                key, must = pair(field or "empty", literal(dumps(field)), spec), field in required
                start = f"{key} {rest} | {start}" if start and not must else f"{key} {rest}"
                after = f'"," space {key} {rest}' if must else f'( "," space {key} )? {rest}'
                rest, needed = str(self._add_rule(f"{key}-on", after)), needed or must
            inner = f"( {start} )" + ("" if needed else "?") if start else ""
            return f'"{{" space {inner} "}}" space'

    return InOrder


class _Plain:
    """A schema in the converter's few words. References are renamed: the converter takes fields for definitions."""

    def __init__(self, root: dict[str, Any]) -> None:
        from jsonschema import Draft202012Validator
        from referencing import Registry

        self._root, self._names, self._definitions = root, dict[str, str](), dict[str, Any]()
        self._validator: Any = Draft202012Validator(root, registry=Registry())

    def whole(self) -> tuple[dict[str, Any], dict[str, Any]]:
        """The schema, and what its references stand for."""
        return self._part(self._root, ""), self._definitions

    def _part(self, schema: Any, at: str) -> dict[str, Any]:
        if schema is False:
            raise _refused(at, "`false` allows no value", "remove it")
        said = {key: value for key, value in schema.items() if key in _SAID} if isinstance(schema, dict) else {}
        if said.keys() == {"$ref"}:
            return {"$ref": self._reference(said["$ref"], at)}
        if said.keys() == {"allOf"} and len(said["allOf"]) == 1:
            return self._part(said["allOf"][0], at)
        if "$ref" in said or "allOf" in said:
            return self._part(self._merged(said, at, ()), at)
        for key in ("anyOf", "oneOf"):
            if key in said:
                rest = {word: value for word, value in said.items() if word != key}
                choices = [{**rest, "allOf": [choice]} if rest else choice for choice in said[key]]
                return {"anyOf": [self._part(choice, f"{at}/{key}/{n}") for n, choice in enumerate(choices)]}
        if "enum" in said or "const" in said:
            return {"enum": self._constants(said, at)}
        if isinstance(said.get("type"), list):
            return {"anyOf": [self._part({**said, "type": kind}, at) for kind in said["type"]]}
        return self._of_one_type(said, at)

    def _reference(self, reference: str, at: str) -> str:
        if reference not in self._names:
            self._names[reference] = f"definition-{len(self._names)}"
            self._definitions[self._names[reference]] = self._part(self._target(reference, at), reference[1:])
        return self._names[reference]

    def _target(self, reference: str, at: str) -> Any:
        try:
            return resolve(reference, self._root)
        except LookupError:
            raise _refused(at, f"it refers to {reference!a}", "refer by path, such as #/$defs/name") from None

    def _merged(self, schema: Any, at: str, followed: tuple[str, ...]) -> dict[str, Any]:
        """A schema with the ones that it refers to and those of its allOf: own fields first."""
        if schema is False:
            raise _refused(at, "`false` allows no value", "remove it")
        said = {key: value for key, value in schema.items() if key in _SAID} if isinstance(schema, dict) else {}
        reference, parts = said.pop("$ref", None), said.pop("allOf", [])
        if reference in followed:
            raise _refused(at, f"{reference!a} refers to itself within allOf", "write its fields out")
        if reference is not None:
            said = _both(said, self._merged(self._target(reference, at), at, (*followed, reference)), at)
        for part in parts:
            said = _both(said, self._merged(part, at, followed), at)
        return said

    def _constants(self, said: dict[str, Any], at: str) -> list[Any]:
        fits = self._validator.evolve(schema=said).is_valid
        values = [value for value in said.get("enum", [said.get("const")]) if fits(value)]
        if not values:
            raise _refused(at, "none of its values fits the other keywords", "let enum and type agree")
        return values

    def _of_one_type(self, said: dict[str, Any], at: str) -> dict[str, Any]:
        kind = said.get("type") or next((kind for kind, words in _KINDS.items() if said.keys() & {*words}), None)
        if kind == "object":
            return self._object(said, at)
        if kind == "array":
            return self._array(said, at)
        if kind == "string":
            return _string(said, at)
        return {"type": kind} if kind else _ANY

    def _object(self, said: dict[str, Any], at: str) -> dict[str, Any]:
        fields, more = said.get("properties", {}), said.get("additionalProperties")
        required = said.get("required", [])
        kept = {name: spec for name, spec in fields.items() if spec is not False or name in required}
        unnamed = (
            {} if more is False else dict.fromkeys(sorted(set(required) - set(kept)), True if more is None else more)
        )
        if not kept and not unnamed and more in (None, True):
            return {"type": "object"}
        parts = {name: self._part(spec, f"{at}/properties/{name}") for name, spec in {**kept, **unnamed}.items()}
        others = False if more in (None, False) else self._part(more, f"{at}/additionalProperties")
        return {"type": "object", "properties": parts, "required": required, "additionalProperties": others}

    def _array(self, said: dict[str, Any], at: str) -> dict[str, Any]:
        firsts, items = said.get("prefixItems", []), said.get("items")
        if firsts and items not in (None, False):
            raise _refused(at, "items stand behind prefixItems", "write `items: false`, or items alone")
        if firsts:
            return {
                "type": "array",
                "prefixItems": [self._part(s, f"{at}/prefixItems/{n}") for n, s in enumerate(firsts)],
            }
        if items is False:
            return {"enum": [[]]}
        return {"type": "array", "items": self._part(items, f"{at}/items"), **_lengths(said, "minItems", "maxItems")}


def _both(one: dict[str, Any], other: dict[str, Any], at: str) -> dict[str, Any]:
    """The keywords of two schemas that hold together."""
    found = {**other, **one}
    for key in one.keys() & other.keys():
        a, b = one[key], other[key]
        if key == "properties":
            found[key] = {**a, **{name: {"allOf": [a[name], spec]} if name in a else spec for name, spec in b.items()}}
        elif key == "required":
            found[key] = [*a, *(name for name in b if name not in a)]
        elif key.startswith(("max", "min")):
            found[key] = min(a, b) if key.startswith("max") else max(a, b)
        elif key == "additionalProperties" and False in (a, b):
            found[key] = False
        elif a != b:
            raise _refused(at, f"two parts of it say {key}", "write both as one")
    return {key: found[key] for key in (*one, *(key for key in other if key not in one))}


def _lengths(said: dict[str, Any], least: str, most: str) -> dict[str, int]:
    """The bounds that a grammar can hold; a looser one beyond them."""
    low, high = min(int(said.get(least, 0)), _MOST), said.get(most)
    return {least: low} if high is None or high > _MOST else {least: low, most: int(high)}


def _string(said: dict[str, Any], at: str) -> dict[str, Any]:
    if "pattern" in said:
        return {"type": "string", "pattern": _pattern(said["pattern"], f"{at}/pattern")}
    lengths = _lengths(said, "minLength", "maxLength") if said.keys() & {"minLength", "maxLength"} else {}
    return {"type": "string", **({"format": said["format"]} if "format" in said else {}), **lengths}


_SIGN = re.compile(r"\\.|\[\^?(?:\\.|[^\]\\])+\]|\(\?:|\(\?|(?:[*+?]|\{\d+,?\d*\})\??|.", re.DOTALL)
_CLASSES = {"d": "0-9", "w": "A-Za-z0-9_", "s": " "}
_UNQUOTED = re.compile(r'["\\\x00-\x1f]')  # JSON writes them as several characters


def _pattern(pattern: str, at: str) -> str:
    """A regular expression in the few signs that the converter takes right, for the text between JSON's quotes."""
    try:
        re.compile(pattern)
    except re.error as error:
        raise _refused(at, f"it is no regular expression: {error}", "mend it") from None
    if not re.fullmatch(r"\^(?:[^\\]|\\.)*\$", pattern, re.DOTALL):
        raise _refused(at, "it does not say how a text begins and ends", "write it as ^...$")
    depth, found = 0, ""
    for sign in _SIGN.findall(pattern[1:-1]):
        depth += {"(": 1, ")": -1}.get(sign[0], 0)
        if sign == "|" and depth == 0:
            raise _refused(at, "its alternatives stand without brackets", "write them as ^(a|b)$")
        found += _translated(sign, at)
    return f"^{found}$"


def _translated(sign: str, at: str) -> str:
    if sign == "(?:":
        return "("
    if sign[0] == "\\":
        return f"[{_character(sign, at)}]"
    if sign[0] == "[" and len(sign) > 1:
        return _class(sign, at)
    if sign[0] in "*+?":
        return sign[0]
    if sign[0] == "{" and any(int(bound) <= _MOST for bound in re.findall(r"\d+", sign)[-1:]):
        return sign.removesuffix("?")
    if sign[0] == "{" or sign in ("(?", "^", "$", "[") or _UNQUOTED.search(sign):
        raise _refused(at, f"a grammar has no {sign!a} as it is meant here", "write the pattern without it")
    return sign


def _class(sign: str, at: str) -> str:
    """[...] with escapes that GBNF has. What JSON escapes can be in none, and so is left out of [^...] too."""
    negated = sign.startswith("[^")
    parts = re.findall(r"\\.|.", sign[2 if negated else 1 : -1], re.DOTALL)
    inner = "".join(_character(part, at) for part in parts if not (negated and part in ('"', r"\"", r"\\")))
    return rf'[^"\\\x7F\x00-\x1F{inner}]' if negated else f"[{inner}]"


def _character(part: str, at: str) -> str:
    """A character of a class, or a class of characters, inside GBNF's brackets."""
    name = part[-1]
    if len(part) == 2 and name in _CLASSES:
        return _CLASSES[name]
    if _UNQUOTED.search(name) or (len(part) == 2 and (name.isalnum() or not name.isascii())):
        raise _refused(at, f"a grammar has no {part!a} as it is meant here", "write the pattern without it")
    return rf"\x{ord(name):02X}" if len(part) == 2 else part
