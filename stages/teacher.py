"""Asks a teacher: in waves, at the pace that is allowed, and nothing twice that the transcript knows."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from stages.diagnostics import UserError
from stages.engines.endpoint import Endpoint, Refused
from stages.journal import Journal, digest

WAVE = 8  # requests at once; fixed, so that where a budget ends does not depend on the machine
_OF_THE_REQUEST = (400, 413, 422)  # statuses that are about what was asked, and not about who asks


@dataclass(frozen=True)
class Question:
    """what: rows, judge or the like. row: the one that it is about. body: of the request. shown: other rows in it."""

    what: str
    row: str
    url: str
    body: dict[str, Any]
    shown: tuple[str, ...] = ()

    @property
    def about(self) -> dict[str, Any]:
        """What the transcript tells of it beside its body."""
        shown = {"shown": list(self.shown)} if self.shown else {}
        return {"for": self.what, "row": self.row, **shown, "url": self.url}

    @cached_property
    def key(self) -> str:
        return digest([self.url, self.body])


def response_format(structured: str, name: str, schema: Any) -> dict[str, Any]:
    """What a body says of the form of an answer: nothing, or its schema in one of two dialects."""
    if structured == "off":
        return {}
    own = {"json_schema": {"json_schema": {"name": name, "schema": schema}}, "json_object": {"schema": schema}}
    return {"response_format": {"type": structured, **own[structured]}}


@dataclass(frozen=True)
class Said:
    """text: None where the endpoint refused the request with `status`."""

    text: str | None
    tokens: int = 0
    status: int = 0


class Pace:
    """At most so many requests a minute, evenly spread."""

    def __init__(self, per_minute: float | None) -> None:
        self._gap = 60 / per_minute if per_minute else 0.0
        self._next = 0.0
        self._lock = threading.Lock()

    def wait(self) -> None:
        with self._lock:
            at = max(time.monotonic(), self._next)
            self._next = at + self._gap
        time.sleep(max(0.0, at - time.monotonic()))


class Teacher:
    """An endpoint with its transcript. requests, tokens: what the answers so far took, whenever they were given."""

    def __init__(self, endpoint: Endpoint, journal: Journal, pace: Pace) -> None:
        self._endpoint, self._journal, self._pace = endpoint, journal, pace
        self.used: dict[str, dict[str, Any]] = {}
        self.tokens = 0
        self._answered = any("text" in said and said.get("url") == endpoint.url for said in journal.known.values())

    @property
    def requests(self) -> int:
        return len(self.used)

    @cached_property
    def _client(self) -> Any:
        return self._endpoint.client()

    def ask(self, questions: Sequence[Question]) -> list[Said]:
        """Answers in the order of the questions. Raises T720 to T722, with what came kept."""
        new = {one.key: one for one in questions if one.key not in self._journal.known}
        if new:
            self._fresh(list(new.values()))
        for one in questions:
            if one.key not in self.used:
                self.used[one.key] = line = self._line(one)
                self.tokens += int(line.get("tokens", 0)) + int(line.get("input", 0))
        return [_said(self.used[one.key]) for one in questions]

    def _fresh(self, questions: list[Question]) -> None:
        """Ask what the transcript does not know. A refusal is an answer, too, and not asked for again."""
        _ = self._client  # made once, and its lack told before any thread starts
        with ThreadPoolExecutor(WAVE) as pool:
            errors = [
                (one, error) for one, error in zip(questions, pool.map(self._once, questions), strict=True) if error
            ]
        self._answered = self._answered or len(errors) < len(questions)
        for _, error in errors:
            if not self._answered or not isinstance(error, Refused) or error.status not in _OF_THE_REQUEST:
                raise error
        for one, error in errors:
            if isinstance(error, Refused):
                self._journal.add(one.key, {**one.about, "body": one.body, "refused": error.status})

    def _once(self, question: Question) -> UserError | None:
        self._pace.wait()
        try:
            said = self._endpoint.asked(self._client, question.body)
        except UserError as error:
            return error
        self._journal.add(question.key, {**question.about, "body": question.body, **said})
        return None

    def _line(self, question: Question) -> dict[str, Any]:
        told = {"key": question.key, **question.about}
        known = self._journal.known[question.key]
        return {**told, **{name: value for name, value in known.items() if name not in told}}

    def close(self) -> None:
        if "_client" in vars(self):
            self._client.close()


def room(requests: int | None, tokens: int | None, asked: Sequence[Teacher], each: int = 1) -> int:
    """How many rows the next wave may ask about, within a budget that all who are asked share.

    each: requests that a row takes. What they cost in tokens is known by those that were asked: the first wave is one
    row, and none is more than one row over.
    """
    spent, taken = sum(one.requests for one in asked), sum(one.tokens for one in asked)
    many = WAVE if requests is None else min(WAVE, max(0, requests - spent) // each)
    if tokens is None or not many:
        return many
    left = tokens - taken
    return 0 if left <= 0 else min(many, max(1, int(left * spent / (taken * each)))) if taken else 1


def _said(line: dict[str, Any]) -> Said:
    if "refused" in line:
        return Said(None, 0, int(line["refused"]))
    return Said(str(line.get("text", "")), int(line.get("tokens", 0)))
