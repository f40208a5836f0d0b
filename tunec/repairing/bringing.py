"""Rows of a round: from the sheet or from the teacher, through the gates, into a source of their own."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from compiler import Compiled, compile_task
from compiler.parse import ParseError
from compiler.sources import REPAIRED
from stages.asking import wishes
from stages.augmenting import AugmentParams, Inputs, Work
from stages.base import READ
from stages.data import DataParams
from stages.diagnostics import UserError, fail
from stages.judging_rows import Judge
from stages.making import Source
from stages.readers import read
from stages.reading.record import Record
from stages.rows import write_jsonl
from stages.templating import placeholders
from tunec import rewriting
from tunec.compiling import write_if_changed
from tunec.diagnosing.build import Build
from tunec.repairing import near, sheet
from tunec.repairing.rounds import Round
from tunec.workspace import TASK, Disk, read_task

CLUSTER, PARENT = REPAIRED
_BEGUN_FROM = 40  # train rows near a cluster, that a teacher is shown one by one


@dataclass(frozen=True)
class Brought:
    """counts: cluster -> rows that were taken. refused: (where, gate, reason) of the others."""

    counts: Mapping[int, int]
    refused: list[tuple[str, str, str]]


def data_params(build: Build) -> DataParams:
    return DataParams(**{name: of for name, of in build.compiled.plan["data"].params.items() if name != READ})


def fields(build: Build) -> tuple[str, ...]:
    return tuple(sorted(placeholders(data_params(build).making.input_template)))


def answer_column(build: Build) -> str:
    return data_params(build).making.output or "output"


# ---------------------------------------------------------------- by people


def write_sheet(build: Build, of: Round, pool: Path | None) -> int:
    """A line for every row that is wanted; of a pool of unlabelled rows, those nearest to each cluster stand there."""
    names, found = fields(build), _pool(build, pool) if pool else []
    columns, lines = sheet.columns(names, build.contract), []
    for target in of.targets:
        like = near.parents(target.rows, build, target.count)
        near_by = near.nearest(target.rows, build, [" ".join(map(str, one.values())) for one in found], target.count)
        for place in range(len(near_by) if found else target.count):
            guide = {"cluster": str(target.number), "about": target.about, "advice": target.advice}
            guide["like"] = near.shown(like[place % len(like)]) if like else ""
            given = [sheet.spelled(found[near_by[place]][name]) for name in names] if found else []
            lines.append(guide | dict(zip(columns.given, given, strict=False)))
    sheet.write(build.root / of.file("csv"), columns, lines)
    return len(lines)


def _pool(build: Build, file: Path) -> list[dict[str, Any]]:
    """The inputs of unlabelled rows. Raises T302 for a file that cannot be read, T872 where none has the fields."""
    if not file.is_file():
        raise fail("T872", f"{file} is not there", help="name a file of rows that have no answer yet")
    names = fields(build)
    records = (one.fields for one in read(file, "auto") if one.fields)
    found = [{name: one[name] for name in names} for one in records if all(one.get(name) for name in names)]
    if not found:
        raise fail("T872", f"no row of {file} has the fields {', '.join(names)}", help="rename its columns")
    return found


def sheet_lines(build: Build, of: Round) -> list[sheet.Filled]:
    """The lines of the sheet that say something. Raises T867 for a broken sheet."""
    columns = sheet.columns(fields(build), build.contract)
    clusters = [target.number for target in of.targets]
    return list(sheet.read(build.root / of.file("csv"), columns, build.contract, clusters))


def from_sheet(build: Build, of: Round) -> Brought:
    """The lines that are filled in, held against the gates; those that pass become the round's source.

    Raises T866 where nothing is filled in, T867 for a broken sheet, T870 where no line passes.
    """
    said = sheet_lines(build, of)
    filled = [one for one in said if not one.lacks]
    refused = [(f"{of.file('csv')}:{one.line}", "sheet", one.lacks) for one in said if one.lacks]
    if not filled:
        help = "write an input and its answer into the empty cells of a line, then say `tunec repair` again"
        notes = tuple(f"{at}: {why}" for at, _, why in refused[:3])
        raise fail("T866", f"no line of {of.file('csv')} is filled in", notes=notes, help=help)
    column, params = answer_column(build), data_params(build)
    given = [{**one.input, column: one.output} for one in filled]
    source = Source(path="", format="jsonl", map={}, tags=(of.tag,), role="train", files=(), shape="columns")
    judge = Judge([source], params.making, params.settings)
    batch = judge.batch([(0, 0, Record(one.line, row)) for one, row in zip(filled, given, strict=True)])
    kept, taken = [], []
    for one, row, outcome in zip(filled, given, batch.outcomes, strict=True):
        if outcome.rejected:
            refused.append((f"{of.file('csv')}:{one.line}", *outcome.rejected))
        else:
            kept.append({**row, CLUSTER: one.cluster})
            taken.append(one)
    brought = _brought(build, of, kept, refused)
    replace(of, sheet=sheet.digest(said), taken=sheet.digests(taken)).write(build.root)
    return brought


# ---------------------------------------------------------------- by the teacher


def from_teacher(build: Build, of: Round) -> Brought:
    """Each cluster's rows asked of the teacher of the section `generate`, which is shown train rows near the cluster,
    never a dev row; held against the gates, the judge and the splits, as rows of the stage `augment` are.

    Raises as that stage does, and T870 where no row passes.
    """
    given = {name: of for name, of in build.compiled.plan["augment"].params.items() if name != READ}
    paths = {name: build.root / str(path) for name, path in build.compiled.plan["augment"].inputs.items()}
    inputs = Inputs(**paths)
    kept: list[dict[str, Any]] = []
    refused: list[tuple[str, str, str]] = []
    for target in of.targets:
        wanted = {"tag": of.tag, "count": target.count, "difficulty": "hard", "edge_case": _edge(target)}
        own = AugmentParams(**{**given, "wanted": [wanted]})
        with TemporaryDirectory() as scratch, closing(_work(inputs, own, Path(scratch))) as work:
            work.wishes = list(wishes(near.parents(target.rows, build, _BEGUN_FROM), own.wanted, own.seed))
            made = work.ask()
            rows = work.sift(made)
        kept += [
            {**row.input, answer_column(build): row.output, CLUSTER: target.number, PARENT: row.parent} for row in rows
        ]
        refused += [(f"cluster {target.number}", one.gate, one.reason) for one in made if one.gate]
    return _brought(build, of, kept, refused)


def _work(inputs: Inputs, params: AugmentParams, scratch: Path) -> Work:
    """Rows that wait for an answer are the stage's own matter, and not asked for here."""
    (scratch / "none.jsonl").touch()
    return Work(replace(inputs, unanswered=scratch / "none.jsonl"), params, scratch / "held.jsonl")


