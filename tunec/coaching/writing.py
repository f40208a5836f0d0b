"""Choices -> the text of task.yaml, with a comment behind each that says why.

Every value is quoted as YAML needs it, and the text is read again before it is written: what a person said stands in it
as a value, or nothing is written.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from compiler.parse import parse
from tunec.coaching.case import Case, Choice
from tunec.coaching.deciding.inputs import MAP
from tunec.importing.writing import flow

_ORDER = (
    *("task_name", "version", "task_type", "domain", "language", "goal", "non_goals"),
    *("system_prompt", "input_template", "output_format", "data", "splits", "baselines", "training"),
    *("evaluation", "success_criteria", "cost", "execution", "versioning"),
)
_APART = {
    "data",
    "splits",
    "baselines",
    "training",
    "evaluation",
    "success_criteria",
    "cost",
    "execution",
    "versioning",
}
_APART |= {"system_prompt", "output_format"}  # begin after an empty line
_NARROW = 100  # characters of a value and its key on one line
_WIDEST = 118  # columns of a line with its comment


def write(case: Case) -> str:
    """The whole file. Raises AssertionError when it would not read back as the choices that it is made of."""
    choices = {key: choice for key, choice in case.choices.items() if key != MAP}
    lines = [f"# {case.words.say('said.head')}"]
    for section in _ORDER:
        own = {key: choice for key, choice in choices.items() if key.partition(".")[0] == section}
        if not own:
            continue
        if section in _APART:
            lines.append("")
        if section in own:
            lines += _entry(case, section, own[section], "")
        else:
            lines.append(f"{section}:")
            for key, choice in own.items():
                lines += _entry(case, key.partition(".")[2], choice, "  ")
    text = "\n".join(lines) + "\n"
    assert parse(text, "task.yaml").plain() == tree(choices), "task.yaml would not say what was chosen"  # noqa: S101
    return text


def tree(choices: Mapping[str, Choice]) -> dict[str, Any]:
    """The values by section, as task.yaml has them."""
    found: dict[str, Any] = {}
    for key, choice in choices.items():
        *path, last = key.split(".")
        at = found
        for name in path:
            at = at.setdefault(name, {})
        at[last] = choice.value
    return found


def _entry(case: Case, key: str, choice: Choice, indent: str) -> Iterator[str]:
    remark = f" # {_remark(case, choice)}"
    value = choice.value
    line = f"{indent}{key}: {flow(value)}"
    if _wide(line + remark) > _WIDEST:
        yield from _above(remark[3:], indent)
        remark = ""
    if isinstance(value, str) and "\n" in value:
        yield from _block(key, value, indent, remark)
    elif isinstance(value, dict | list) and value and len(line) > _NARROW:
        yield f"{indent}{key}:{remark}"
        yield from _inner(value, indent + "  ")
    else:
        yield line + remark


def _block(key: str, text: str, indent: str, remark: str) -> Iterator[str]:
    """Several lines as they stand; quoted, where a block would lose something."""
    plain = text == text.strip() and all(line == line.rstrip() and line.isprintable() for line in text.split("\n"))
    if not plain:
        yield f"{indent}{key}: {flow(text)}{remark}"
        return
    yield f"{indent}{key}: |-{remark}"
    yield from (f"{indent}  {line}" if line else "" for line in text.split("\n"))


def _inner(value: Any, indent: str) -> Iterator[str]:
    if isinstance(value, list):
        for item in value:
            yield f"{indent}- {flow(item)}"
        return
    for key, inner in value.items():
        line = f"{indent}{flow(key)}: {flow(inner)}"
        if isinstance(inner, dict | list) and inner and len(line) > _NARROW:
            yield f"{indent}{flow(key)}:"
            yield from _inner(inner, indent + "  ")
        else:
            yield line


def _remark(case: Case, choice: Choice) -> str:
    """One line, without anything that YAML or a terminal could take for more than a comment."""
    said = " ".join("".join(sign if sign.isprintable() else " " for sign in choice.why).split())
    return case.words.say("said.assumed_because", why=said) if choice.ground == "assumed" else said


def _above(remark: str, indent: str) -> Iterator[str]:
    """A comment of several lines; Chinese, which has no blanks, breaks anywhere."""
    line = ""
    for part in re.findall(r"[\u3000-\u9fff\uff00-\uffef]|[^\s\u3000-\u9fff\uff00-\uffef]+|\s+", remark):
        closing = part in "，。；：、）」"
        if line and not closing and _wide(f"{indent}# {line}{part}") > _WIDEST:
            yield f"{indent}# {line.rstrip()}"
            line = part.lstrip()
        else:
            line += part
    if line.strip():
        yield f"{indent}# {line.rstrip()}"


def _wide(text: str) -> int:
    """Columns of a terminal: a Chinese character takes two."""
    return len(text) + sum("\u2e80" <= sign <= "\uffef" for sign in text)
