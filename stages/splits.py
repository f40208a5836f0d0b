"""Accepted rows -> train, dev and test."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from stages.base import Key, Params, Read, Stage, Write, fail
from stages.contract import Contract
from stages.rows import Row, read_rows, row_id, write_json, write_rows

NAMES = ("train", "dev", "test")


@dataclass(frozen=True)
class Inputs:
    rows: Annotated[Path, Read("data.accepted")]


class SplitParams(Params):
    dev: Annotated[float, Key("splits.dev")]
    test: Annotated[float, Key("splits.test")]
    stratify: Annotated[bool, Key("splits.stratify")]
    seed: Annotated[int, Key("splits.seed")]
    contract: Contract


@dataclass(frozen=True)
class Outputs:
    train: Annotated[Path, Write("train.jsonl")]
    dev: Annotated[Path, Write("dev.jsonl")]
    test: Annotated[Path, Write("test.jsonl")]
    report: Annotated[Path, Write("report.json", "metrics")]


def run(inputs: Inputs, params: SplitParams, out: Outputs) -> None:
    """Put each row into one split: the official one where the data names it, otherwise by a seeded hash.

    Rows that name no right answer are trained on. Beside texts, rows with an answer are there to measure: they go to
    dev and test alone. A wrong answer to an input of dev or test is left out, so that no such input is trained on.

    The shares are of the rows that name no split; of the train rows where all rows name one, and dev or test is not
    among them. A row's place depends on its own text and the seed, so a new row moves few others. Rows with a label are
    drawn label by label. out.*: JSONL, sizes sum to the accepted rows. Raises T303 when a split is empty.
    """
    place = dict(_places(read_rows(inputs.rows), params))
    leaking = _leaking(inputs.rows, place)
    counts = {
        name: write_rows(getattr(out, name), (row for row in read_rows(inputs.rows) if place.get(row.id) == name))
        for name in NAMES
    }
    empty = [name for name, count in counts.items() if not count]
    if empty:
        notes = (f"rows: {counts}",)
        help = "bring more rows, raise splits.dev or splits.test, or name the split in a column `split`"
        raise fail("T303", f"no row is left for {' and '.join(empty)}", notes=notes, help=help)
    left_out = {"left_out": leaking} if leaking else {}
    write_json(
        out.report, {**counts, **left_out, "share_dev": params.dev, "share_test": params.test, "seed": params.seed}
    )


def _places(rows: Iterable[Row], params: SplitParams) -> Iterator[tuple[str, str]]:
    """(row id, split) for every row; only ids and labels are held in memory."""
    named: dict[str, str] = {}
    pools: dict[str | None, dict[str, list[str]]] = {None: defaultdict(list), "train": defaultdict(list)}
    texts = False
    for row in rows:
        texts |= row.text is not None
        if not row.answered:
            named[row.id] = "train"
        elif row.split in pools:
            pools[row.split][_stratum(row, params)].append(row.id)
        else:
            named[row.id] = str(row.split)
    yield from named.items()
    taken = set(named.values())
    shares = {"test": 0.0 if "test" in taken else params.test, "dev": 0.0 if "dev" in taken else params.dev}
    if texts:  # what has an answer is there to measure
        whole = sum(shares.values()) or 1.0
        yield from _draw(pools[None], {name: share / whole for name, share in shares.items()}, params.seed, "dev")
        return
    if pools[None]:
        yield from ((id, "train") for ids in pools["train"].values() for id in ids)
    yield from _draw(pools[None] or pools["train"], shares, params.seed, "train")


def _leaking(rows: Path, place: dict[str, str]) -> int:
    """Take wrong answers to inputs of dev and test out of `place`; gives how many."""
    wrong = {row.id: _asked(row) for row in read_rows(rows) if not row.answered and row.input}
    held = {_asked(row) for row in read_rows(rows) if place[row.id] != "train"} if wrong else set()
    leaking = [id for id, asked in wrong.items() if asked in held]
    for id in leaking:
        del place[id]
    return len(leaking)


def _asked(row: Row) -> str:
    return row_id(row.input, None)


def _draw(strata: dict[str, list[str]], shares: dict[str, float], seed: int, rest: str) -> Iterator[tuple[str, str]]:
    """Of each stratum's shuffled ids the first go to test, the next to dev, the others to `rest`."""
    left = {stratum: sorted(ids, key=lambda id: _order(id, seed)) for stratum, ids in strata.items()}
    sizes = {stratum: len(ids) for stratum, ids in strata.items()}
    for name, share in shares.items():
        room = {stratum: len(ids) for stratum, ids in left.items()}
        for stratum, count in _counts(sizes, room, share, f"{seed}:{name}").items():
            yield from ((id, name) for id in left[stratum][:count])
            left[stratum] = left[stratum][count:]
    yield from ((id, rest) for ids in left.values() for id in ids)


def _counts(sizes: dict[str, int], room: dict[str, int], share: float, seed: str) -> dict[str, int]:
    """How many rows each stratum gives, of those it still has, so that the sum is the rounded share of all rows.

    What rounding down leaves goes to the largest remainders (Hamilton's method), a hash breaking ties.
    """
    counts = {stratum: min(int(share * size), room[stratum]) for stratum, size in sizes.items()}
    by_remainder = sorted(sizes, key=lambda s: (counts[s] - share * sizes[s], _order(s, seed)))
    while (missing := round(share * sum(sizes.values())) - sum(counts.values())) > 0:
        for stratum in [s for s in by_remainder if counts[s] < room[s]][:missing]:
            counts[stratum] += 1
    return counts


def _order(id: str, seed: int | str) -> str:
    return hashlib.sha256(f"{seed}:{id}".encode()).hexdigest()


def _stratum(row: Row, params: SplitParams) -> str:
    return params.contract.write(row.output) if params.stratify and params.contract.type == "label" else ""


STAGE = Stage(
    name="splits",
    summary="Parts the rows into train, dev and test, seeded and stratified by label",
    run=run,
    inputs=Inputs,
    params=SplitParams,
    outputs=Outputs,
)
