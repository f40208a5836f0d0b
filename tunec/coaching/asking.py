"""The interview in a terminal: one question after the other, each with what stands there already.

Every answer is kept at once, so that an interview that was cut off goes on where it was.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from prompt_toolkit import PromptSession, print_formatted_text
from prompt_toolkit.completion import WordCompleter
from prompt_toolkit.formatted_text import FormattedText
from prompt_toolkit.validation import ValidationError, Validator

from stages.diagnostics import UserError
from stages.wording import tame
from tunec.coaching import answers as answering
from tunec.coaching.answers import Unclear, understood
from tunec.coaching.looked import looked
from tunec.coaching.questions import QUESTIONS, TOPICS, Question
from tunec.coaching.words import Words
from tunec.observing import Observed

HELP = "?"


def ask(words: Words, kept: Path, seen: Observed | None, given: dict[str, Any], session: Any = None) -> dict[str, Any]:
    """Answers to what is open; those of `kept` and `given` count. session: what prompts, a terminal's unless told.

    Ctrl-D leaves the rest open. Ctrl-C stops, and what was answered is kept.
    """
    session = session or PromptSession()
    answers = {**_before(kept), **given}
    _say(words.say("said.keys"))
    if answers:
        _say(words.say("said.resumed", count=len(answers)))
    if seen:
        _say(looked(words, seen))
    topic = None
    for question in QUESTIONS:
        if question.id in answers or not _open(question, seen, answers):
            continue
        if question.topic != topic:
            topic = question.topic
            title = words.say(f"topics.{topic}")
            _say(words.say("said.topic", number=TOPICS.index(topic) + 1, count=len(TOPICS), topic=title), bold=True)
        try:
            answer = _answer(session, words, question)
        except EOFError:
            break
        if answer is not None:
            answers[question.id] = answer
            answering.save(kept, answers, words.language)
    return answers


def _before(kept: Path) -> dict[str, Any]:
    """Answers of last time; a file that is none of ours is no answer."""
    if not kept.is_file():
        return {}
    try:
        found = answering.read(kept)
    except UserError:
        return {}
    found.pop(answering.LANG, None)
    return found


def _open(question: Question, seen: Observed | None, answers: dict[str, Any]) -> bool:
    """Whether nothing tells the answer yet."""
    if question.only and answers.get(question.only[0]) not in question.only[1:]:
        return False
    if question.unless is None or seen is None:
        return question.unless != "answer"
    shown = {
        "data": True,
        "task_type": bool(seen.kind and seen.kind.sure),
        "answer": seen.columns.answer is not None and seen.columns.by != "values",
        "inputs": bool(seen.columns.inputs),
        "contract": seen.contract.type is not None,
        "labels": seen.contract.type is not None,
        "language": bool(seen.languages),
    }
    return not shown[question.unless]


def _answer(session: Any, words: Words, question: Question) -> Any:
    choices = [f"{name} ({words.choice(question, name)})" for name in question.choices]
    listed = "".join(f"\n  {number}. {choice}" for number, choice in enumerate(choices, start=1))
    completer = WordCompleter(list(question.choices)) if question.choices else None
    while True:
        said = session.prompt(
            f"{words.ask(question)}{listed}\n> ", completer=completer, validator=_Understood(question, words)
        )
        if said.strip() != HELP:
            return understood(question, said)
        _say(words.help(question))


class _Understood(Validator):
    """Refuses, while it is typed, what is no answer."""

    def __init__(self, question: Question, words: Words) -> None:
        self._question, self._words = question, words

    def validate(self, document: Any) -> None:
        if document.text.strip() == HELP:
            return
        try:
            understood(self._question, document.text)
        except Unclear as why:
            raise ValidationError(message=self._words.say("said.again", why=why.told(self._words))) from None


def _say(text: str, *, bold: bool = False) -> None:
    print_formatted_text(FormattedText([("bold" if bold else "", tame(text))]))
