"""Sources against the files: columns that are not there, columns that nobody reads, one file in two places."""

from __future__ import annotations

from collections.abc import Iterator

from compiler.checks._check import Found, Look, check, mapped
from compiler.checks.paths import unsafe
from compiler.resolve import did_you_mean
from compiler.sources import REPAIRED
from stages.row_shapes import CONTAINERS, DERIVED
from stages.shapes import ANSWER_COLUMNS, APART, HOLDOUT, SPLIT_COLUMN, VERDICT_COLUMNS, readable
from stages.templating import placeholders

_KEPT = (*APART, HOLDOUT)
# Columns that gates and reports read, whoever else does.
_TOLD = {"id", "tools", "call", "entities", "license", "licence", "language", "lang", "parent", *CONTAINERS, *DERIVED}
# The columns that rows of a shape have beside those of the input; answers have a column of their own, see T109.
_SHAPES = {"pairs": ("chosen", "rejected"), "verdicts": ("label",), "texts": ("text",)}


@check("T103")
def placeholder_has_a_column(look: Look) -> Iterator[Found]:
    """A placeholder of `input_template` that no column of the data fills.

    Every row would be rejected. Correct the name, or rename the column with `map` in data.sources.
    """
    if not look.seen_each or look.shape == "texts":
        return
    renamed = {old for _, source, _, peek in look.peeks for old in source.map.values() if old in peek.columns}
    for name in sorted(placeholders(look.task.input_template) - look.columns - renamed):
        known = ", ".join(sorted(look.columns))
        help = did_you_mean(name, sorted(look.columns)) or f"rename a column: `map: {{{name}: COLUMN}}` in data.sources"
        yield Found(f"no column fills `{{{name}}}`", "input_template", help, f"columns of the data: {known}")


@check("T960")
def every_file_has_the_columns(look: Look) -> Iterator[Found]:
    """A file without a column that `input_template` reads and another file has, or a `map` that takes it away.

    Every row of that file would be rejected. Rename another of its columns with `map`, or write the template by the
    new name.
    """
    if look.shape == "texts":
        return
    wanted = placeholders(look.task.input_template)
    for index, source, file, peek in look.peeks:
        taken = {old: new for new, old in source.map.items()}
        for name in sorted(wanted - mapped(peek.columns, source)):
            if name in taken and name in peek.columns:
                help = f"write `{{{taken[name]}}}` in input_template, or take another column"
                what = f"`map` renames `{name}`, which input_template reads, to `{taken[name]}`"
                yield Found(what, f"data.sources.{index}.map.{taken[name]}", help)
            elif name in look.columns and peek.whole:
                known = ", ".join(sorted(peek.columns))
                help = did_you_mean(name, sorted(peek.columns)) or f"rename a column: `map: {{{name}: COLUMN}}`"
                what = f"no column of {file} fills `{{{name}}}`: all its rows would be rejected"
                yield Found(what, f"data.sources.{index}.path", help, f"columns there: {known}")


@check("T961", "warning")
def map_hides_no_column(look: Look) -> Iterator[Found]:
    """A `map` that gives a column the name of another one of the same file, which nothing can read any more.

    Take another name, or rename that column too.
    """
    for index, source, file, peek in look.peeks:
        for new, old in source.map.items():
            if new != old and old in peek.columns and new in peek.columns - set(source.map.values()):
                help = f"take another name, or rename that column as well: `{new}_before: {new}`"
                what = f"the column `{new}` of {file} is hidden: `map` puts `{old}` in its place"
                yield Found(what, f"data.sources.{index}.map.{new}", help)


@check("T105", "warning")
def column_is_read(look: Look) -> Iterator[Found]:
    """A column of the data that nothing reads.

    It may be forgotten in `input_template`. Where it is meant to stay out, there is nothing to do.
    """
    splits, data = look.task.splits, look.task.data
    read = placeholders(look.task.input_template) | _answers(look) | {SPLIT_COLUMN, splits.group_by, splits.order_by}
    read |= {data.tags, data.licenses.column, *data.patterns, *(quota.by for quota in data.quotas), *_TOLD, *REPAIRED}
    unused = sorted(look.columns - read - set(_SHAPES.get(look.shape, ())))
    if unused and look.seen_each:
        names = ", ".join(f"`{name}`" for name in unused[:8])
        what = "the column" if len(unused) == 1 else "the columns"
        yield Found(f"nothing reads {what} {names}", "input_template", "name it here if it belongs to the input")


@check("T106")
def golden_is_kept_apart(look: Look) -> Iterator[Found]:
    """A golden or adversarial file that is also read as an ordinary source.

    Its rows would be trained on, and prove nothing. Keep the file outside the pattern of the other source.
    """
    for file, index, other in _twice(look):
        roles = {look.task.data.sources[i].role for i in (index, other)}
        if roles & set(_KEPT) and len(roles) == 2:
            role = next(role for role in _KEPT if role in roles)
            first = look.task.data.sources[other]
            note = f"`{first.path}` reads it as {first.role or 'ordinary rows'} as well"
            help = f"move it out of the way of that source, such as to data/{role}/"
            yield Found(f"the {role} file {file} is also a source", f"data.sources.{index}.path", help, note)


