"""What is trained on where that is more than the train split: rows by the weight of their source, and general rows."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any

from stages.base import File, Key, Params, Read, Stage, Write
from stages.contract import Contract
from stages.counting import counted
from stages.diagnostics import Diagnostic
from stages.judging_rows import BATCH, Batch, Given, Judge
from stages.latecomers import Latecomers
from stages.making import Making, Source
from stages.progress import tell, warn
from stages.readers import read
from stages.rows import Row, as_dict, dumps, read_rows, write_json
from stages.seen import Settings
from stages.shapes import GENERAL, SPLIT_COLUMN

_TEXT = Contract(type="text", schema_=None)
MAKING = Making(output=None, group_by=None, input_template=GENERAL, contract=_TEXT)


@dataclass(frozen=True)
class Inputs:
    train: Annotated[Path, Read("augment.train"), Read("splits.train")]
    dev: Annotated[Path, Read("splits.dev")]
    test: Annotated[Path, Read("splits.test")]
    golden: Annotated[Path, Read("splits.golden")]
    adversarial: Annotated[Path, Read("splits.adversarial")]
    holdout: Annotated[Path, Read("splits.holdout")]
    general: Annotated[tuple[Path, ...], File("data.general_mix.files")] = ()
    embedder: Annotated[Path | None, File("data.dedupe.embedder")] = None


class MixParams(Params):
    share: Annotated[float | None, Key("data.general_mix.share")]
    contained: Annotated[float, Key("splits.leakage.contained")]
    seed: Annotated[int, Key("splits.seed")]
    settings: Settings


@dataclass(frozen=True)
class Outputs:
    train: Annotated[Path, Write("train.jsonl")]
    rejected: Annotated[Path, Write("rejected.jsonl")]
    report: Annotated[Path, Write("report.json", "metrics")]


def run(inputs: Inputs, params: MixParams, out: Outputs) -> None:
    """Write what is trained on: every train row as often as its weight says, then so many general rows that they are
    `params.share` of all.

    out.train: JSONL. Of a weight of 1.5, every row is there once and half of them twice; which, a hash of the row and
    the seed says, as it says which general rows are taken. out.rejected: JSONL of {file, line, gate, reason}, of
    general rows. out.report: counts. General rows read = taken + left + rejected.
    """
    with out.train.open("w", encoding="utf-8", newline="\n") as train:
        rows = 0
        for row in weighted(read_rows(inputs.train), params.seed):
            train.write(dumps(as_dict(row)) + "\n")
            rows += 1
        wanted = round(rows * params.share / (1 - params.share)) if params.share else 0
        general, counts = _general(inputs, params, out)
        taken = sorted(sorted(general, key=lambda row: drawn(row.id, params.seed))[:wanted], key=lambda row: row.id)
        train.writelines(dumps(as_dict(row)) + "\n" for row in taken)
    _warn(len(taken), wanted, inputs)
    told = {"task_rows": rows, "general_rows": len(taken), "general_left": len(general) - len(taken), **counts}
    write_json(out.report, told | {"general_share": round(len(taken) / max(1, rows + len(taken)), 6)})


def weighted(rows: Iterable[Row], seed: int) -> Iterator[Row]:
    """Each row as often as its weight says."""
    for row in rows:
        times = row.weight or 1
        whole = int(times)
        yield from [row] * (whole + (drawn(row.id, seed) < times - whole))


def drawn(id: str, seed: int) -> float:
    """A number in [0, 1) that follows from a row and the seed alone."""
    return int.from_bytes(hashlib.sha256(f"{seed}:mix:{id}".encode()).digest()[:6], "big") / 2**48


def _general(inputs: Inputs, params: MixParams, out: Outputs) -> tuple[list[Row], dict[str, Any]]:
    """The general rows that may be trained on, and how many there were."""
    rejected: list[dict[str, Any]] = []
    told: Counter[str] = Counter()
    rows: list[Row] = []
    if inputs.general:
        settings = _without_columns(params.settings)
        look = Judge([source(inputs.general)], MAKING, settings)
        with closing(Latecomers(out.train.with_name("held.jsonl"), look, _TEXT, _splits(inputs))) as late:
            places = list(_read(inputs.general, look, late, rejected, told))
            dropped = {one.number: one for one in late.sift(settings, params.contained)}
            for number, (file, line) in enumerate(places):
                if number in dropped:
                    why = dropped[number]
                    rejected.append({"file": file, "line": line, "gate": why.gate, "reason": why.reason})
                else:
                    rows.append(replace(late.row(number), general=True, split=None))
    out.rejected.write_text("".join(dumps(one) + "\n" for one in rejected), encoding="utf-8")
    gates = dict(sorted(Counter(str(one["gate"]) for one in rejected).items()))
    return rows, {"general_read": told["read"], "general_rejected": gates}


def _read(
    files: Iterable[Path], look: Judge, late: Latecomers, rejected: list[dict[str, Any]], told: Counter[str]
) -> Iterator[tuple[str, int]]:
    """(file, line) of every row that its own gates let through, as it comes."""
    for batch, file in _batches(files, look):
        late.come(batch)
        told["read"] += len(batch.outcomes)
        for one in batch.outcomes:
            if one.row is not None:
                yield str(file), one.line
                continue
            gate, reason = one.rejected or ("", "")
            rejected.append({"file": str(file), "line": one.line, "gate": gate, "reason": reason})
        tell(told["read"], None, "general rows read")


def _batches(files: Iterable[Path], look: Judge) -> Iterator[tuple[Batch, Path]]:
    for file in files:
        given: list[Given] = []
        for record in read(file, "auto", "auto"):
            fields = {name: value for name, value in (record.fields or {}).items() if name != SPLIT_COLUMN}
            given.append((0, 0, replace(record, fields=fields if record.fields is not None else None)))
            if len(given) == BATCH:
                yield look.batch(given), file
                given = []
        if given:
            yield look.batch(given), file


def _splits(inputs: Inputs) -> dict[str, Path]:
    return {name: getattr(inputs, name) for name in ("train", "dev", "test", "golden", "adversarial", "holdout")}


def source(files: Iterable[Path]) -> Source:
    names = tuple(map(str, files))
    return Source(path=names[0], format="auto", map={}, tags=(), role=None, files=names)


def _without_columns(settings: Settings) -> Settings:
    """The gates that ask for columns or kinds of the task's own rows say nothing of others."""
    return settings.model_copy(update={"patterns": {}, "quotas": (), "license_column": None})


def _warn(taken: int, wanted: int, inputs: Inputs) -> None:
    if taken < wanted:
        message = f"{counted(wanted, 'general row', 'is', 'are')} wanted, and there are {taken:,}"
        help = "bring more of them, or lower `data.general_mix.share`; build/mix/rejected.jsonl says what was left out"
        warn(Diagnostic("T743", message, None, (str(inputs.general[0]),) if inputs.general else (), help, "warning"))


STAGE = Stage(
    name="mix",
    summary="What is trained on: train rows by the weight of their source, and general rows",
    run=run,
    inputs=Inputs,
    params=MixParams,
    outputs=Outputs,
    needs="data.mixed",
    libraries=(
        "jsonschema",
        "numpy",
        "opencc",
        "model2vec",
        "phonenumbers",
        "pyarrow",
        "python-stdnum",
        "scikit-learn",
    ),
)
