"""Regular expressions from task.yaml: FIELD: PATTERN for an object, LABEL: PATTERN for a label. Or a function of the
task's own, `python:rules.py:fn`, which is told the row's input and gives the answer.

The first match in the user's message counts; of a pattern with a group, the first group. A field with no match is left
out; of labels, the first (as the schema's enum has them) whose pattern matches is the answer, and the majority's where
none does.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from stages import own
from stages.baselines import majority
from stages.catalog import Baseline
from stages.patterns import flaw

if TYPE_CHECKING:
    from stages.answers import Answer
    from stages.baselines._ask import Question


def answer(question: Question) -> Iterator[Answer]:
    from stages.answers import Answer
    from stages.chat import user_message

    if question.prompting is None:
        raise ValueError("the patterns are looked for in the user's message, which `prompting` makes")
    if isinstance(question.options, str):
        yield from _own(question)
        return
    template = question.prompting.input_template
    rules = {name: re.compile(pattern) for name, pattern in question.options.items()}
    fallback = next(iter(majority.answer(question))).text if question.contract.type == "label" else ""
    for row in question.rows:
        message = user_message(template, row.input)
        if question.contract.type == "label":
            labels = (label for label in question.contract.labels if label in rules and rules[label].search(message))
            text = next(labels, fallback)
        else:
            text = question.contract.write(_fields(rules, message))
        yield Answer(row.id, text, text, 0, "stop")


def _own(question: Question) -> Iterator[Answer]:
    """Raises T702 when the function is not there, T700 when it raises."""
    from stages.answers import Answer

    for row in question.rows:
        said = own.call(question.options, row.id, dict(row.input))
        text = "" if said is None else said if isinstance(said, str) else question.contract.spell(said)
        yield Answer(row.id, text, text, 0, "stop")


def files(options: Any) -> tuple[str, ...]:
    return tuple(own.references([options])) if isinstance(options, str) else ()


def allowed(options: Any, fields: Sequence[str]) -> str | None:
    if isinstance(options, str) and own.split(options):
        return None
    if not isinstance(options, Mapping) or not options:
        return "it needs a mapping of field (or label) to regular expression, or `python:FILE.py:FUNCTION`"
    for name, pattern in options.items():
        if fields and name not in fields:
            return f"`{name}` is no field or label of the contract; there are {', '.join(fields)}"
        if found := flaw(pattern):
            return f"the pattern of `{name}` is no regular expression: {found}"
    return None


def _fields(rules: Mapping[str, re.Pattern[str]], message: str) -> dict[str, str]:
    matches = {name: rule.search(message) for name, rule in rules.items()}
    return {name: match[1 if match.re.groups else 0] for name, match in matches.items() if match}


SETTLED = {"prompting.system_prompt": None, "prompting.mode": "none", "decoding": None}
BASELINE = Baseline(
    "rule",
    "regular expressions",
    answer,
    needs_train=True,
    libraries=("jinja2",),  # an input template may be Jinja
    settled=SETTLED,
    allowed=allowed,
    files=files,
)