def _edge(target: Any) -> str:
    return f"a model gets rows of this kind wrong: {target.about}. {target.advice}"[:2000]


# ---------------------------------------------------------------- into a source


def _brought(
    build: Build, of: Round, kept: Sequence[Mapping[str, Any]], refused: list[tuple[str, str, str]]
) -> Brought:
    if not kept:
        common = Counter((gate, why) for _, gate, why in refused).most_common(3)
        notes = tuple(f"{many} by {gate}: {why}" for (gate, why), many in common)
        message = "the only row is" if len(refused) == 1 else f"all {len(refused)} rows are"
        raise fail("T870", f"{message} turned away by the gates", notes=notes, help="mend the rows")
    (build.root / of.file("jsonl")).parent.mkdir(parents=True, exist_ok=True)
    write_jsonl(build.root / of.file("jsonl"), kept)
    _source(build, of)
    return Brought(Counter(int(one[CLUSTER]) for one in kept), refused)


def _source(build: Build, of: Round) -> None:
    """The round's file as one more source of task.yaml, for training alone."""
    text, path = read_task(build.root / TASK), of.file("jsonl")
    if any(Path(one.path) == path for one in _compiled(text, build.root).task.data.sources):
        return
    item = {"path": path.as_posix(), "role": "train", "tags": [of.tag]}
    if rewriting.has(text, "data.sources"):
        text = rewriting.with_item(text, "data.sources", item)
    else:
        before = [{"path": one.path} for one in data_params(build).sources]
        text = rewriting.with_values(text, {"data.sources": [*before, item]})
    _compiled(text, build.root)
    write_if_changed(build.root / TASK, text)


def _compiled(text: str, root: Path) -> Compiled:
    try:
        return compile_task(text, Disk(root))
    except ParseError as error:
        raise UserError(*error.diagnostics) from None
