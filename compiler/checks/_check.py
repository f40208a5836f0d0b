"""What a check gets to look at, and what it says."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal, NamedTuple, Protocol

from compiler.parse import Node
from compiler.resolve import COMMAND_LINE
from compiler.schema import expand
from compiler.sources import Source
from compiler.task import Task, shape
from compiler.workspace import Peek, Workspace
from stages.diagnostics import Diagnostic, Severity, Span

CHOOSE = "choose one of these"
# The key that names a preset of each group.
_CHOSEN_BY = {
    "task_type": "task_type",
    "method": "training.method",
    "base_model": "training.base_model",
    "execution": "execution.type",
    "quantization": "quantization.preset",
}


class Found(NamedTuple):
    """One problem. at: the dotted path of the key to point at; key: at its name instead of its value. there: where the
    problem is in a file that the key names, to be pointed at instead; of a file that no key names, `at` is empty.
    """

    message: str
    at: str
    help: str
    note: str | None = None
    key: bool = False
    there: Span | None = None


class Check(Protocol):
    code: str
    severity: Severity
    __name__: str
    __doc__: str | None

    def __call__(self, look: Look) -> Iterator[Found]: ...


def check(
    code: str, severity: Literal["error", "warning"] = "error"
) -> Callable[[Callable[..., Iterator[Found]]], Check]:
    """Mark a function as the check behind a code."""

    def mark(function: Callable[..., Iterator[Found]]) -> Check:
        function.code, function.severity = code, severity  # type: ignore[attr-defined]
        return function  # type: ignore[return-value]

    return mark


@dataclass(frozen=True)
class Look:
    """The task, the places of its values, and the files around it."""

    task: Task
    tree: Node
    workspace: Workspace

    def diagnostic(self, check: Check, found: Found) -> Diagnostic:
        notes = (found.note,) if found.note else ()
        if not found.at:
            return Diagnostic(check.code, found.message, found.there, notes, found.help, check.severity)
        span = self.span(found.at, key=found.key)
        if span and span.file.startswith("conf/"):  # what chose the preset is what a person can change
            notes = (*notes, f"`{found.at}` is set by {span.file}:{span.line}")
            chooser = _CHOSEN_BY.get(span.file.split("/")[1], "task_name")
            span = self.span(chooser if self.written(chooser) else "task_name")
        if span and found.there:
            notes = (*notes, f"`{found.at}` names this file: {span.file}:{span.line}")
            span = found.there
        return Diagnostic(check.code, found.message, span, notes, found.help, check.severity)

    def node(self, path: str) -> Node | None:
        """The node at a dotted path, list indices included; None where there is none."""
        node: Node | None = self.tree
        for part in path.split("."):
            node = _inner(node, part)
        return node

    def span(self, path: str, *, key: bool = False) -> Span | None:
        """Where a value stands (or its key), or the nearest of its parents."""
        node = self.tree
        for part in path.split("."):
            inner = _inner(node, part)
            if inner is None:
                break
            node = inner
        return node.key if key and node.key else node.span

    def written(self, path: str) -> bool:
        """Whether the user wrote this key, in task.yaml or on the command line; a preset's word is none of theirs."""
        node = self.node(path)
        return node is not None and (node.key or node.span).file in (self.tree.span.file, COMMAND_LINE)

    @cached_property
    def schema(self) -> dict[str, Any]:
        """The contract as a JSON Schema."""
        return expand(self.task.output_format.schema_, self.task.output_format.type) or {}

    @cached_property
    def fields(self) -> tuple[str, ...]:
        """The labels of a label contract, the properties of any other."""
        named = self.schema.get("enum" if self.task.output_format.type == "label" else "properties")
        return tuple(map(str, named)) if isinstance(named, dict | list) else ()

    @cached_property
    def shape(self) -> str:
        """What a row says beside its input: answers, pairs, verdicts or texts."""
        return shape(self.task)

    @cached_property
    def _looked_into(self) -> tuple[tuple[int, Source, str, Peek], ...]:
        seen = (
            (index, source, file, self.workspace.peek(file, source.format))
            for index, source in enumerate(self.task.data.sources)
            for file in ([] if source.hub else self.workspace.glob(source.path))
        )
        return tuple((index, source, file, peek) for index, source, file, peek in seen if peek is not None)

    @cached_property
    def peeks(self) -> tuple[tuple[int, Source, str, Peek], ...]:
        """(index of the source, source, file, what its beginning shows), for every file that shows a row."""
        return tuple(one for one in self._looked_into if one[3].rows)

    @cached_property
    def seen_each(self) -> bool:
        """Whether every data file could be looked into: `columns` has all that every row needs, `rows` counts them."""
        return bool(self.peeks) and self._all_looked_into

    @cached_property
    def all_empty(self) -> bool:
        """Whether every data file could be looked into, and none holds a row."""
        return bool(self._looked_into) and not self.peeks and self._all_looked_into

    @cached_property
    def _all_looked_into(self) -> bool:
        if any(source.hub for source in self.task.data.sources):
            return False
        files = {file for source in self.task.data.sources for file in self.workspace.glob(source.path)}
        return files == {file for _, _, file, _ in self._looked_into}

    @cached_property
    def seen_whole(self) -> bool:
        """Whether a column that no data file shows is in none of their rows, later ones too."""
        return self.seen_each and all(peek.whole for _, _, _, peek in self.peeks)

    @cached_property
    def columns(self) -> frozenset[str]:
        """The columns of all files, by the names that `map` gives them."""
        return frozenset().union(*(mapped(peek.columns, source) for _, source, _, peek in self.peeks))

    @cached_property
    def rows(self) -> int:
        """How many rows there are, about; those with a role of their own aside."""
        return sum(peek.rows for _, source, _, peek in self.peeks if source.role in (None, "train"))


def mapped(columns: frozenset[str], source: Source) -> frozenset[str]:
    """Columns as the task knows them."""
    return (columns - set(source.map.values())) | {new for new, old in source.map.items() if old in columns}


def _inner(node: Node | None, part: str) -> Node | None:
    if node is None:
        return None
    if isinstance(node.value, list):
        return node.value[int(part)] if part.isdigit() and int(part) < len(node.value) else None
    return node.value.get(part) if isinstance(node.value, dict) else None
