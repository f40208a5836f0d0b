"""The pages that follow from the code: docs/cli.md, docs/task-yaml.md and docs/errors.md."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import typer

from tests.compiling import ROOT
from tunec import keys
from tunec.cli import app

Golden = Callable[[Path, str], None]


def commands(group: Any, above: str = "") -> Iterator[tuple[str, Any]]:
    """Every command that is not hidden, by its full name, a group before its own."""
    for name, command in group.commands.items():
        if not command.hidden:
            yield above + name, command
            if hasattr(command, "commands"):
                yield from commands(command, f"{above}{name} ")


COMMANDS: dict[str, Any] = dict(commands(typer.main.get_command(app)))
HEAD = """\
# The command line

Written by `pytest tests/face/test_docs.py --update-golden` from the commands themselves.

Exit codes: 0 all is well (of a build: ship), 1 a mistake that you can mend, 2 a gate failed, 70 a bug of tunec.
"""


def page() -> Iterator[str]:
    yield HEAD
    for name, command in COMMANDS.items():
        yield f"## tunec {name}\n\n{' '.join(command.help.split())}\n"
        yield from (f"- {line}\n" if last else f"- {line}" for line, last in parameters(command))


def parameters(command: Any) -> Iterator[tuple[str, bool]]:
    shown = [p for p in command.params if p.name != "help"]
    for parameter in shown:
        spelled = (
            parameter.opts[0] if parameter.opts[0].startswith("-") else parameter.metavar or parameter.name.upper()
        )
        default = parameter.default
        given = f" Default: {default}." if isinstance(default, str | Path) and str(default) else ""
        yield f"`{spelled}` {parameter.help}{given}", parameter is shown[-1]


def test_every_command_is_documented(golden: Golden) -> None:
    golden(ROOT / "docs" / "cli.md", "\n".join(page()))


def test_every_key_is_documented(golden: Golden) -> None:
    golden(ROOT / "docs" / "task-yaml.md", keys.page())


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_and_every_parameter_says_what_it_does(name: str) -> None:
    assert COMMANDS[name].help
    assert all(parameter.help for parameter in COMMANDS[name].params if parameter.name != "help")


def test_every_code_stands_once_in_the_table_of_errors_and_no_other_does() -> None:
    sources = [file for folder in ("compiler", "stages", "tunec") for file in (ROOT / folder).rglob("*.py")]
    raised = {code for file in sources for code in re.findall(r'["\[](T\d{3})["\]]', file.read_text(encoding="utf-8"))}
    rows = re.findall(
        r"^\| (T\d{3}) \| .+\. \| .+\. \|$", (ROOT / "docs" / "errors.md").read_text(encoding="utf-8"), re.MULTILINE
    )
    assert Counter(rows) == Counter(raised)
    assert rows == sorted(rows)
