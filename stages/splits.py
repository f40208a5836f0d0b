"""Accepted rows -> train, dev and test."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from stages.base import Key, Params, Read, Stage, Write, fail
from stages.rows import Row, read_rows, row_id, write_json, write_rows
from stages.shapes import APART

NAMES = ("train", "dev", "test", *APART)


@dataclass(frozen=True)
class Inputs:
    rows: Annotated[Path, Read("data.accepted")]


class SplitParams(Params):
    dev: Annotated[float, Key("splits.ratios.dev")]
    test: Annotated[float, Key("splits.ratios.test")]
    stratify: Annotated[bool, Key("splits.stratify")]
    group_by: Annotated[str | None, Key("splits.group_by")]
    seed: Annotated[int, Key("splits.seed")]
    form: Annotated[str, Key("output_format.type")]
    label: Annotated[str | None, Key("output_format.label")]


@dataclass(frozen=True)
class Outputs:
    train: Annotated[Path, Write("train.jsonl")]
    dev: Annotated[Path, Write("dev.jsonl")]
    test: Annotated[Path, Write("test.jsonl")]
    golden: Annotated[Path, Write("golden.jsonl")]
    adversarial: Annotated[Path, Write("adversarial.jsonl")]
    report: Annotated[Path, Write("report.json", "metrics")]


def run(inputs: Inputs, params: SplitParams, out: Outputs) -> None:
    """Put each row into one split: the official one where the data names it, otherwise by a seeded hash.

    Rows that name no right answer are trained on. Beside texts, rows with an answer are there to measure: they go to
    dev and test alone. A wrong answer to an input of dev or test is left out, so that no such input is trained on.

    The shares are of the rows that name no split; of the train rows where all rows name one, and dev or test is not
    among them. A row's place depends on its own text and the seed, so a new row moves few others. Rows with a label are
    drawn label by label, rows with a group by group. out.*: JSONL, sizes sum to the accepted rows; golden and
    adversarial hold what the data names so, and may be empty. Raises T303 when train, dev or test is.
    """
    places = _by_group if params.group_by else _places
    place = dict(places(read_rows(inputs.rows), params))
    leaking = _leaking(inputs.rows, place)
    counts = {
        name: write_rows(getattr(out, name), (row for row in read_rows(inputs.rows) if place.get(row.id) == name))
        for name in NAMES
    }
    empty = [name for name, count in counts.items() if not count and name not in APART]
    if empty:
        notes = (f"rows: {counts}",)
        help = "bring more rows, raise the share in splits.ratios, or name the split in a column `split`"
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
    shares = _open_shares(set(named.values()), params)
    if texts:  # what has an answer is there to measure
        whole = sum(shares.values()) or 1.0
        yield from _draw(pools[None], {name: share / whole for name, share in shares.items()}, params.seed, "dev")
        return
    if pools[None]:
        yield from ((id, "train") for ids in pools["train"].values() for id in ids)
    yield from _draw(pools[None] or pools["train"], shares, params.seed, "train")


def _by_group(rows: Iterable[Row], params: SplitParams) -> Iterator[tuple[str, str]]:
    """(row id, split) for every row, a group at a time. A group goes where the furthest from training of its rows is
    named to go; rows without a group are groups of one.
    """
    groups: dict[str, list[tuple[str, str | None]]] = defaultdict(list)
    for row in rows:
        groups[row.group if row.group is not None else f"row {row.id}"].append((row.id, row.split))
    claimed = {name: split for name, group in groups.items() if (split := _furthest(group))}
    yield from ((id, split) for name, split in claimed.items() for id, _ in groups[name])
    free = {name: group for name, group in groups.items() if name not in claimed}
    open_ = {name: group for name, group in free.items() if any(split is None for _, split in group)} or free
    yield from ((id, "train") for name, group in free.items() if name not in open_ for id, _ in group)
    sizes = {name: len(group) for name, group in open_.items()}
    drawn = _draw_groups(sizes, _open_shares(set(claimed.values()), params), params.seed)
    yield from ((id, split) for name, split in drawn for id, _ in open_[name])


def _furthest(group: list[tuple[str, str | None]]) -> str | None:
    """The split that claims a group, of those that its rows are named to be in; train claims none."""
    return next((name for name in (*APART, "test", "dev") if any(split == name for _, split in group)), None)


def _draw_groups(sizes: dict[str, int], shares: dict[str, float], seed: int) -> Iterator[tuple[str, str]]:
    """Shuffled groups, each to the first split that it brings nearer to its share."""
    wanted = {name: share * sum(sizes.values()) for name, share in shares.items()}
    got = dict.fromkeys(shares, 0)
    for group in sorted(sizes, key=lambda name: _order(name, seed)):
        short = (name for name in shares if got[name] + sizes[group] / 2 <= wanted[name])
        split = next(short, "train")
        if split in got:
            got[split] += sizes[group]
        yield group, split


def _open_shares(taken: set[str], params: SplitParams) -> dict[str, float]:
    """The shares that are still to be drawn: a split that the data names takes none."""
    return {"test": 0.0 if "test" in taken else params.test, "dev": 0.0 if "dev" in taken else params.dev}


def _leaking(rows: Path, place: dict[str, str]) -> int:
    """Take wrong answers to inputs of dev and test out of `place`, and what a group would put there; gives how many."""
    wrong = {row.id: _asked(row) for row in read_rows(rows) if not row.answered}
    asked = (_asked(row) for row in read_rows(rows) if row.answered and place[row.id] != "train")
    held = set(asked) if wrong else set()
    leaking = [id for id, question in wrong.items() if place[id] != "train" or question in held]
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
    if params.label is not None:
        return str(row.output.get(params.label)) if params.stratify else ""
    return str(row.output) if params.stratify and params.form == "label" else ""


STAGE = Stage(
    name="splits",
    summary="Parts the rows into train, dev and test, seeded and stratified by label",
    run=run,
    inputs=Inputs,
    params=SplitParams,
    outputs=Outputs,
)
