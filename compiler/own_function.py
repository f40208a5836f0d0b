"""A function of the task's own, `python:FILE.py:FUNCTION`, read as a text and never run: whether a call can go well."""

from __future__ import annotations

import ast
import warnings
from collections.abc import Iterator, Sequence
from typing import NamedTuple


class Flaw(NamedTuple):
    """What is wrong at a line and column of the file, counted from 1, and how to mend it."""

    message: str
    line: int
    column: int
    help: str


def flaw(text: str, name: str, given: Sequence[str]) -> Flaw | None:
    """Why calling `name` with what is given, by position, fails; None where it may go well.

    What is imported, assigned or decorated is not looked into: only a run shows what it is.
    """
    try:
        with warnings.catch_warnings(action="ignore"):  # a warning of the user's file is no matter of the task's
            tree = ast.parse(text)
            compile(tree, "<own>", "exec")  # such as a `return` outside of a function
    except SyntaxError as error:
        return Flaw(f"no Python: {error.msg}", error.lineno or 1, max(error.offset or 1, 1), "mend this line")
    except (ValueError, RecursionError, MemoryError) as error:
        return Flaw(f"no Python: {error}", 1, 1, "bring a file that Python can read")
    bound = [one for one in _statements(tree.body) if not {name, "*"}.isdisjoint(_names(one))]
    signature = f"def {name}({', '.join(given)})"
    if not bound:
        return Flaw(f"no function `{name}` stands here", 1, 1, f"define `{signature}:`")
    last = bound[-1]
    if isinstance(last, ast.FunctionDef) and not last.decorator_list and not _takes(last.args, len(given)):
        many = f"{len(given)} argument{'s' * (len(given) != 1)}"
        return Flaw(f"`{name}` cannot be called with {many}", last.lineno, last.col_offset + 1, f"write `{signature}:`")
    return None


def _takes(of: ast.arguments, given: int) -> bool:
    """Whether so many arguments by position are what a function needs, and no more than it takes."""
    most = len(of.posonlyargs) + len(of.args)
    needs_keyword = any(default is None for default in of.kw_defaults)
    return most - len(of.defaults) <= given and (given <= most or of.vararg is not None) and not needs_keyword


def _statements(body: Sequence[ast.AST]) -> Iterator[ast.AST]:
    """What runs as the file is imported: the bodies of `if`, `try` and the like too, never those of functions."""
    for one in body:
        yield one
        if not isinstance(one, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef | ast.Lambda):
            yield from _statements(list(ast.iter_child_nodes(one)))


def _names(of: ast.AST) -> Iterator[str]:
    """The names that a node binds; `*` for those of another file, any of which may be the one."""
    if isinstance(of, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        yield of.name
    elif isinstance(of, ast.alias):
        yield of.asname or of.name.split(".")[0]
    elif isinstance(of, ast.Name) and isinstance(of.ctx, ast.Store):
        yield of.id
