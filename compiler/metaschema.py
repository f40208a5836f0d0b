"""JSON Schema (draft 2020-12) held against its own rules: what each word may hold, and where references lead.

The same as the draft's metaschema says. A library that applies it takes a tenth of a second to load, which every
`tunec check` would pay, points at no line, and works without end on references that multiply.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

from compiler import lookalikes
from compiler.resolve import did_you_mean
from stages.patterns import flaw as pattern_flaw
from stages.schemas import resolve

Path = tuple[str | int, ...]
TYPES = ("array", "boolean", "integer", "null", "number", "object", "string")
_MOST_AT_ONCE = 1_000  # parts that one value is held against, references followed
_MOST_IN_ALL = 20_000  # parts of a schema whose references are written out


class Flaw(NamedTuple):
    """What is wrong with a schema. at: the keys that lead there."""

    at: Path
    message: str
    help: str


def flaws(schema: dict[str, Any]) -> Iterator[Flaw]:
    """Everything that is wrong: first with the words, and where they are right, with the references."""
    found = list(_words(schema, ()))
    yield from found or _references(schema)


# ---------------------------------------------------------------- words


def _words(schema: Any, at: Path) -> Iterator[Flaw]:
    if not isinstance(schema, dict):
        if not isinstance(schema, bool):
            yield Flaw(
                at, f"`{_last(at)}` must be a schema", "write a mapping such as {type: string}, or true or false"
            )
        return
    for word, value in schema.items():
        rule = _RULES.get(word)
        if rule and not rule.holds(value):
            yield Flaw((*at, word), f"`{word}` must be {rule.words}", rule.help(value))
        elif (word == "$id" and at) or word in ("$dynamicRef", "$recursiveRef"):
            yield Flaw((*at, word), f"`{word}` is not read here", "write `$ref: '#/$defs/NAME'`")
    for path, part in _parts(schema):
        yield from _words(part, (*at, *path))


def _parts(schema: dict[str, Any]) -> Iterator[tuple[Path, Any]]:
    """Every schema right inside a schema, with the keys that lead to it."""
    for word, value in schema.items():
        if word in _SCHEMA:
            yield (word,), value
        elif word in _NAMED and isinstance(value, dict):
            yield from (((word, name), part) for name, part in value.items())
        elif word in _LISTED and isinstance(value, list):
            yield from (((word, index), part) for index, part in enumerate(value))


def _last(at: Path) -> str:
    return str(at[-1]) if at else "schema"


_SCHEMA = frozenset(
    [
        *("additionalProperties", "items", "contains", "propertyNames", "not", "if", "then", "else"),
        *("unevaluatedItems", "unevaluatedProperties", "contentSchema"),
    ]
)
_NAMED = frozenset(["properties", "patternProperties", "$defs", "definitions", "dependentSchemas"])
_LISTED = frozenset(["allOf", "anyOf", "oneOf", "prefixItems"])


_SAID = (
    "const $schema $id $ref $comment $anchor $vocabulary $dynamicAnchor title description default examples deprecated "
    "dependencies readOnly writeOnly format contentEncoding contentMediaType"
)


def unknown_words(schema: Any, at: Path = ()) -> Iterator[tuple[Path, str]]:
    """(where, word) for every word of a schema that JSON Schema does not have; `x-…` is for people's own."""
    if isinstance(schema, dict):
        yield from ((at, word) for word in schema if word not in words() and not word.startswith("x-"))
        for path, part in _parts(schema):
            yield from unknown_words(part, (*at, *path))


def words() -> frozenset[str]:
    """Every word of the draft."""
    return _SCHEMA | _NAMED | set(_LISTED) | set(_RULES) | set(_SAID.split())


class _Rule(NamedTuple):
    """What a word may hold. words: the same for a person."""

    holds: Callable[[Any], bool]
    words: str

    def help(self, value: Any) -> str:
        text = value if isinstance(value, str) else ""
        if self.words == _TYPE.words:
            return did_you_mean(text, list(TYPES)) or f"choose of {', '.join(TYPES)}"
        if "number" in self.words and (written := lookalikes.number(text)):
            return f"write {written}"
        if self.words == "true or false" and (meant := lookalikes.truth(text)) is not None:
            return f"write {'true' if meant else 'false'}"
        return "see json-schema.org/understanding-json-schema"


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is_count(value: Any) -> bool:
    return _is_number(value) and value >= 0 and float(value).is_integer()


def _are_names(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(v, str) for v in value) and len(set(value)) == len(value)


def _is_type(value: Any) -> bool:
    return value in TYPES if isinstance(value, str) else _are_names(value) and bool(value) and set(value) <= {*TYPES}


def _is(kind: type, value: Any) -> bool:
    return isinstance(value, kind)


def _matches(form: str, value: Any) -> bool:
    return isinstance(value, str) and re.fullmatch(form, value) is not None


def _are_patterns(value: Any) -> bool:
    return isinstance(value, dict) and not any(map(pattern_flaw, value))


def _depend(value: Any) -> bool:
    return isinstance(value, dict) and all(map(_are_names, value.values()))


