"""The task that is being written: a value for each key, and what a person has to decide."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from tunec.importing.targets import ORDER

GUESS = "to decide: "


@dataclass(frozen=True)
class Value:
    """A key's value. guess: why a person has to look at it. default: whose default it is, as the file leaves it out."""

    value: Any
    comment: str | None = None
    guess: str | None = None
    default: bool = False

    @property
    def remark(self) -> str | None:
        return GUESS + self.guess if self.guess else self.comment


@dataclass
class Draft:
    """Keys of task.yaml (see targets.py) and their values. `data_notes`: what to bring before a build can run."""

    values: dict[str, Value] = field(default_factory=dict)
    data_notes: list[str] = field(default_factory=list)

    def put(self, target: str, value: Any, comment: str | None = None) -> None:
        self.values[target] = Value(value, comment)

    def guess(self, target: str, value: Any, why: str) -> None:
        """A value that the foreign file cannot say; a known one stays."""
        self.values.setdefault(target, Value(value, guess=why))

    def default(self, target: str, value: Any, whose: str) -> None:
        """What the other project does where the file says nothing; a known value stays."""
        self.values.setdefault(target, Value(value, f"{whose}'s default", default=True))

    def drop(self, *targets: str) -> None:
        for target in targets:
            self.values.pop(target, None)

    def has(self, target: str) -> bool:
        return target in self.values

    def ordered(self) -> list[tuple[str, Value]]:
        return [(target, self.values[target]) for target in ORDER if target in self.values]
