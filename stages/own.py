"""Functions that a task brings in a file of its own: `python:my_metrics.py:fn`.

The file is run in the stage's process, as any code of the workspace that its owner builds; it is an input of the stages
that use it, so an edit of it runs them again. The compiler has checked that it lies in the workspace.
"""

from __future__ import annotations

import importlib.util
import math
import re
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stages.catalog import Metric
from stages.diagnostics import fail

if TYPE_CHECKING:
    from stages.judging import Judged

REFERENCE = re.compile(r"python:(?P<file>[^:]+\.py):(?P<function>[A-Za-z_]\w*)")
MEND = "write it as `python:FILE.py:FUNCTION`, with the file's path from the folder of task.yaml"
METRIC_TAKES = ("expected", "answer", "row")  # what a metric is called with, and a rule
RULE_TAKES = ("row",)
_OF_CODE = (TypeError, AttributeError, NameError, ImportError)
_WORD = re.compile(r"[a-z0-9_]+|\w")  # in lower case; of another script, each letter
_TELL_NOTHING = frozenset(
    ("a", "and", "as", "for", "has", "in", "is", "it", "no", "not", "of", "on", "or", "the", "to")
)


def split(reference: str) -> tuple[str, str] | None:
    """(file, function) of a reference; None for any other name."""
    found = REFERENCE.fullmatch(reference)
    return (found["file"], found["function"]) if found else None


@cache
def load(reference: str) -> Callable[..., Any]:
    """The function. Raises T702 when the file or the function is not there, or when the file cannot be run."""
    file, name = split(reference) or ("", "")
    path = Path(file)
    if not path.is_file() or not path.resolve().is_relative_to(Path().resolve()):
        raise fail("T702", f"`{reference}`: there is no such file in the workspace", help=MEND)
    spec = importlib.util.spec_from_file_location(f"_brought_{path.stem}", path)
    if spec is None or spec.loader is None:
        raise fail("T702", f"`{reference}` is no Python file", help=MEND)
    module = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except (Exception, SystemExit) as error:
        raise fail(
            "T702",
            f"{file} cannot be run: {type(error).__name__}: {error}",
            file=file,
            line=_line(error, file),
            help="mend it",
        ) from None
    function: Callable[..., Any] | None = getattr(module, name, None)
    if function is None or not callable(function):
        raise fail(
            "T702", f"{file} has no function `{name}`", file=file, help=f"define `{name}` there, or correct the name"
        )
    return function


def metric(reference: str) -> Metric:
    """A metric that is the mean of the function's figures, each from 0 to 1.

    The function is told the right answer, the answer (None when it cannot be read) and the row's input, and gives a
    number, or None for a row that does not count. Raises T700 when it raises, T701 when it gives something else.
    """
    from stages.metrics._rates import mean

    def of(judged: Judged) -> float | None:
        return _figure(reference, judged)

    return mean(reference, "a metric of the task's own", (), of)


def call(reference: str, id: str, *given: Any) -> Any:
    """What the function gives for the row `id`. Raises T700 when it raises."""
    function = load(reference)
    try:
        return function(*given)
    except (Exception, SystemExit) as error:
        file = (split(reference) or ("",))[0]
        message = f"`{reference}` raised on row {id}: {_said(error, given)}"
        help = "mend the function; the answers of models are kept, so only what it made is made again"
        raise fail("T700", message, file=file, line=_line(error, file), help=help) from None


def _figure(reference: str, judged: Judged) -> float | None:
    file = (split(reference) or ("",))[0]
    said = call(reference, judged.id, judged.gold, judged.said, dict(judged.input))
    number = isinstance(said, int | float) and math.isfinite(said) and 0 <= said <= 1
    if said is None or number:
        return None if said is None else float(said)
    gave = "no number from 0 to 1" if isinstance(said, int | float) else f"a value of type {type(said).__name__}"
    message = f"the metric `{reference}` gave {gave} for row {judged.id}"  # what it gave may be of the row
    raise fail("T701", message, file=file, help="give a number from 0 to 1, or None for a row that does not count")


def _said(error: BaseException, given: Sequence[Any]) -> str:
    """The kind of error; its text too where that speaks of code, with no word of the row, which may be personal."""
    kind, text = type(error).__name__, str(error)
    tells = isinstance(error, _OF_CODE) and (_words(given) - _TELL_NOTHING).isdisjoint(_words(text))
    return f"{kind}: {text}" if tells else kind


def _words(of: Any) -> set[str]:
    if isinstance(of, Mapping):
        return _words([*of, *of.values()])
    if isinstance(of, list | tuple):
        return set().union(*map(_words, of))
    return set(_WORD.findall(str(of).lower()))


def _line(error: BaseException, file: str) -> int:
    """The last line of the file that the error passed through; of a file that is no Python, the line that is none."""
    trace, line = error.__traceback__, 1
    if isinstance(error, SyntaxError) and Path(error.filename or "").name == Path(file).name:
        return error.lineno or line
    while trace:
        if Path(trace.tb_frame.f_code.co_filename).name == Path(file).name:
            line = trace.tb_lineno
        trace = trace.tb_next
    return line


def references(names: Sequence[str]) -> list[str]:
    """The files of all references among some names, sorted."""
    return sorted({found[0] for found in map(split, names) if found})
