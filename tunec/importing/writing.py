"""A draft -> the text of task.yaml."""

from __future__ import annotations

import re
from decimal import Decimal
from itertools import groupby
from typing import Any

from compiler.parse import scalar
from tunec.importing.draft import Draft, Value
from tunec.importing.targets import APART, INPUT_TEMPLATE, ON_ONE_LINE, SYSTEM_PROMPT

_PLAIN = re.compile(r"[A-Za-z0-9_./][A-Za-z0-9_./*@+-]*( [A-Za-z0-9_./][A-Za-z0-9_./*@+;-]*)*")
_UNPRINTED = re.compile(r"[^\x20-\x7e\xa0-\u1fff\u2010-\u2027\u2030-\u205f\u2070-\ud7ff\uf900-\ufefe\uff00-\uffef]")


def write(draft: Draft, head: str) -> str:
    """`head`: comment lines that open the file. Sections that hold keys stand apart, as in the repository's example."""
    lines = [f"# {line}" for line in head.splitlines()]
    for section, group in groupby(draft.ordered(), lambda pair: pair[0].partition(".")[0]):
        pairs = list(group)
        if section in APART or (section == INPUT_TEMPLATE and not draft.has(SYSTEM_PROMPT)):
            lines.append("")
        lines += _section(section, pairs) if pairs[0][0] != section else [_line(section, pairs[0][1], "")]
    return "\n".join(lines) + "\n"


def _section(name: str, pairs: list[tuple[str, Value]]) -> list[str]:
    """A section of one or two levels, the inner one on a line of its own where targets say so."""
    lines = [f"{name}:"]
    flat = [(target.removeprefix(f"{name}."), value) for target, value in pairs]
    for key, group in groupby(flat, lambda pair: pair[0].partition(".")[0]):
        values = list(group)
        if f"{name}.{key}" in ON_ONE_LINE:
            inner = {inner.removeprefix(f"{key}."): value.value for inner, value in values}
            remarks = [value.remark for _, value in values if value.guess]
            lines.append(f"  {key}: {flow(inner)}" + (f" # {remarks[0]}" if remarks else ""))
        elif isinstance(values[0][1].value, list) and values[0][1].value:
            lines += [f"  {key}:", *_items(values[0][1].value)]
        else:
            lines.append(_line(key, values[0][1], "  "))
    return lines


def _items(sources: list[dict[str, Any]]) -> list[str]:
    lines = []
    for source in sources:
        for index, (key, value) in enumerate(source.items()):
            lines.append(f"    {'- ' if index == 0 else '  '}{key}: {flow(value)}")
    return lines


def _line(key: str, value: Value, indent: str) -> str:
    text = value.value
    if isinstance(text, str) and "\n" in text and _is_block(text):
        body = "\n".join(f"{indent}  {line}" if line else "" for line in text.split("\n"))
        remark = f" # {value.remark}" if value.remark else ""
        return f"{indent}{key}: |-{remark}\n{body}"
    return f"{indent}{key}: {flow(text)}" + (f" # {value.remark}" if value.remark else "")


def _is_block(text: str) -> bool:
    """Whether a text of several lines survives as a literal block."""
    lines = text.split("\n")
    plain = not _UNPRINTED.search(text.replace("\n", ""))
    return plain and bool(lines[0]) and not lines[0][0].isspace() and bool(lines[-1].strip())


def flow(value: Any) -> str:
    """A value on one line, which reads back as itself."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{flow(key)}: {flow(inner)}" for key, inner in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(flow, value)) + "]"
    if isinstance(value, bool) or value is None:
        return {True: "true", False: "false", None: "null"}[value]
    return _number(value) if isinstance(value, int | float) else _text(str(value))


def _text(value: str) -> str:
    """Plain where YAML reads it back as this text, otherwise in quotes."""
    if _PLAIN.fullmatch(value) and scalar(value) == value:
        return value
    quoted = value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n").replace("\t", "\\t")
    return '"' + _UNPRINTED.sub(lambda found: f"\\U{ord(found[0]):08x}", quoted) + '"'


def _number(value: float) -> str:
    """1e-5 as people write it, instead of 1e-05."""
    if not (isinstance(value, float) and 0 < abs(value) < 1e-3):
        return repr(int(value)) if isinstance(value, float) and value.is_integer() and abs(value) > 1 else repr(value)
    number = Decimal(repr(value)).normalize()
    exponent = number.adjusted()
    return f"{number.scaleb(-exponent)}e{exponent}"
