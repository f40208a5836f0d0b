"""What a teacher is asked for, row by row, and what its answers say: nothing is sent from here."""

from __future__ import annotations

import hashlib
from bisect import bisect
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

from stages.base import Key, Params
from stages.kinds import LABELLED, PAIRED, REPAIRED, ROWS, SCORES, SECRETS
from stages.making import Making
from stages.personal import Redaction
from stages.prompts import Template
from stages.reading.record import Record
from stages.rows import Row, dumps
from stages.rubric import said_object
from stages.teacher import Question, Said, response_format

ANSWER = "the teacher's output"  # the column that an answer's output stands in; no field of a template has blanks
# What the kinds of rows are, for a teacher and a judge.
KINDS: Mapping[str, str] = {
    **ROWS,
    LABELLED: "a given input with a new answer; the answer is what counts",
    REPAIRED: "a given input with an answer in the place of a broken one; the answer is what counts",
    PAIRED: "a given input with one of several answers; the answer is what counts",
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
    """One row that is asked for. kind: the place of what is wanted.

    parent: the train row that a new one is made from, or the row whose input is to be answered. again: how often that
    parent was asked about for this kind before. shown: train rows beside an input that is to be answered; None where a
    whole row is wanted.
    """

    kind: int
    wanted: Wanted
    parent: Row
    again: int = 0
    shown: tuple[Row, ...] | None = None

    @property
    def example(self) -> Row:
        """A row that is right."""
        return self.shown[0] if self.shown and not self.parent.answered else self.parent

    @property
    def about(self) -> str:
        """Id of the row of the sources that a question is about: of a made row, that which it was made from."""
        return self.parent.parent or self.parent.id

    @property
    def others(self) -> tuple[str, ...]:
        """Ids of further rows of the sources that a question tells of, or that those were made from."""
        told = (row.parent or row.id for row in self.shown or ())
        return tuple(dict.fromkeys(id for id in told if id != self.about))


def wishes(rows: Sequence[Row], wanted: Sequence[Wanted], seed: int) -> Iterator[Wish]:
    """Every row that is wanted, each with a train row of its own while there are some. Which, a hash says: so one row
    more or less changes few questions."""
    for kind, one in enumerate(wanted):
        name = dumps([seed, *_kind(one)])
        order = sorted(rows, key=lambda row: _place(f"{name}:{row.id}"))
        for number in range(one.count):
            yield Wish(kind, one, order[number % len(order)], number // len(order))


def _kind(wanted: Wanted) -> list[str | None]:
    """What a kind says, whatever place it stands in: another one before it asks nothing anew."""
    return [wanted.tag, wanted.difficulty, wanted.edge_case]


class Ring:
    """Train rows in a circle, each where its hash says: so one row more or less changes few neighbourhoods."""

    def __init__(self, rows: Sequence[Row], seed: int) -> None:
        self._seed = seed
        self.rows = sorted(rows, key=self._at)
        self._places = [self._at(row) for row in self.rows]

    def _at(self, row: Row) -> bytes:
        return _place(f"{self._seed}:{row.id}")

    def near(self, row: Row, many: int) -> tuple[Row, ...]:
        """So many rows from where this one would stand, without itself."""
        start = bisect(self._places, self._at(row))
        found = (self.rows[(start + step) % len(self.rows)] for step in range(min(many + 1, len(self.rows))))
        return tuple(one for one in found if one.id != row.id)[:many]


def _place(text: str) -> bytes:
    return hashlib.sha256(text.encode()).digest()


@dataclass(frozen=True)
class Asking:
    """Makes questions. fields: those of an input, sorted. structured: off, or the dialect in which the form of an
    answer is sent along. examples: rows that are shown beside an input. regions: as data.pii has them; a secret is
    never sent, whatever the gates do about it.
    """

    about: About
    making: Making
    fields: tuple[str, ...]
    structured: str
    seed: int
    examples: int
    regions: tuple[str, ...] = ()

    def row(self, template: Template, wish: Wish, url: str, settings: Mapping[str, Any]) -> Question:
        """Asks for a whole row. settings: model, temperature and the like."""
        body = self._body(
            template.fill(self._of_row(wish)), self._row_form(), [*_kind(wish.wanted), wish.again, wish.parent.id]
        )
        return Question("rows", wish.about, url, {**body, **settings})

    def answer(self, template: Template, wish: Wish, url: str, settings: Mapping[str, Any]) -> Question:
        """Asks for the answer to the input of `wish.parent`, and says what is wrong with the one that it has."""
        wrong, contract = wish.parent.rejected, self.making.contract
        told = {
            "examples": [self._shown(row) for row in (wish.shown or ())[: self.examples]],
            "input": self._hidden(wish.parent.input),
            "wrong": None if wrong is None else contract.spell(self._hidden(wrong)),
            "why": None if wrong is None else "; ".join(contract.errors(wrong)),
        }
        form = self._form({"output": self._answer_form()})
        body = self._body(template.fill({**self._of_task(), **told}), form, [wish.again, wish.parent.id])
        return Question("answers", wish.about, url, {**body, **settings}, wish.others)

    def judging(self, template: Template, wish: Wish, row: Row, url: str, settings: Mapping[str, Any]) -> Question:
        rubric = [{"name": name, "scale": scale} for name, scale in SCORES.items()]
        values = {**self._of_row(wish), "row": self._shown(row), "rubric": rubric}
        return Question("judge", wish.about, url, {**_said(template.fill(values)), **settings}, wish.others)

    def _of_task(self) -> dict[str, Any]:
        return {**self.about.model_dump(), "contract": self.making.contract.describe()}

    def _of_row(self, wish: Wish) -> dict[str, Any]:
        one = wish.wanted
        kind = {"tag": one.tag, "about": KINDS.get(one.tag), "difficulty": one.difficulty, "edge_case": one.edge_case}
        return {**self._of_task(), **kind, "example": self._shown(wish.example), "fields": list(self.fields)}

    def _body(self, text: str, form: Mapping[str, Any], drawn: list[Any]) -> dict[str, Any]:
        """drawn: what the seed of the answer follows from, beside the task's."""
        seed = int.from_bytes(_place(dumps([self.seed, *drawn]))[:3], "big")
        return {**_said(text), "seed": seed, **response_format(self.structured, "row", form)}

    def _row_form(self) -> dict[str, Any]:
        """A JSON Schema of {input, output}."""
        fields: dict[str, Any] = {name: {} if len(self.fields) > 1 else {"type": "string"} for name in self.fields}
        return self._form({"input": self._form(fields), "output": self._answer_form()})

    def _answer_form(self) -> dict[str, Any]:
        """A contract with references stands for itself, and is left open here."""
        schema = self.making.contract.schema_ or {"type": "string"}
        return {} if "$ref" in dumps(schema) else schema

    def _shown(self, row: Row) -> dict[str, Any]:
        return {"input": self._hidden(row.input), "output": self._hidden(row.output)}

    def _hidden(self, value: Any) -> Any:
        return Redaction(frozenset(SECRETS), self.regions)(value)

    @staticmethod
    def _form(properties: Mapping[str, Any]) -> dict[str, Any]:
        return {
            "type": "object",
            "properties": dict(properties),
            "required": list(properties),
            "additionalProperties": False,
        }

    def record(self, said: Said, wish: Wish, number: int) -> Record:
        """An answer as a record for the gates: {field: value, ..., output}. What else it says is left out."""
        if said.text is None:
            return Record(number, None, f"the endpoint refuses the request: status {said.status}")
        if wish.shown is not None:
            output = self.output(said)
            given = {**wish.parent.input, ANSWER: output} if output is not None else None
            return Record(number, given, None if given else "the answer is no JSON object with output")
        found = said_object(said.text) or {}
        if "output" not in found or "input" not in found:
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

    def output(self, said: Said) -> Any:
        """What an input was answered with, right or wrong; None for nothing. A label may stand without its object."""
        text = (said.text or "").strip()
        return text if text in self.making.contract.labels else (said_object(text) or {}).get("output")


def _said(text: str) -> dict[str, Any]:
    return {"messages": [{"role": "user", "content": text}]}
