"""What is decided for a task, and why: each choice with the answer, the figure or the assumption that it stands on."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from tunec.coaching.answers import Answers
from tunec.coaching.words import Words
from tunec.observing import Observed

Ground = Literal["answer", "data", "table", "assumed"]


@dataclass(frozen=True)
class Choice:
    """A key of task.yaml. why: in the interview's language. ground: what it stands on."""

    value: Any
    why: str
    ground: Ground


@dataclass(frozen=True)
class Contradiction:
    """word: which one, as words/ names it. said: it in a sentence. data: an answer against the rows, not another."""

    word: str
    said: str
    data: bool


@dataclass
class Case:
    """What was answered and seen, and what follows from it. seen: None where there are no rows. read: answers that a
    model took from a text, and nobody gave. left: questions that nobody answered and no key shows -> what is assumed.
    """

    root: Path
    answers: Answers
    seen: Observed | None
    words: Words
    read: frozenset[str] = frozenset()
    choices: dict[str, Choice] = field(default_factory=dict)
    contradictions: list[Contradiction] = field(default_factory=list)
    left: dict[str, str] = field(default_factory=dict)

    def said(self, id: str, default: Any = None) -> Any:
        return self.answers.get(id, default)

    def value(self, key: str, default: Any = None) -> Any:
        return self.choices[key].value if key in self.choices else default

    def put(self, key: str, value: Any, ground: Ground, why: str, **values: Any) -> None:
        self.choices[key] = Choice(value, self.words.say(f"why.{why}", **values), ground)

    def answered(self, key: str, id: str) -> bool:
        """Take an answer as it stands, where there is one."""
        if id in self.answers:
            self.put(key, self.answers[id], "answer", "you")
        return id in self.answers

    def against(self, word: str, *, data: bool = False, **values: Any) -> None:
        said = self.words.say(f"contradictions.{word}", **values)
        self.contradictions.append(Contradiction(word, said, data))

    def task_type(self, name: str) -> str:
        """A task type as people call it."""
        return str(self.words.say(f"choices.task_type.{name}"))

    def assumed(self) -> dict[str, str]:
        """What nobody said and no row shows, and what a model read: what it is about -> why."""
        found = {key: choice.why for key, choice in self.choices.items() if choice.ground == "assumed"}
        return (
            found
            | self.left
            | {name: self.words.say("why.read", value=str(self.answers[name])[:80]) for name in sorted(self.read)}
        )
