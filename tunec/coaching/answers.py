"""A person's answers: read from a file, held against what each question asks for, kept for the next time.

What they say is data: it is quoted when it is written, and never read as YAML, as a template or as a path.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from compiler.execution import HOST
from compiler.parse import Node, ParseError, parse
from compiler.resolve import nearest
from stages.diagnostics import Diagnostic, UserError, fail
from tunec.coaching.questions import BY_ID, Question
from tunec.coaching.words import LANGUAGES, Words, language_of, words

Answers = Mapping[str, Any]
LANG = "lang"
_SAYS_YES = {"yes": True, "y": True, "true": True, "no": False, "n": False, "false": False}
_SAYS_YES |= {"是": True, "可以": True, "有": True, "否": False, "不行": False, "不可以": False, "沒有": False}
_MANY = 300  # names of a list
_LARGEST = 1_000_000  # bytes of a file of answers
_UNPRINTED = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")


class Unclear(ValueError):
    """This is no answer to the question. word: why, as words/ names it."""

    def __init__(self, word: str, **values: Any) -> None:
        super().__init__(word)
        self._word, self._values = word, values

    def told(self, by: Words) -> str:
        return by.say(f"unclear.{self._word}", **self._values)


def read(path: Path, language: str | None = None) -> dict[str, Any]:
    """{question: answer}, the language of the interview under `lang`. language: in which it is told what is no answer;
    None goes by the file.

    Raises T840 for a file that is none, T841 for a question that is not asked, T842 for an answer that is none to it.
    """
    tree = _tree(path)
    spoken = words(language or _spoken(tree))
    found: dict[str, Any] = {}
    problems: list[Diagnostic] = []
    for id, node in tree.value.items():
        at = node.key or node.span
        if id == LANG:
            problems += _language(node)
        elif id not in BY_ID:
            near = nearest(str(id), list(BY_ID))
            help = (
                spoken.say("unclear.near", name=near) if near else spoken.say("said.questions", names=", ".join(BY_ID))
            )
            problems.append(Diagnostic("T841", spoken.say("said.not_asked", id=_short(id)), at, help=help))
        if problems and problems[-1].span in (at, node.span):
            continue
        try:
            value = node.plain() if id == LANG else understood(BY_ID[id], node.plain())
        except Unclear as why:
            message = spoken.say("said.no_answer", id=str(id), why=why.told(spoken))
            problems.append(Diagnostic("T842", message, node.span, help=spoken.say("said.leave_out")))
            continue
        if value is not None:
            found[id] = value
    if problems:
        raise UserError(*problems)
    return found


def _tree(path: Path) -> Node:
    help = "name a YAML file with a line for each answer: docs/coach.md lists the questions"
    try:
        if path.stat().st_size > _LARGEST:
            raise fail("T840", f"{path} is too large for answers", help=help)
        tree = parse(path.read_text(encoding="utf-8"), path.as_posix())
    except UnicodeDecodeError:
        raise fail("T840", f"{path} is not UTF-8 text", help="save it as UTF-8") from None
    except OSError as error:
        raise fail("T840", f"{path} cannot be read: {error.strerror}", help=help) from None
    except ParseError as error:
        raise UserError(*error.diagnostics) from None
    if not isinstance(tree.value, dict):
        raise UserError(Diagnostic("T840", "answers are a mapping of questions to answers", tree.span, help=help))
    return tree


def _spoken(tree: Node) -> str:
    """The language of the file: the one that it names, or that of its answers."""
    named = tree.value[LANG].value if LANG in tree.value else None
    if named in LANGUAGES:
        return str(named)
    return language_of([node.value for node in tree.value.values() if isinstance(node.value, str)])


def _language(node: Node) -> list[Diagnostic]:
    if node.value in LANGUAGES:
        return []
    return [Diagnostic("T842", "the interview is not held in that language", node.span, help=" or ".join(LANGUAGES))]


def understood(question: Question, said: Any) -> Any:
    """The answer in the form that the question asks for; None where nothing was said. Raises Unclear."""
    if said is None or (isinstance(said, str) and not said.strip()):
        return None
    match question.form:
        case "choices" | "names":
            names = _names(said)
            return list(dict.fromkeys(_choice(question, name) for name in names)) if question.choices else names
        case "choice":
            return _choice(question, said)
        case "yes_no":
            return _yes(said)
        case "number" | "share":
            return _number(question, said)
    return _text(question, said)


def _text(question: Question, said: Any) -> str:
    if isinstance(said, dict | list) and question.id not in ("example_output",):
        raise Unclear("text")
    text = said.strip() if isinstance(said, str) else yaml_free(said)
    if len(text) > question.most:
        raise Unclear("long", most=f"{question.most:,.0f}")
    if _UNPRINTED.search(text):
        raise Unclear("unseen")
    if question.form in ("name", "host") and "\n" in text:
        raise Unclear("line")
    if question.form == "host" and not re.fullmatch(HOST, text):
        raise Unclear("host")
    return text


def yaml_free(said: Any) -> str:
    """A value that somebody wrote as YAML, as JSON has it."""
    from stages.rows import dumps

    return dumps(said)


def _names(said: Any) -> list[str]:
    parts = said if isinstance(said, list) else re.split(r"[,，、\n]", str(said))
    if not all(isinstance(part, str | int | float) for part in parts):
        raise Unclear("names")
    names = list(dict.fromkeys(str(part).strip() for part in parts if str(part).strip()))
    if len(names) > _MANY:
        raise Unclear("many", most=f"{_MANY}")
    if any(_UNPRINTED.search(name) or len(name) > 200 for name in names):
        raise Unclear("name")
    return names


def _choice(question: Question, said: Any) -> str:
    """One of the choices by its name, its number, or what it is called in the interview, or a part of that."""
    text = str(said).strip()
    if text.isdigit() and 1 <= int(text) <= len(question.choices):
        return question.choices[int(text) - 1]
    lower = text.lower()
    called = {
        name: [words(language).choice(question, name).lower() for language in LANGUAGES] for name in question.choices
    }
    exact = [name for name, labels in called.items() if lower in (name, *labels)]
    part = [name for name, labels in called.items() if len(lower) > 1 and any(lower in label for label in labels)]
    for found in (exact, part):
        if len(found) == 1:
            return found[0]
    if near := nearest(lower, list(question.choices)):
        raise Unclear("near", name=near)
    raise Unclear("choice", names=", ".join(question.choices))


def _yes(said: Any) -> bool:
    if isinstance(said, bool):
        return said
    found = _SAYS_YES.get(str(said).strip().lower())
    if found is None:
        raise Unclear("yes_no")
    return found


def _number(question: Question, said: Any) -> float:
    """1,000 is a thousand; of a share, 80% is 0.8 and 80 is as it was said: what it means is told."""
    if isinstance(said, bool):
        raise Unclear("number")
    try:
        text = str(said).strip()
        number = float(text.rstrip("%％").replace(",", "").replace("，", ""))
    except ValueError:
        raise Unclear("number") from None
    if not 0 <= number <= question.most:
        raise Unclear("range", most=f"{question.most:,.0f} {question.unit}".rstrip())
    if question.form == "share" and text.endswith(("%", "％")):
        return round(number / 100, 6)
    return int(number) if number.is_integer() and question.form == "number" else number


def save(path: Path, answers: Answers, language: str) -> None:
    """As `read` reads it, written anew or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.with_name(f"{path.name}.tmp")
    text = yaml.safe_dump({LANG: language, **answers}, allow_unicode=True, sort_keys=False, width=10_000)
    aside.write_text(text, encoding="utf-8")
    aside.replace(path)


def _short(text: Any) -> str:
    return ascii(str(text)[:40])[1:-1]