_TYPE = _Rule(_is_type, "one of JSON's types, or a list of different ones")
_TEXT = _Rule(partial(_is, str), "a text")
_NUMBER = _Rule(_is_number, "a number")
_COUNT = _Rule(_is_count, "a whole number from 0 on")
_TRUTH = _Rule(partial(_is, bool), "true or false")
_LIST = _Rule(partial(_is, list), "a list")
_SCHEMAS = _Rule(lambda value: isinstance(value, list) and bool(value), "a list of schemas, and not an empty one")
_MAPPING = _Rule(partial(_is, dict), "a mapping of names to schemas")
_NAMES = _Rule(_are_names, "a list of different texts")
_ANCHOR = _Rule(partial(_matches, r"[A-Za-z_][-A-Za-z0-9._]*"), "a word")
_RULES: dict[str, _Rule] = {
    "type": _TYPE,
    "enum": _LIST,
    "examples": _LIST,
    "multipleOf": _Rule(lambda value: _is_number(value) and value > 0, "a number above 0"),
    "pattern": _Rule(lambda value: pattern_flaw(value) is None, "a regular expression"),
    "patternProperties": _Rule(_are_patterns, "a mapping of regular expressions to schemas"),
    "required": _NAMES,
    "dependentRequired": _Rule(_depend, "a mapping of names to lists of names"),
    "$id": _Rule(partial(_matches, r"[^#]*#?"), "a URI without a fragment"),
    "$anchor": _ANCHOR,
    "$dynamicAnchor": _ANCHOR,
    "$vocabulary": _Rule(partial(_is, dict), "a mapping"),
    **dict.fromkeys(("maximum", "exclusiveMaximum", "minimum", "exclusiveMinimum"), _NUMBER),
    **dict.fromkeys(("maxLength", "minLength", "maxItems", "minItems", "maxProperties", "minProperties"), _COUNT),
    **dict.fromkeys(("maxContains", "minContains"), _COUNT),
    **dict.fromkeys(("uniqueItems", "deprecated", "readOnly", "writeOnly"), _TRUTH),
    **dict.fromkeys(("title", "description", "$comment", "format", "contentEncoding", "contentMediaType"), _TEXT),
    **dict.fromkeys(("$ref", "$schema", "$dynamicRef", "$recursiveRef"), _TEXT),
    **dict.fromkeys(("properties", "$defs", "definitions", "dependentSchemas"), _MAPPING),
    **dict.fromkeys(("allOf", "anyOf", "oneOf", "prefixItems"), _SCHEMAS),
}


# ---------------------------------------------------------------- references


def _references(schema: dict[str, Any]) -> Iterator[Flaw]:
    at_once, in_all = _Weights(schema, _at_once), _Weights(schema, _in_all)
    for path, reference in _refs(schema, ()):
        try:
            once = at_once.of(reference)
            many = in_all.of(reference)
        except LookupError as missing:
            yield Flaw(path, f"the schema refers to {missing.args[0]!a}, which it lacks", _define(missing.args[0]))
            return
        except RecursionError:
            yield Flaw(path, f"{reference!a} leads on and on", "write the definition in fewer steps")
            return
        if once == math.inf:
            yield Flaw(path, f"{reference!a} refers to itself without end", "let it describe a value")
        elif once > _MOST_AT_ONCE or many > _MOST_IN_ALL:
            many = once if once > _MOST_AT_ONCE else many
            message = f"{reference!a} stands for {min(many, 10**12):,}{' or more' * (many > 10**12)} parts"
            yield Flaw(path, message, "refer to a definition once, not again and again inside one another")
            return


def _define(reference: str) -> str:
    return "define it in `$defs`" if reference.startswith("#/") else "name it by its place, as `#/$defs/NAME`"


def _refs(schema: Any, at: Path) -> Iterator[tuple[Path, str]]:
    """Every reference inside the document, with the keys that lead to it."""
    if isinstance(schema, dict):
        if isinstance(schema.get("$ref"), str) and schema["$ref"].startswith("#"):
            yield (*at, "$ref"), schema["$ref"]
        for path, part in _parts(schema):
            yield from _refs(part, (*at, *path))


@dataclass
class _Weights:
    """How many parts a reference stands for, where `inside` says which parts of a schema count."""

    root: dict[str, Any]
    inside: Callable[[dict[str, Any]], Iterator[Any]]

    def __post_init__(self) -> None:
        self.known: dict[str, float] = {}
        self.round = math.inf if self.inside is _at_once else 1  # a value may go round, deeper each time

    def of(self, reference: str) -> float:
        """Raises LookupError with the reference that leads nowhere."""
        if reference not in self.known:
            self.known[reference] = self.round  # for whoever asks before it is known, and so has come round
            self.known[reference] = self._weigh(resolve(reference, self.root))
        return self.known[reference]

    def _weigh(self, part: Any) -> float:
        if not isinstance(part, dict):
            return 1
        reference = part.get("$ref")
        own = self.of(reference) if isinstance(reference, str) and reference.startswith("#") else 0
        return 1 + own + sum(map(self._weigh, self.inside(part)))


def _at_once(schema: dict[str, Any]) -> Iterator[Any]:
    """The parts that are held against the same value."""
    words = ("allOf", "anyOf", "oneOf", "not", "if", "then", "else", "dependentSchemas")
    return (part for path, part in _parts(schema) if path[0] in words)


def _in_all(schema: dict[str, Any]) -> Iterator[Any]:
    return (part for path, part in _parts(schema) if path[0] not in ("$defs", "definitions"))
