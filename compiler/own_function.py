"""A function of the task's own, `python:FILE.py:FUNCTION`, read as a text and never run: whether a call can go well."""

from __future__ import annotations

import ast
import warnings
from collections.abc import Iterator, Sequence
from typing import NamedTuple

_LOOKED = 100_000  # characters; Python takes some seconds, and hundreds of megabytes, for a file of a million


class Flaw(NamedTuple):
    """What is wrong at a line and column of the file, counted from 1, and how to mend it."""

    message: str
    line: int
    column: int
    help: str


def flaw(text: str, name: str, given: Sequence[str]) -> Flaw | None:
    """Why calling `name` with what is given, by position, fails; None where it may go well.

    What is imported, assigned or decorated is not looked into, nor a file of more than _LOOKED characters: only a run
    shows what it is.
    """
    if len(text) > _LOOKED:
        return None
    text = text.removeprefix("\ufeff")  # of a file, though not of a text, Python takes a byte order mark
    try:
        with warnings.catch_warnings(action="ignore"):  # a warning of the user's file is no matter of the task's
            compile(text, "<own>", "exec")  # sees what parsing alone does not: a `return` outside of a function
            tree = ast.parse(text)
    except SyntaxError as error:
        return Flaw(f"no Python: {error.msg}", error.lineno or 1, max(error.offset or 1, 1), "mend this line")
    except (ValueError, RecursionError, MemoryError):
        return Flaw("Python cannot read this file", 1, 1, "take out what is nested too deeply, or a byte of zero")
    bound = [one for one in _run_at_import(tree) if not {name, "*"}.isdisjoint(_names(one))]
    called = f"{name}({', '.join(given)})"
    if not bound:
        return Flaw(f"no function `{name}` stands here", 1, 1, f"define `def {called}:`")
    last = bound[-1]
    if isinstance(last, ast.FunctionDef) and not last.decorator_list and not _takes(last.args, len(given)):
        message = f"`{name}` cannot be called as `{called}`"
        return Flaw(message, last.lineno, last.col_offset + 1, f"write `def {called}:`")
    return None


def _takes(of: ast.arguments, given: int) -> bool:
    """Whether so many arguments by position are what a function needs, and no more than it takes."""
    most = len(of.posonlyargs) + len(of.args)
    needs_keyword = any(default is None for default in of.kw_defaults)
    return most - len(of.defaults) <= given and (given <= most or of.vararg is not None) and not needs_keyword


def _run_at_import(tree: ast.AST) -> Iterator[ast.AST]:
    """Every node that is run then, in the file's order: in bodies of `if`, `try` and the like too, never of functions.
    Without recursion, so that no depth of a file is too much.
    """
    waiting = [tree]
    while waiting:
        yield (one := waiting.pop())
        if not isinstance(one, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef | ast.Lambda):
            waiting += reversed(list(ast.iter_child_nodes(one)))


def _names(of: ast.AST) -> Iterator[str]:
    """The names that a node binds; `*` for those of another file, any of which may be the one."""
    if isinstance(of, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        yield of.name
    elif isinstance(of, ast.alias):
        yield of.asname or of.name.split(".")[0]
    elif isinstance(of, ast.Name) and isinstance(of.ctx, ast.Store):
        yield of.id
