"""The first three passes in a row, at every point of a sweep: all that `tunec check` needs of a task without one."""

from __future__ import annotations

from typing import NamedTuple

from compiler.parse import MAX_FOUND, Node, ParseError, parse
from compiler.resolve import overridden, resolve
from compiler.settle import settled
from compiler.sweep import Point, points
from compiler.task import Task
from compiler.validate import validate
from compiler.workspace import Workspace
from stages.diagnostics import Diagnostic


class CheckedPoint(NamedTuple):
    """A point whose task is whole. tree: every resolved value with the place that set it."""

    point: Point
    tree: Node
    task: Task
    warnings: list[Diagnostic]


class Checked(NamedTuple):
    """whole: the task as it is written, with its sweep. points: at least one. warnings: of all of them, told once."""

    whole: Node
    points: list[CheckedPoint]
    warnings: list[Diagnostic]


def checked(text: str, workspace: Workspace, *, file: str = "task.yaml", overrides: list[str]) -> Checked:
    """Raises ParseError with every diagnostic of the first pass that fails."""
    whole = overridden(parse(text, file), overrides)
    grid = points(whole, workspace)
    found = _all_checked(grid.all, workspace)
    told = [*grid.warnings, *(warning for one in found for warning in one.warnings)]
    return Checked(whole, found, list(dict.fromkeys(told)))


def _all_checked(grid: list[Point], workspace: Workspace) -> list[CheckedPoint]:
    """Every point's task. Raises ParseError with what is wrong with each of them, told once."""
    whole: list[CheckedPoint] = []
    wrong: dict[Diagnostic, list[Point]] = {}
    for point in grid:
        try:
            tree = settled(resolve(point.tree, workspace), workspace)
            whole.append(CheckedPoint(point, tree, *validate(tree, workspace)))
        except ParseError as error:
            for found in error.diagnostics:
                wrong.setdefault(found, []).append(point)
    if wrong:
        told = [_of_points(found, those, len(grid)) for found, those in wrong.items()]
        raise ParseError(told[:MAX_FOUND])
    return whole


def _of_points(found: Diagnostic, those: list[Point], many: int) -> Diagnostic:
    """A diagnostic that names the points of a sweep that it is true of; one of all points is the task's own."""
    if len(those) == many:
        return found
    named = ", ".join(f"{key}={value}" for key, value in those[0].values.items())
    more = f" and {len(those) - 1} more of {many} points" if len(those) > 1 else ""
    return found._replace(notes=(*found.notes, f"at {named}{more} of the sweep"))
