"""What an engine gives back, and the one way that engines are asked."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal, Protocol

from stages.chat import ChatTemplate, Prompt
from stages.rows import read_jsonl, write_jsonl


@dataclass(frozen=True)
class Answer:
    """One model's answer to one row.

    text: what is delivered: under the grammar where one was asked for.
    free: what the model says when nothing holds it; the same text wherever the grammar never had to step in.
    tokens: how many tokens `text` has, the stop token not counted. finish: stop, or length when it was cut.
    """

    id: str
    text: str
    free: str
    tokens: int
    finish: Literal["stop", "length"]


class Engine(Protocol):
    """Weights that answer. Greedy always (temperature 0), so the same prompts give the same answers."""

    def chat_template(self) -> ChatTemplate:
        """The template and special tokens that stand in the weights' own files. Raises T323 when there is none."""
        ...

    def load(self) -> None:
        """Read the weights now, if they are not read yet, so that no answer waits for them."""
        ...

    def close(self) -> None:
        """Give the memory back."""
        ...

    def count_tokens(self, text: str) -> int: ...

    def answer(
        self,
        prompts: Sequence[Prompt],
        *,
        max_new_tokens: int,
        grammar: str | None = None,
        hopeless: Callable[[str], bool] = lambda text: False,
        sequences: int = 8,
    ) -> Iterator[Answer]:
        """Answer every prompt, in the order given. `sequences` are decoded together.

        hopeless: told the free text so far; once true, that free text is not continued.
        """
        ...


def write_answers(path: Path, answers: Iterable[Answer]) -> None:
    write_jsonl(path, map(asdict, answers))


def read_answers(path: Path) -> Iterator[Answer]:
    return (Answer(**item) for item in read_jsonl(path))