@check("T107")
def selection_never_reads_test(look: Look) -> Iterator[Found]:
    """One file that is dev and test, or train and test: a choice would be made by the rows that judge it.

    Selection reads dev alone, and the test split is looked at once. Give each role files of its own.
    """
    for file, index, other in _twice(look):
        roles = {look.task.data.sources[i].role for i in (index, other)}
        if len(roles) == 2 and not roles & set(_KEPT):
            named = " and ".join(sorted(role or "unassigned" for role in roles))
            help = "give each role files of its own"
            why = "selection would read the test split" if roles == {"dev", "test"} else "rows would be on both sides"
            yield Found(f"{file} is read as {named}: {why}", f"data.sources.{index}.path", help)


@check("T164", "warning")
def file_is_read_once(look: Look) -> Iterator[Found]:
    """A file that two sources read in the same way.

    Its rows are dropped as duplicates the second time. Remove one of the two.
    """
    for file, index, other in _twice(look):
        sources = look.task.data.sources
        if sources[index].role == sources[other].role:
            help = f"remove one of them: `{sources[other].path}` reads it already"
            yield Found(f"{file} is read twice", f"data.sources.{index}.path", help)


@check("T109")
def answer_has_a_column(look: Look) -> Iterator[Found]:
    """No column of the data holds the answer.

    It is the column that `data.output` names; otherwise `output`, `label` or `answer`; otherwise, of a JSON contract,
    the columns that are named like its fields. Name the column in `data.output`.
    """
    if not look.seen_each or look.shape != "answers" or _answers(look) & look.columns:
        return
    named = look.task.data.output
    what = f"the data has no column `{named}`" if named else "no column of the data holds the answer"
    known = ", ".join(sorted(look.columns))
    help = did_you_mean(named or "output", sorted(look.columns)) or "name the column that holds it: `data: {output: …}`"
    yield Found(what, "data.output" if named else "data.sources", help, f"columns of the data: {known}")


@check("T135")
def rows_suit_the_method(look: Look) -> Iterator[Found]:
    """The data lacks the columns that the training method learns from.

    dpo and orpo need `chosen` and `rejected`, kto an answer and a `label` that says true or false, cpt a `text`. Rename
    the columns with `map`, or choose another method.
    """
    needs = [name for name in _SHAPES.get(look.shape, ()) if name not in look.columns]
    needs += ["completion"] if look.shape == "verdicts" and not _answers(look) else []
    if look.seen_each and needs and look.shape in _SHAPES:
        note = f"columns of the data: {', '.join(sorted(look.columns))}"
        method, missing = look.task.training.method, " and ".join(f"`{name}`" for name in needs)
        help = f"rename a column: `map: {{{needs[0]}: COLUMN}}` in data.sources, or choose another method"
        yield Found(
            f"`{method}` learns from {missing}, which the data lacks",
            "training.method",
            help,
            note,
        )


@check("T111")
def map_renames_a_column(look: Look) -> Iterator[Found]:
    """A `map` that renames a column which its files do not have.

    It is {new name: column in the file}. Correct the column's name.
    """
    for index, source in enumerate(look.task.data.sources):
        peeks = [peek for i, _, _, peek in look.peeks if i == index]
        columns = frozenset().union(*(peek.columns for peek in peeks))
        for new, old in source.map.items():
            if peeks and old not in columns:
                help = did_you_mean(old, sorted(columns)) or "write `new name: column of the file`"
                note = f"columns there: {', '.join(sorted(columns))}"
                yield Found(f"`{source.path}` has no column `{old}`", f"data.sources.{index}.map.{new}", help, note)


@check("T112")
def format_can_be_told(look: Look) -> Iterator[Found]:
    """A data file whose ending names no format that tunec reads.

    Write the source's `format:`, or save the file as .jsonl, .csv or .parquet.
    """
    for index, source in enumerate(look.task.data.sources):
        files = [] if unsafe(source.path, look.workspace) else look.workspace.glob(source.path)
        if source.format == "auto" and files and not any(readable(file) for file in files):
            help = "write its `format:` beside the path, such as jsonl, csv or text"
            yield Found(f"`{files[0]}`: no format has this ending", f"data.sources.{index}.path", help)


@check("T170")
def template_hides_the_answer(look: Look) -> Iterator[Found]:
    """An input template that shows the model the answer.

    The model would learn to copy. Take the placeholder out.
    """
    if look.shape != "answers":
        return
    for answer in sorted(_answers(look) & look.columns & placeholders(look.task.input_template)):
        help = "take it out: the model would learn to copy"
        yield Found(f"`{{{answer}}}` is the answer itself", "input_template", help)


def _answers(look: Look) -> set[str]:
    """The columns that the answer may be read from, in one file or another."""
    return set().union(*(answer_columns(look, mapped(peek.columns, source)) for _, source, _, peek in look.peeks))


def answer_columns(look: Look, columns: frozenset[str]) -> set[str]:
    """The columns that the answer may be read from in a file that has these, by the names that the task knows."""
    if look.task.data.output:
        return {look.task.data.output}
    if look.shape == "verdicts":
        return {name for name in VERDICT_COLUMNS if name in columns}
    own = look.fields if look.task.output_format.type == "json" else ()
    named = [name for name in ANSWER_COLUMNS if name in columns and name not in own][:1]
    return set(named) or set(own)


def _twice(look: Look) -> Iterator[tuple[str, int, int]]:
    """(file, later source, earlier source) for every file that two sources read."""
    first: dict[str, int] = {}
    for index, source in enumerate(look.task.data.sources):
        for file in look.workspace.glob(source.path):
            if file in first:
                yield file, index, first[file]
            first.setdefault(file, index)
