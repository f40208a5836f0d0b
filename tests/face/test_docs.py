"""The pages that follow from the code: docs/cli.md, docs/task-yaml.md and docs/errors/."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import typer

from tests.compiling import ROOT
from tunec import keys
from tunec.cli import app
from tunec.codes import Code, codes

Golden = Callable[[Path, str], None]
ERRORS, REJECTS = ROOT / "docs" / "errors", ROOT / "tests" / "compiler" / "rejects"
CONTENTS = """\
# Errors

Every code that tunec can print. A code never changes its meaning; `tunec explain CODE` prints the same. Written by
`pytest tests/face/test_docs.py --update-golden`.

| code | what is wrong |
|---|---|"""


def commands(group: Any, prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Every command by its full name; those of a group follow it."""
    for name, command in group.commands.items():
        if not command.hidden:
            yield prefix + name, command
            if hasattr(command, "commands"):
                yield from commands(command, f"{prefix}{name} ")


COMMANDS: dict[str, Any] = dict(commands(typer.main.get_command(app)))
HEAD = """\
# The command line

Written by `pytest tests/face/test_docs.py --update-golden` from the commands themselves.

Exit codes: 0 all is well (of a build: ship), 1 a mistake that you can mend, 2 a gate failed,
3 `plan --check` found something to do, 70 a bug of tunec.
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


def test_the_page_on_imports_shows_what_an_import_prints(golden: Golden) -> None:
    page = ROOT / "docs" / "importing.md"

    def shown(block: re.Match[str]) -> str:
        return f"{block[1]}{(ROOT / block[2]).read_text(encoding='utf-8')}```"

    pattern = re.compile(r"(<!-- (\S+) -->\n```\w+\n).*?```", re.DOTALL)
    golden(page, pattern.sub(shown, page.read_text(encoding="utf-8")))


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_and_every_parameter_says_what_it_does(name: str) -> None:
    assert COMMANDS[name].help
    assert all(parameter.help for parameter in COMMANDS[name].params if parameter.name != "help")


def test_every_code_that_is_raised_is_explained_and_no_other_is() -> None:
    sources = [file for folder in ("compiler", "stages", "tunec") for file in (ROOT / folder).rglob("*.py")]
    told = [file.read_text(encoding="utf-8") for file in sources if file.name != "codes.py"]
    raised = {code for text in told for code in re.findall(r'["\[](T\d{3})["\]]', text)}
    assert raised == codes().keys()


@pytest.mark.parametrize("code", codes().values(), ids=lambda code: code.code)
def test_every_code_has_a_page(code: Code, golden: Golden) -> None:
    assert code.what.endswith(".") and code.why.endswith("."), "whole sentences"
    golden(ERRORS / f"{code.code}.md", "\n".join(error_page(code)) + "\n")


def test_the_codes_have_a_table_of_contents(golden: Golden) -> None:
    rows = [f"| [{code.code}]({code.code}.md) | {code.what} |" for code in codes().values()]
    golden(ERRORS / "README.md", "\n".join([CONTENTS, *rows]) + "\n")
    assert {page.stem for page in ERRORS.glob("T*.md")} == codes().keys()


def error_page(code: Code) -> Iterator[str]:
    yield from (f"# {code.code}", "", f"**{code.severity.capitalize()}.** {code.what}", "", code.why)
    case = next(iter(sorted(REJECTS.glob(f"{code.code}-*"))), None)
    task = (case / "task.yaml").read_bytes().decode(errors="replace") if case else ""
    if case and len(task.splitlines()) <= 40:
        said = (case / "stderr.txt").read_text(encoding="utf-8").rstrip("\n")
        yield from ("", "For example, of this task.yaml", "", *fenced(task, "yaml"), "", "`tunec check` says", "")
        yield from fenced(said)


def fenced(text: str, language: str = "") -> Iterator[str]:
    yield from (f"```{language}", text.rstrip("\n"), "```")
