"""What an engine gives back, and the one way that engines are asked."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from itertools import chain
from pathlib import Path
from typing import Any, Literal, Protocol

from stages.chat import ChatTemplate, Prompt
from stages.diagnostics import fail
from stages.rows import damaged, read_jsonl, write_jsonl

_RARE = ("confidence", "margin")


@dataclass(frozen=True)
class Answer:
    """One model's answer to one row.

    text: what is delivered: under the grammar where one was asked for.
    free: what the model says when nothing holds it; the same text wherever the grammar never had to step in. None where
    it was not let say anything: a label that was scored.
    tokens: how many tokens `text` has, the stop token not counted. finish: stop, or length when it was cut.
    confidence: the probability of a label among all labels, where it was scored. margin: how much likelier, in nats by
    the token, the row's right answer was found than its wrong one, where that was asked.
    """

    id: str
    text: str
    free: str | None
    tokens: int
    finish: Literal["stop", "length"]
    confidence: float | None = None
    margin: float | None = None


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

    def encode(self, prompt: Prompt) -> list[int]:
        """The prompt's token ids."""
        ...

    def context(self) -> int:
        """Tokens that prompt and answer may have together."""
        ...

    def label(self, prompts: Sequence[Prompt], labels: Sequence[str], *, sequences: int = 8) -> Iterator[Answer]:
        """The likeliest of some labels after every prompt, with its probability among them; nothing is said freely."""
        ...

    def margins(self, prompts: Sequence[Prompt], pairs: Sequence[tuple[str, str]]) -> Iterator[float]:
        """How much likelier, in nats by the token, the first text of each pair is after its prompt than the second."""
        ...

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


def write_answers(path: Path, answers: Iterable[Answer], contract: str | None = None) -> None:
    """What few answers have is written only where there is some. contract: its digest, which stands above them."""
    head = [] if contract is None else [{"contract": contract}]
    write_jsonl(path, chain(head, (_written(asdict(answer)) for answer in answers)))


def _written(fields: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if value is not None or name not in _RARE}


def read_answers(path: Path, contract: str | None = None) -> Iterator[Answer]:
    """Raises T826 where they were given under another contract than `contract`, the digest of one; T861 at a
    line that is no answer.
    """
    for item in read_jsonl(path):
        if "contract" not in item:
            yield _answer(item, path)
        elif contract not in (None, item["contract"]):
            message = f"the answers in {path.as_posix()} were given under another contract"
            raise fail("T826", message, help="run `tunec build`: it asks for them again, and scores them then")


def _answer(item: Any, path: Path) -> Answer:
    try:
        return Answer(**item)
    except TypeError:
        raise damaged(path, "a line of it is no answer") from None
