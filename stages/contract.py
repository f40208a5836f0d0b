"""The output contract: written once in task.yaml, used everywhere an answer is written, read, forced or judged."""

from __future__ import annotations

import json
import re
from functools import cached_property
from typing import Annotated, Any, Literal

from stages.base import Key, Params
from stages.rows import dumps


class Unreadable(ValueError):
    """The text is not an answer of this contract's form at all (a form is not yet validity)."""


class Contract(Params):
    """What an answer must be.

    type: json (a JSON value that fits `schema`), label (one string of the schema's `enum`) or text (anything).
    schema: a JSON Schema, draft 2020-12, with no reference outside itself.
    order: the names of its properties as they are written. The schema says it too, but DVC compares mappings without
    regard to order, and another order is another answer.
    """

    type: Annotated[Literal["json", "label", "text"], Key("output_format.type")]
    schema_: Annotated[dict[str, Any] | None, Key("output_format.schema")] = None
    order: Annotated[tuple[str, ...], Key("output_format.order")] = ()

    @cached_property
    def labels(self) -> tuple[str, ...]:
        return tuple((self.schema_ or {}).get("enum", ())) if self.type == "label" else ()

    @cached_property
    def fields(self) -> tuple[str, ...]:
        """The names that an object answer may have, in the order that they are written in."""
        return tuple((self.schema_ or {}).get("properties", ()))

    @cached_property
    def _validator(self) -> Any:
        from jsonschema import Draft202012Validator
        from referencing import Registry

        return Draft202012Validator(self.schema_ or {}, registry=Registry())  # an empty registry fetches nothing

    def errors(self, value: Any) -> list[str]:
        """Why `value` breaks the contract, in words; empty when it fits. Values are named by path, never printed."""
        if self.type == "text":
            return [] if isinstance(value, str) and value.strip() else ["the answer is not a text, or is empty"]
        try:
            found = sorted(self._validator.iter_errors(value), key=lambda e: [str(p) for p in e.absolute_path])
        except RecursionError:
            return ["the answer is nested too deep to be checked"]
        return [_words(error) for error in found]

    def write(self, value: Any) -> str:
        """The one text of an answer: what a model is trained to say. Object keys stand in the schema's order."""
        return dumps(_ordered(value, self.schema_)) if self.type == "json" else str(value)

    def read(self, text: str) -> Any:
        """The value that a model's text stands for. Strict: no fence, no prose, no repeated key, no NaN."""
        if self.type == "text":
            return text.strip()
        if self.type == "label":
            return text.strip()
        try:
            return json.loads(text, object_pairs_hook=_unique, parse_constant=_refuse)
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
        required = set(schema.get("required", ()))
        lines = [_field(name, spec, name in required) for name, spec in schema.get("properties", {}).items()]
        head = "Answer with one JSON object and nothing else. Leave out an optional field that does not apply. Fields:"
        return "\n".join([head, *lines])

    def grammar(self) -> str | None:
        """The contract as a llama.cpp grammar (GBNF): whatever it accepts is of the right form. None for text."""
        if self.type == "text":
            return None
        from llama_cpp.llama_grammar import json_schema_to_gbnf

        if self.type == "label":
            return "root ::= " + " | ".join(json.dumps(label, ensure_ascii=False) for label in self.labels) + "\n"
        order = list(self.fields)
        grammar: str = json_schema_to_gbnf(json.dumps(self.schema_), order)
        return grammar.replace(_LOOSE_CHAR, _STRICT_CHAR) + "\n"


# The converter lets a raw line break stand inside a string, which strict JSON forbids.
_LOOSE_CHAR = r'[^"\\] |'
_STRICT_CHAR = r'[^"\\\x7F\x00-\x1F] |'


def _words(error: Any) -> str:
    """A jsonschema error without the offending value, which may be personal."""
    at = "/".join(str(part) for part in error.absolute_path) or "the answer"
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


def _ordered(value: Any, schema: Any) -> Any:
    """Keys in the schema's order, unknown ones sorted after them. A schema may also be true or false."""
    known = schema if isinstance(schema, dict) else {}
    if isinstance(value, dict):
        fields = known.get("properties", {})
        names = [name for name in fields if name in value] + sorted(name for name in value if name not in fields)
        return {name: _ordered(value[name], fields.get(name)) for name in names}
    return [_ordered(item, known.get("items")) for item in value] if isinstance(value, list) else value


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a key stands twice")
    return found


def _refuse(constant: str) -> Any:
    raise ValueError(f"{constant} is not JSON")


def _field(name: str, spec: Any, required: bool) -> str:
    spec = spec if isinstance(spec, dict) else {}
    kind = " or ".join(map(dumps, spec["enum"])) if "enum" in spec else str(spec.get("type", "any"))
    about = f": {spec['description']}" if "description" in spec else ""
    return f"- {name} ({kind}, {'required' if required else 'optional'}){about}"
