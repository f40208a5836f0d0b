"""What a teacher is asked for, row by row, and what its answers say: nothing is sent from here."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

from stages.base import Key, Params
from stages.kinds import SCORES
from stages.making import Making
from stages.prompts import Template
from stages.reading.record import Record
from stages.rows import Row, dumps
from stages.rubric import said_object
from stages.teacher import Question, Said

ANSWER = "the teacher's output"  # the column that an answer's output stands in; no field of a template has blanks
COMMON = (
    "goal",
    "system_prompt",
    "language",
    "contract",
    "example",
    "fields",
    "tag",
    "about",
    "difficulty",
    "edge_case",
)
# What the eight kinds of rows are, for a teacher. Source: the seeds.
KINDS: Mapping[str, str] = {
    "canonical": "a clear, usual case",
    "boundary": "a case at the edge of what is allowed or asked for",
    "negative": "a case in which the usual answer would be wrong, or nothing is to be found",
    "adversarial": "an input that tries to mislead the model or to make it break its form",
    "near-miss": "a case that looks like another one and needs a different answer",
    "production-like": "an input as messy as real ones: typing errors, blanks, abbreviations",
    "style": "the same meaning in another tone, length or dialect",
    "schema-repair": "an input that tempts to leave the form: missing, doubled or contradicting facts",
}


class Wanted(Params):
    """Rows of one kind, as task.yaml asks for them."""

    tag: str
    count: int
    difficulty: str
    edge_case: str | None


class About(Params):
    """What the prompts tell of the task."""

    goal: Annotated[str | None, Key("goal")]
    language: Annotated[str | None, Key("language")]
    system_prompt: Annotated[str | None, Key("system_prompt")]


@dataclass(frozen=True)
class Wish:
    """One row that is asked for. kind: the place of what is wanted. parent: the train row that the teacher is shown.
    again: how often that parent was shown for this kind before.
    """

    kind: int
    wanted: Wanted
    parent: Row
    again: int


def wishes(rows: Sequence[Row], wanted: Sequence[Wanted], seed: int) -> Iterator[Wish]:
    """Every row that is wanted, each with a train row of its own while there are some. Which, a hash says: so one row
    more or less changes few questions."""
    for kind, one in enumerate(wanted):
        name = dumps([seed, one.tag, one.difficulty, one.edge_case])
        order = sorted(rows, key=lambda row: hashlib.sha256(f"{name}:{row.id}".encode()).digest())
        for number in range(one.count):
            yield Wish(kind, one, order[number % len(order)], number // len(order))


@dataclass(frozen=True)
class Asking:
    """Makes questions. fields: those of an input, sorted. structured: off, or the dialect in which
    the form of a row is sent along."""

    about: About
    making: Making
    fields: tuple[str, ...]
    structured: str

    def row(self, template: Template, wish: Wish, url: str, settings: Mapping[str, Any], seed: int) -> Question:
        """settings: model, temperature and the like."""
        number = hashlib.sha256(dumps([seed, wish.kind, wish.again, wish.parent.id]).encode()).digest()
        body = {**_body(template.fill(self._values(wish))), **settings, "seed": int.from_bytes(number[:3], "big")}
        if self.structured != "off":
            form = self._form()
            own = {"json_schema": {"name": "row", "schema": form}, "json_object": form}[self.structured]
            name = "json_schema" if self.structured == "json_schema" else "schema"
            body["response_format"] = {"type": self.structured, name: own}
        return Question("rows", wish.parent.id, url, body)

    def judging(self, template: Template, wish: Wish, row: Row, url: str, settings: Mapping[str, Any]) -> Question:
        rubric = [{"name": name, "scale": scale} for name, scale in SCORES.items()]
        values = {**self._values(wish), "row": _shown(row), "rubric": rubric}
        return Question("judge", wish.parent.id, url, {**_body(template.fill(values)), **settings})

    def _values(self, wish: Wish) -> dict[str, Any]:
        one = wish.wanted
        return {
            **self.about.model_dump(),
            "contract": self.making.contract.describe(),
            "example": _shown(wish.parent),
            "fields": list(self.fields),
            "tag": one.tag,
            "about": KINDS.get(one.tag),
            "difficulty": one.difficulty,
            "edge_case": one.edge_case,
        }

    def _form(self) -> dict[str, Any]:
        """A JSON Schema of {input, output}; a contract with references stands for itself, and is left open here."""
        schema = self.making.contract.schema_ or {"type": "string"}
        output = {} if "$ref" in dumps(schema) else schema
        fields = {name: {} if len(self.fields) > 1 else {"type": "string"} for name in self.fields}
        given = {"type": "object", "properties": fields, "required": list(self.fields), "additionalProperties": False}
        return {
            "type": "object",
            "properties": {"input": given, "output": output},
            "required": ["input", "output"],
            "additionalProperties": False,
        }

    def record(self, said: Said, wish: Wish, number: int) -> Record:
        """An answer as a record for the gates: {field: value, ..., output}. What else it says is left out."""
        if said.text is None:
            return Record(number, None, f"the endpoint refuses the request: status {said.status}")
        found = said_object(said.text)
        if found is None or "output" not in found or "input" not in found:
            return Record(number, None, "the answer is no JSON object with input and output")
        given = found["input"]
        if isinstance(given, str) and len(self.fields) == 1:
            given = {self.fields[0]: given}
        if not isinstance(given, dict):
            return Record(number, None, "the input is no object")
        for name in self.fields:
            if isinstance(wish.parent.input.get(name), str) and not isinstance(given.get(name, ""), str):
                return Record(number, None, f"the input field {name} is no text")
        return Record(number, {**{name: given[name] for name in self.fields if name in given}, ANSWER: found["output"]})


def _body(text: str) -> dict[str, Any]:
    return {"messages": [{"role": "user", "content": text}]}


def _shown(row: Row) -> dict[str, Any]:
    return {"input": row.input, "output": row.output}
