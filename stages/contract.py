"""The output contract: written once in task.yaml, used everywhere an answer is written, read, forced or judged."""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections.abc import Callable, Iterator
from functools import cached_property
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator

from stages import grammar
from stages.base import Key, Params
from stages.rows import dumps
from stages.schemas import field, label_field, layers, ordered


class Unreadable(ValueError):
    """The text is not an answer of this contract's form at all (a form is not yet validity)."""


def _parsed(schema: Any) -> Any:
    return json.loads(schema) if isinstance(schema, str) else schema


class Contract(Params):
    """What an answer must be.

    type: json (a JSON value that fits `schema`), label (one string of the schema's `enum`) or text (anything).
    schema: a JSON Schema, draft 2020-12, with no reference outside itself. Parameters hold it as JSON: another order of
    its properties is another answer, and DVC compares mappings without regard to order.
    """

    type: Annotated[Literal["json", "label", "text"], Key("output_format.type")]
    schema_: Annotated[dict[str, Any] | None, Key("output_format.schema"), BeforeValidator(_parsed)] = None

    @cached_property
    def labels(self) -> tuple[str, ...]:
        return tuple((self.schema_ or {}).get("enum", ())) if self.type == "label" else ()

    @cached_property
    def digest(self) -> str:
        """Stands for the contract beside answers that were given under it; another order of fields is another one."""
        return hashlib.sha256(dumps([self.type, self.schema_]).encode()).hexdigest()[:12]

    @cached_property
    def label_field(self) -> str | None:
        """The field of a JSON answer that is its label, where it has exactly one."""
        return label_field(self.schema_) if self.type == "json" else None

    def label(self, answer: Any) -> str | None:
        """The label of an answer that fits the contract; None where the contract has none."""
        if self.type == "label":
            return str(answer)
        return str(answer.get(self.label_field)) if self.label_field is not None else None

    @cached_property
    def fields(self) -> tuple[str, ...]:
        """The names that an object answer may have, in the order that they are written in."""
        return tuple((self.schema_ or {}).get("properties", ()))

    @cached_property
    def _validator(self) -> Any:
        from jsonschema import Draft202012Validator
        from referencing import Registry

        return Draft202012Validator(self.schema_ or {}, registry=Registry())  # an empty registry fetches nothing

    def errors(self, value: Any, word: Callable[[Any], str] | None = None) -> list[str]:
        """Why `value` breaks the contract, in words; empty when it fits. Values are named by path, never printed.

        word: a jsonschema error in other words than those of `worded`.
        """
        if self.type == "text":
            return [] if isinstance(value, str) and value.strip() else ["the answer is not a text, or is empty"]
        try:
            found = sorted(self._validator.iter_errors(value), key=lambda e: [str(p) for p in e.absolute_path])
        except RecursionError:
            return ["the answer is nested too deep to be checked"]
        return list(dict.fromkeys(map(word or worded, found)))  # of several keys that lack, each error names all

    def write(self, value: Any) -> str:
        """The one text of an answer: what a model is trained to say. Object keys stand in the schema's order."""
        return dumps(ordered(value, self.schema_, self.schema_, self._fits)) if self.type == "json" else str(value)

    def spell(self, value: Any) -> str:
        """The text of an answer that may break the contract, as a rejected one does: JSON, or the text that it is."""
        if not self.errors(value):
            return self.write(value)
        return value if isinstance(value, str) else dumps(value)

    def _fits(self, schema: Any, value: Any) -> bool:
        """Whether the value fits a part of the contract's schema."""
        return bool(self._validator.evolve(schema=schema).is_valid(value))

    def read(self, text: str) -> Any:
        """The value that a model's text stands for. Strict: no fence, no prose, no repeated key, no NaN."""
        if self.type == "text":
            return text.strip()
        if self.type == "label":
            return text.strip()
        try:
            return loads(text)
        except (ValueError, RecursionError) as error:
            raise Unreadable(str(error)) from None

    def valid(self, text: str) -> bool:
        try:
            return not self.errors(self.read(text))
        except Unreadable:
            return False

    def hopeless(self, text: str) -> bool:
        """Whether no continuation of `text` can be valid any more: so a model that rambles can be stopped early."""
        start = text.lstrip()
        if self.type == "label" and self.labels:
            return bool(start) and not any(label.startswith(start.rstrip()) for label in self.labels)
        if self.type == "json" and (self.schema_ or {}).get("type") == "object":
            return bool(start) and not start.startswith("{")
        return False

    def describe(self) -> str:
        """The contract in words, for a model that was not trained on it."""
        if self.type == "label":
            return "Answer with exactly one of these labels and nothing else: " + ", ".join(self.labels) + "."
        if self.type == "text":
            return "Answer with the text alone."
        schema = self.schema_ or {}
        if schema.get("type") != "object":
            return f"Answer with JSON that fits this JSON Schema, and nothing else: {dumps(schema)}"
        head = "Answer with one JSON object and nothing else. Leave out an optional field that does not apply. Fields:"
        return "\n".join([head, *_described(schema, schema, "", ())])

    def grammar(self) -> str | None:
        """The contract as a llama.cpp grammar (GBNF): whatever it accepts is of the right form. None for text.

        Raises T352 when the schema says what a grammar cannot, and T361 when llama.cpp is missing or broken.
        """
        if self.type == "text":
            return None
        if self.type == "label":
            return "root ::= " + " | ".join(map(grammar.literal, self.labels)) + "\n"
        return grammar.gbnf(self.schema_ or {})


