"""Everything that the coach says, in the language of the interview."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from stages.counting import counted
from tunec.coaching.questions import Question

LANGUAGES = ("en", "zh-TW")
_FOLDER = Path(__file__).parent / "words"


class Many(int):
    """A count in a text: `{rows:row}` is `1 row` or `2,000 rows`; `{rows}`, for a language without plurals, `2,000`."""

    def __format__(self, what: str) -> str:
        return counted(int(self), what) if what else f"{int(self):,}"


@dataclass(frozen=True)
class Words:
    """`say("why.rows", rows=3)` fills a template with values, which are never read as templates themselves."""

    language: str
    texts: Mapping[str, Any]

    def say(self, key: str, /, **values: Any) -> str:
        text: Any = self.texts
        for part in key.split("."):
            text = text[part]
        return str(text).format_map(values)

    def ask(self, question: Question) -> str:
        unit = f" ({question.unit})" if question.unit else ""
        return self.say(f"questions.{question.id}.ask") + unit

    def help(self, question: Question) -> str:
        return self.say(f"questions.{question.id}.help")

    def choice(self, question: Question, value: str) -> str:
        return self.say(f"choices.{question.id}.{value}")


@cache
def words(language: str) -> Words:
    from stages.rows import read_yaml

    return Words(language, read_yaml(_FOLDER / f"{language}.yaml"))


def language_of(texts: list[str]) -> str:
    """The interview's language by what a person answered: Chinese characters in it, or not."""
    return "zh-TW" if any("\u4e00" <= sign <= "\u9fff" for text in texts for sign in text) else "en"
