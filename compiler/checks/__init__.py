"""Cross-field checks: what no single key can be blamed for. One function a code; its docstring is the code's page.

A check looks at the typed task, at the places of its values and at what the data files show, and yields what it finds.
Dropping a function with `@check("T1nn")` into a module of this folder is all it takes.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from types import ModuleType

from compiler.checks import (
    contract,
    costs,
    criteria,
    data,
    evaluating,
    execution,
    experts,
    generating,
    licences,
    mixing,
    model,
    paths,
    recipe,
    reviewing,
    sources,
    splits,
    sweeping,
    template,
    training,
    versioning,
)
from compiler.checks._check import Check, Look
from compiler.parse import MAX_FOUND, Node
from compiler.task import Task
from compiler.workspace import Workspace
from stages.diagnostics import Diagnostic

_MODULES: tuple[ModuleType, ...] = (
    paths,
    data,
    sources,
    reviewing,
    splits,
    mixing,
    generating,
    template,
    contract,
    model,
    training,
    recipe,
    criteria,
    evaluating,
    execution,
    sweeping,
    versioning,
    licences,
    experts,
    costs,
)


def checks() -> Iterator[Check]:
    """Every check, module by module, in the order that they stand in."""
    for module in _MODULES:
        yield from (member for member in vars(module).values() if hasattr(member, "code"))


def find(task: Task, tree: Node, workspace: Workspace) -> list[Diagnostic]:
    """Everything that every check finds, in the order of the text."""
    look = Look(task, tree, workspace)
    every = (look.diagnostic(check, problem) for check in checks() for problem in check(look))
    found = list(islice(every, MAX_FOUND))
    return sorted(found, key=lambda d: (d.span.file, d.span.line, d.span.column, d.code) if d.span else ("", 0, 0, ""))