def worded(error: Any, whole: str = "the answer") -> str:
    """A jsonschema error without the offending value, which may be personal. whole: what the value as a whole is."""
    at = "/".join(str(part) for part in error.absolute_path) or whole
    match error.validator:
        case "enum":
            return f"{at} is none of {', '.join(map(str, error.validator_value))}"
        case "required":
            missing = [name for name in error.validator_value if name not in error.instance]
            return f"{at} lacks {', '.join(missing)}"
        case "additionalProperties":
            patterns = error.schema.get("patternProperties", ())
            unknown = sorted(set(error.instance) - set(error.schema.get("properties", ())))
            extra = [name for name in unknown if not any(re.search(pattern, name) for pattern in patterns)]
            return f"{at} has the unknown field {', '.join(extra)}"
        case "type":
            return f"{at} is not of type {error.validator_value}"
        case rule:
            return f"{at} breaks {rule}: {dumps(error.validator_value)}"


def loads(text: str) -> Any:
    """A JSON value, with no key twice, no NaN and no infinity. Raises ValueError."""
    return json.loads(text, object_pairs_hook=_unique, parse_constant=_refuse, parse_float=_finite)


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a key stands twice")
    return found


def _finite(digits: str) -> float:
    number = float(digits)
    if math.isinf(number):
        raise ValueError("a number is too large")
    return number


def _refuse(constant: str) -> Any:
    raise ValueError(f"{constant} is not JSON")


def _described(schema: Any, root: Any, path: str, above: tuple[Any, ...]) -> Iterator[str]:
    """A line for each field, and for the fields inside it. A schema that refers to itself is told once."""
    found = [layer for layer in layers(schema, root, lambda choice: False) if layer not in above]
    required = {name for layer in found for name in layer.get("required", ())}
    for name in dict.fromkeys(name for layer in found for name in layer.get("properties", ())):
        spec = field(found, name)
        yield _field(path + name, spec, root, name in required)
        yield from _described(spec, root, f"{path}{name}.", (*above, *found))
    for items in (layer["items"] for layer in found if "items" in layer):
        yield from _described(items, root, f"{path.removesuffix('.')}[].", (*above, *found))


def _field(name: str, spec: Any, root: Any, required: bool) -> str:
    found = layers(spec, root, lambda choice: False)
    kinds = dict.fromkeys(kind for layer in found for kind in _kinds(layer))
    about = next((f": {layer['description']}" for layer in found if "description" in layer), "")
    return f"- {name} ({' or '.join(kinds) or 'any'}, {'required' if required else 'optional'}){about}"


def _kinds(layer: dict[str, Any]) -> list[str]:
    if "enum" in layer:
        return [dumps(value) for value in layer["enum"]]
    kinds = layer.get("type", [])
    return [kinds] if isinstance(kinds, str) else kinds
