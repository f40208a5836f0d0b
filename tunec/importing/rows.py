"""Datasets of another project -> data.sources: the columns under one name each, and a template that reads them."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from tunec.importing.draft import Draft
from tunec.importing.place import Found
from tunec.importing.targets import COLUMNS, FORMAT, INPUT_TEMPLATE, MAP, ROLE, SOURCES

INPUTS = ("context", "prompt", "query")  # in the order in which the other projects put them before the model
CHAT = (
    "a conversation holds its answer among the messages, and tunec reads it from a column of its own: "
    "write one row an answer, the columns of input_template and `output`"
)
DOWNLOAD = "it belongs to the download, not to the task"
NOT_HERE = "its rows are not in the workspace yet, in a form that tunec reads: see what there is to bring"
ONE_SYSTEM_PROMPT = "a task has one system prompt: write it as system_prompt, or let input_template read the column"
_COLUMN = re.compile(r"[A-Za-z]\w*", re.ASCII)


@dataclass(frozen=True)
class Shape:
    """What a row looks like. columns: part -> its column; parts are INPUTS and those of targets.COLUMNS.

    None are known of conversations. template: an input template over the parts. unsure: what a person has to do.
    """

    columns: Mapping[str, str] = field(default_factory=dict)
    template: str | None = None
    unsure: str | None = None


@dataclass(frozen=True)
class Rows:
    """One dataset: where its rows are, what they look like, and which split they belong to."""

    found: Found
    shape: Shape
    role: str | None = None


def write_rows(draft: Draft, datasets: Sequence[Rows]) -> None:
    """Fill in data.sources and input_template from datasets, the first of which gives the columns their names."""
    names = _names(datasets)
    sources: list[dict[str, Any]] = []
    for rows in datasets:
        source = _source(rows, names)
        if source not in sources:
            sources.append(source)
        _note(draft, rows.found)
    if sources:
        draft.put(SOURCES, sources)
    template, why = _template(datasets, names)
    draft.guess(INPUT_TEMPLATE, template, why)


def _note(draft: Draft, found: Found) -> None:
    """What to bring; two different things to be brought to one place are told."""
    if not found.todo or found.todo in draft.data_notes:
        return
    if any(found.path in note for note in draft.data_notes):
        draft.data_notes.append(
            f"two datasets come to {found.path}: give one of them another name, here and in the task"
        )
    draft.data_notes.append(found.todo)


def _names(datasets: Sequence[Rows]) -> dict[str, str]:
    """Part -> the name that it has in the task: that of the first dataset's column, where it can be a placeholder."""
    names = dict(COLUMNS)
    for part in INPUTS:
        column = next((rows.shape.columns[part] for rows in datasets if part in rows.shape.columns), None)
        if column is not None:
            plain = _COLUMN.fullmatch(column) and column not in names.values()
            names[part] = column if plain else part
    return names


def _source(rows: Rows, names: Mapping[str, str]) -> dict[str, Any]:
    columns = rows.shape.columns
    renamed = {names[part]: column for part, column in columns.items() if names.get(part, column) != column}
    source: dict[str, Any] = {"path": rows.found.path}
    if rows.found.format:
        source[FORMAT] = rows.found.format
    if renamed:
        source[MAP] = renamed
    if rows.role:
        source[ROLE] = rows.role
    return source


def _template(datasets: Sequence[Rows], names: Mapping[str, str]) -> tuple[str, str]:
    """The input template, and why a person should look at it."""
    shapes = [rows.shape for rows in datasets]
    unsure = next((shape.unsure for shape in shapes if shape.unsure), None)
    own = next((shape.template for shape in shapes if shape.template), None)
    if own is not None:
        return re.sub(r"\{(\w+)\}", lambda found: "{" + names.get(found[1], found[1]) + "}", own), "the format there"
    inputs = [names[part] for part in INPUTS if part in names]
    if not inputs:
        return "{input}", unsure or "the column that goes in, once the rows are rewritten"
    if any("query" in shape.columns and "context" not in shape.columns for shape in shapes):
        first, second = names["prompt"], names["query"]
        both = f"{{{{ {first} }}}}{{% if {second} %}}\n{{{{ {second} }}}}{{% endif %}}"
        return both, unsure or "the columns that go in"
    return "\n".join(f"{{{name}}}" for name in inputs), unsure or "the columns that go in"
