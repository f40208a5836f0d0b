"""The rows of a person in the files of a task, general rows among them, and all that were made from those."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from compiler.plan import Plan
from stages import decisions, mix
from stages.corpus import PARENT
from stages.data import DataParams
from stages.judging_rows import Judge
from stages.likeness import said
from stages.making import Making, Rejected, Source, named, to_row
from stages.readers import read
from stages.templating import placeholders
from tunec.forgotten import Forgotten

_ID = "id"


@dataclass(frozen=True)
class Rows:
    """Sources whose records become rows in one way."""

    sources: Sequence[Source]
    making: Making
    look: Judge

    @cached_property
    def _wanted(self) -> tuple[str, ...]:
        return tuple(sorted(placeholders(self.making.input_template)))

    def records(self, root: Path) -> Iterator[tuple[str, int, dict[str, Any], dict[str, Any], Source]]:
        """(file, line, columns as they stand there, columns as the task names them, source)."""
        for source in self.sources:
            for file in source.files:
                for record in read(root / file, source.format, source.encoding):
                    if record.fields is not None:
                        yield file, record.line, record.fields, _named(record.fields, source), source

    def unreadable(self, root: Path, value: str) -> Iterator[str]:
        """file:line of records that cannot be read, and yet hold the value somewhere."""
        for source in self.sources:
            for file in source.files:
                broken = {r.line for r in read(root / file, source.format, source.encoding) if r.fields is None}
                if broken:
                    with (root / file).open("rb") as lines:
                        held = (n for n, line in enumerate(lines, 1) if n in broken and value.encode() in line)
                        yield from (f"{file}:{n}" for n in held)

    def ids(self, columns: dict[str, Any], source: Source) -> list[str]:
        """A row's id, and those that it has once personal data are taken out of it and a person has corrected it."""
        try:
            row = to_row(columns, source, self.making, self._wanted)
        except Rejected:
            return []
        return self.look.ids(row)


def rows(plan: Plan, decided: Path | None) -> list[Rows]:
    """The task's own rows, then the general ones, where it has some. decided: what persons decided of its own."""
    params = DataParams(**plan["data"].params)
    said_of = decisions.read_decisions(decided) if decided else {}
    own = Rows(params.sources, params.making, Judge((), params.making, params.settings, said_of))
    general = (one for one in plan.instances if one.stage is mix.STAGE and one.inputs.get("general"))
    return [own, *(_general(one.inputs["general"], mix.MixParams(**one.params)) for one in general)]


def _general(files: Any, params: mix.MixParams) -> Rows:
    return Rows([mix.source(map(Path, files))], mix.MAKING, Judge((), mix.MAKING, params.settings))


def find(root: Path, groups: Sequence[Rows], name: str, value: str, found: Forgotten) -> None:
    """Add the rows that have the value, then those that were made from them, and so on."""
    gone: set[str] = set()
    while True:
        before = found.rows
        for group in groups:
            for file, line, raw, columns, source in group.records(root):
                if value in _either(raw, columns, name) or not gone.isdisjoint(_either(raw, columns, PARENT)):
                    found.lines.setdefault(file, set()).add(line)
                    ids = group.ids(columns, source)
                    gone |= {one for one in (*ids, *_either(raw, columns, _ID)) if one}
                    found.ids |= set(ids)
        if found.rows == before:
            return


def columns(root: Path, groups: Sequence[Rows]) -> set[str]:
    """The columns of all rows, under the names of their files and of the task."""
    every = (one for group in groups for one in group.records(root))
    return {name for _, _, raw, named, _ in every for name in (*raw, *named)}


def staying(root: Path, group: Rows, found: Forgotten) -> set[str]:
    """The ids of all rows that are not taken out."""
    every = group.records(root)
    stay = (one for one in every if one[1] not in found.lines.get(one[0], ()))
    return {id for _, _, _, columns, source in stay for id in group.ids(columns, source)} - found.ids


def _named(fields: dict[str, Any], source: Source) -> dict[str, Any]:
    try:
        return named(fields, source)
    except Rejected:
        return fields


def _either(raw: dict[str, Any], columns: dict[str, Any], name: str) -> set[str]:
    """What a column holds, be it the file's own or one that `map` makes."""
    return {said(raw.get(name)), said(columns.get(name))}
