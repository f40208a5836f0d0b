"""Metrics that a task brings: run, told of by file and line, and an input of the stages that use them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from stages import own
from stages.diagnostics import UserError
from stages.judging import Judged, measure
from tests.compiling import MINIMAL, ROWS, compiled, refused, told

ROW = Judged("row-1", {"a": "1"}, {"a": "2"}, "", True, True, input={"text": "private"})


@pytest.fixture(autouse=True)
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    own.load.cache_clear()


def bring(body: str) -> None:
    own.load.cache_clear()
    Path("mine.py").write_text(f"def fn(expected, answer, row):\n    {body}\n", encoding="utf-8")


def failing(body: str, row: Judged = ROW) -> Any:
    bring(body)
    with pytest.raises(UserError) as error:
        own.metric("python:mine.py:fn").counts([row])
    return error.value.diagnostics[0]


def test_it_is_the_mean_of_what_the_function_says_with_an_interval() -> None:
    bring("return None if row['text'] == 'skip' else float(expected['a'] == answer['a'])")
    rows = [ROW, Judged("2", {"a": "1"}, {"a": "1"}, "", True, True, input={"text": ""})]
    rows.append(Judged("3", {"a": "1"}, {"a": "1"}, "", True, True, input={"text": "skip"}))
    figure = measure(rows, own.metric("python:mine.py:fn"), confidence=0.95, resamples=200)
    assert figure is not None and figure.value == 0.5 and figure.low < 0.5 < figure.high


def test_one_that_throws_is_told_by_its_line_and_never_with_the_row() -> None:
    found = failing("raise ValueError(row['text'])")
    assert found.code == "T700" and (found.span.file, found.span.line) == ("mine.py", 2)
    assert "row-1" in found.message and "private" not in found.message


def test_one_that_ends_the_program_is_named() -> None:
    assert "SystemExit" in failing("raise SystemExit(3)").message


def test_what_python_says_of_the_code_is_told_and_nothing_that_the_row_says() -> None:
    assert "TypeError: unsupported operand" in failing("return expected + 1").message
    assert "KeyError" in failing("return answer['b']").message
    for body in ("raise TypeError(row['text'])", "raise NameError('a PRIVATE thing')"):
        assert "private" not in failing(body).message.lower()


@pytest.mark.parametrize(
    ("text", "part"), [("Ann", "Ann"), ("王小明", "小明"), ("line\nsecretly", "secretly"), ("07", "07")]
)
def test_no_part_of_a_row_is_too_short_or_too_foreign_to_be_kept_back(text: str, part: str) -> None:
    row = replace(ROW, input={"names": [{"of": text}]})
    for body in (f"raise TypeError('no {part} here')", f"return {part!r}"):
        assert part not in failing(body, row).message
    assert "TypeError: no number is here" in failing("raise TypeError('no number is here')", row).message


@pytest.mark.parametrize("body", ["return 'much'", "return 2.0", "return float('nan')", "return [1]", "return -0.1"])
def test_one_that_gives_no_figure_is_refused(body: str) -> None:
    assert failing(body).code == "T701"


@pytest.mark.parametrize("text", ["def fn(:\n", "import nothing_of_this_name\n", "other = 1\n", "fn = 3\n"])
def test_a_file_without_the_function_is_refused(text: str) -> None:
    Path("mine.py").write_text(text, encoding="utf-8")
    with pytest.raises(UserError) as error:
        own.load("python:mine.py:fn")
    assert error.value.diagnostics[0].code == "T702"


def test_a_file_that_cannot_be_run_is_told_with_its_line_and_the_module_that_it_lacks() -> None:
    for text, line, said in (
        ("x = 1\nimport nothing_of_this_name\n", 2, "No module named 'nothing_of_this_name'"),
        ("x = 1\n\ndef fn(:\n", 3, "SyntaxError"),
    ):
        own.load.cache_clear()
        Path("mine.py").write_text(text, encoding="utf-8")
        with pytest.raises(UserError) as error:
            own.load("python:mine.py:fn")
        found = error.value.diagnostics[0]
        assert said in found.message and found.span and (found.span.file, found.span.line) == ("mine.py", line)


@pytest.mark.parametrize("reference", ["python:../mine.py:fn", "python:/tmp/mine.py:fn", "python:gone.py:fn"])
def test_a_file_outside_of_the_workspace_is_never_run(reference: str, tmp_path: Path) -> None:
    canary = tmp_path / "canary"
    (tmp_path.parent / "mine.py").write_text(f"open({str(canary)!r}, 'w')\ndef fn(*_): return 1\n")
    with pytest.raises(UserError, match="no such file"):
        own.load(reference)
    assert not canary.exists()


def test_the_file_is_an_input_of_every_stage_that_measures() -> None:
    text = MINIMAL + "evaluation:\n  metrics: ['python:lib/mine.py:fn']\n"
    found = compiled(text, ROWS, "lib/mine.py", texts={"lib/mine.py": "def fn(expected, answer, row): ..."})
    for name in ("select", "score"):
        assert "lib/mine.py" in found.plan[name].dependencies()
    assert "lib/mine.py" not in found.plan["test"].dependencies()


METRIC = MINIMAL + "evaluation:\n  metrics: ['python:mine.py:fn']\n"


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("import os\ndef fn(a, b, c:\n", 2),
        ("return 1\n", 1),
        ("def other(a, b, c): ...\n", 1),
        ("def outer():\n    def fn(a, b, c): ...\n", 1),
        ("\n\ndef fn(a, b): ...\n", 3),
        ("def fn(a, b, c, d): ...\n", 1),
        ("def fn(a, b, c, *, d): ...\n", 1),
        ("\0", 1),
        (f"x = {'-' * 9_000}1\ndef fn(a, b, c): ...\n", 1),
    ],
)
def test_a_check_tells_of_a_function_that_could_not_be_called(text: str, line: int) -> None:
    (found,) = refused(METRIC, ROWS, "mine.py", texts={"mine.py": text})
    assert found.code == "T703" and found.span and (found.span.file, found.span.line) == ("mine.py", line)
    assert found.notes == ("`evaluation.metrics.0` names this file: task.yaml:14",)


@pytest.mark.parametrize(
    "text",
    [
        "def fn(a, b, c, d=1): ...\n",
        "def fn(*all): ...\n",
        "def fn(a, /, b, c, *, d=1): ...\n",
        "import functools\n@functools.cache\ndef fn(a): ...\n",
        "fn = lambda *all: 1\n",
        "from lib import other as fn\n",
        "from lib import *\n",
        "try:\n    from fast import fn\nexcept ImportError:\n    def fn(a, b, c): ...\n",
        "open('canary', 'w')\ndef fn(a, b, c): '\\d'\n",
        f"x = {'+'.join('y' * 2_500)}\ndef fn(a, b, c): ...\n",
        "x = 1\n" * 20_000,
        "\ufeffdef fn(a, b, c): ...\n",
    ],
)
def test_a_check_lets_be_what_only_a_run_would_show_and_runs_nothing(text: str) -> None:
    assert not told(METRIC, ROWS, "mine.py", texts={"mine.py": text})
    assert not Path("canary").exists()
