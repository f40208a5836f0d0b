"""Accepted rows -> train, dev and test."""

from __future__ import annotations

import hashlib
import itertools
import json
from collections import Counter, defaultdict, deque
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated

from stages.base import Key, Params, Read, Stage, Write
from stages.counting import counted
from stages.diagnostics import Diagnostic, fail
from stages.leaking import leaks, together
from stages.progress import warn
from stages.rows import Row, read_rows, row_id, write_json, write_jsonl
from stages.shapes import APART, HOLDOUT
from stages.sketches import Joined

NAMES = ("train", "dev", "test", *APART, HOLDOUT)


@dataclass(frozen=True)
class Inputs:
    rows: Annotated[Path, Read("data.accepted")]
    near: Annotated[Path, Read("data.near")]


class SplitParams(Params):
    dev: Annotated[float, Key("splits.ratios.dev")]
    test: Annotated[float, Key("splits.ratios.test")]
    stratify: Annotated[bool, Key("splits.stratify")]
    group_by: Annotated[str | None, Key("splits.group_by")]
    order_by: Annotated[str | None, Key("splits.order_by")] = None
    leakage: Annotated[str, Key("splits.leakage.action")] = "reject"
    contained: Annotated[float, Key("splits.leakage.contained")] = 0.8
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
    holdout: Annotated[Path, Write("holdout.jsonl")]
    leaks: Annotated[Path, Write("leaks.jsonl")]
    report: Annotated[Path, Write("report.json", "metrics")]


def run(inputs: Inputs, params: SplitParams, out: Outputs) -> None:
    """Put each row into one split: the official one where the data names it, otherwise by a seeded hash.

    Rows that name no right answer are trained on. Beside texts, rows with an answer are there to measure: they go to
    dev and test alone. A wrong answer to an input of dev or test is left out, so that no such input is trained on.

    The shares are of the rows that name no split; of the train rows where all rows name one, and dev or test is not
    among them. A row's place depends on its own text and the seed, so a new row moves few others. Rows with a label are
    drawn label by label, rows with a group by group, rows with a time the latest first. Rows that are alike, or were
    made from one another, are drawn as one. A train row that says what a row of another split says is taken out, and
    listed in out.leaks: JSONL of {id, of, split, how}. Rows that go with their group where another of its rows is named
    to go are counted in out.report as `with_group`. out.*: JSONL; golden, adversarial and holdout hold what the data
    names so, and may be empty.
    Raises T303 when train, dev or test is.
    """
    related = together(inputs.near)
    alike = _sets(ids for sets in related.values() for ids in sets)
    places = _by_group if params.group_by else _by_time if params.order_by else _places
    place = dict(places(read_rows(inputs.rows), params, alike))
    leaking = _leaking(inputs.rows, place)
    found = list(leaks(inputs.rows, place, related, params.contained)) if params.leakage != "off" else []
    for leak in found if params.leakage == "reject" else ():
        del place[leak.id]
    moved = _moved(inputs.rows, place) if params.group_by else Counter()
    write_jsonl(out.leaks, map(asdict, found))
    counts = _write(inputs.rows, place, out)
    empty = [name for name in ("train", "dev", "test") if not counts[name]]
    if empty:
        went = ", ".join(f"{many} to {name}" for name, many in counts.items() if many or name in empty)
        notes = (f"rows went: {went}", *([f"{counted(len(found), 'row')} leaked"] if found else []))
        help = "bring more rows, raise the share in splits.ratios, or name the split in a column `split`"
        raise fail("T303", f"no row is left for {' and '.join(empty)}", notes=notes, help=help, key="splits.ratios")
    left_out = {"left_out": leaking} if leaking else {}
    leaked = {"leaks": len(found), "leak_action": params.leakage, "leaks_by": dict(Counter(leak.how for leak in found))}
    if moved:
        _warn_of_moved(moved, params)
    with_group = {"with_group": dict(moved)} if moved else {}
    shares = {"share_dev": params.dev, "share_test": params.test, "seed": params.seed}
    write_json(out.report, {**counts, **left_out, **leaked, **with_group, **shares})


def _sets(lines: Iterable[list[str]]) -> list[list[str]]:
    """Ids that belong together for one reason or several, each id in one set; sorted."""
    numbers: dict[str, int] = {}
    joined = Joined()
    for ids in lines:
        first, *others = (numbers.setdefault(id, len(numbers)) for id in ids)
        for other in others:
            joined.join(first, other)
    names = list(numbers)
    return sorted(sorted(names[number] for number in members) for members in joined.sets().values())


def _write(rows: Path, place: dict[str, str], out: Outputs) -> dict[str, int]:
    """Copy each row's line into the file of its split; returns how many rows each has."""
    counts = dict.fromkeys(NAMES, 0)
    with ExitStack() as stack, rows.open("rb") as lines:
        files = {name: stack.enter_context(getattr(out, name).open("wb")) for name in NAMES}
        for line in lines:
            split = place.get(json.loads(line)["id"])
            if split is not None:
                files[split].write(line)
                counts[split] += 1
    return counts


def _places(rows: Iterable[Row], params: SplitParams, alike: list[list[str]]) -> Iterator[tuple[str, str]]:
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
    shares = _open_shares(set(named.values()), params)
    if texts:  # what has an answer is there to measure
        yield from named.items()
        whole = sum(shares.values()) or 1.0
        yield from _draw(pools[None], {name: share / whole for name, share in shares.items()}, params.seed, "dev")
        return
    drawn = pools[None] or pools["train"]
    if pools[None]:
        named |= {id: "train" for ids in pools["train"].values() for id in ids}
    held = _with_others(alike, {id for ids in drawn.values() for id in ids}, named)
    named |= {id: "train" for id, head in held.items() if head is None}  # beside a row that is named: it leaks
    yield from named.items()
    heads = {stratum: [id for id in ids if id not in held] for stratum, ids in drawn.items()}
    place = dict(_draw(heads, shares, params.seed, "train"))
    yield from place.items()
    yield from ((id, place[head]) for id, head in held.items() if head is not None)


def _with_others(alike: list[list[str]], drawn: set[str], named: dict[str, str]) -> dict[str, str | None]:
    """Rows that are not drawn themselves -> the row like them that is, where they go, too; None: they stay in train."""
    held: dict[str, str | None] = {}
    for ids in alike:
        mine = [id for id in ids if id in drawn]
        apart = any(named.get(id, "train") != "train" for id in ids)
        held |= dict.fromkeys(mine) if apart else dict.fromkeys(mine[1:], mine[0] if mine else None)
    return held


def _by_group(rows: Iterable[Row], params: SplitParams, alike: list[list[str]]) -> Iterator[tuple[str, str]]:
    """(row id, split) for every row, a group at a time. A group goes where the furthest from training of its rows is
    named to go; rows without a group are groups of one. Groups with rows that are alike are one.
    """
    groups: dict[str, list[tuple[str, str | None]]] = defaultdict(list)
    for row in rows:
        groups[row.group if row.group is not None else f"row {row.id}"].append((row.id, row.split))
    groups = _merged(groups, alike)
    claimed = {name: split for name, group in groups.items() if (split := _furthest(group))}
    yield from ((id, split) for name, split in claimed.items() for id, _ in groups[name])
    free = {name: group for name, group in groups.items() if name not in claimed}
    open_ = {name: group for name, group in free.items() if any(split is None for _, split in group)} or free
    yield from ((id, "train") for name, group in free.items() if name not in open_ for id, _ in group)
    sizes = {name: len(group) for name, group in open_.items()}
    drawn = _draw_groups(sizes, _open_shares(set(claimed.values()), params), params.seed)
    yield from ((id, split) for name, split in drawn for id, _ in open_[name])


def _moved(rows: Path, place: Mapping[str, str]) -> Counter[str]:
    """Split -> how many rows went there with their group, though they name another or none."""
    named = {row.id: row.split for row in read_rows(rows)}
    claiming = set(named.values()) - {None, "train"}
    return Counter(split for id, split in place.items() if split in claiming and named[id] != split)


def _warn_of_moved(moved: Counter[str], params: SplitParams) -> None:
    went = " and ".join(f"{many:,} to {name}" for name, many in sorted(moved.items()))
    message = f"{counted(moved.total(), 'row')} that name another split, or none, went with their group: {went}"
    note = f"a group is the rows of one `{params.group_by}`, and those that are alike; it is never parted"
    help = "take the rows that name a split from groups of their own, or leave out splits.group_by"
    warn(Diagnostic("T684", message, None, (note,), help, "warning", key="splits.group_by"))


def _merged(
    groups: dict[str, list[tuple[str, str | None]]], alike: list[list[str]]
) -> dict[str, list[tuple[str, str | None]]]:
    names = sorted(groups)
    number = {id: place for place, name in enumerate(names) for id, _ in groups[name]}
    joined = Joined()
    for ids in alike:
        for one, other in itertools.pairwise(ids):
            joined.join(number[one], number[other])
    found: dict[str, list[tuple[str, str | None]]] = defaultdict(list)
    for place, name in enumerate(names):
        found[names[joined.find(place)]] += groups[name]
    return found


def _by_time(rows: Iterable[Row], params: SplitParams, alike: list[list[str]]) -> Iterator[tuple[str, str]]:
    """(row id, split) for every row: of those that name no split, the latest are test and those before them dev. A row
    without a time counts as the earliest, and rows that are alike all count as the latest of them.
    """
    times: dict[str, tuple[bool, float, str, str]] = {}
    named: dict[str, str] = {}
    for row in rows:
        if row.split in (None, "train") and row.answered:
            number = float(row.when) if isinstance(row.when, int | float) else 0.0
            times[row.id] = (row.when is not None, number, str(row.when), row.id)
        else:
            named[row.id] = row.split if row.answered and row.split else "train"
    shares = _open_shares(set(named.values()), params)
    held = _with_others(alike, set(times), named)
    named |= {id: "train" for id, head in held.items() if head is None}  # beside a row that is named: it leaks
    yield from named.items()
    sets: dict[str, list[str]] = defaultdict(list)
    for id in times:
        if (head := held.get(id, id)) is not None:
            sets[head].append(id)
    latest = sorted(sets.values(), key=lambda ids: max(times[id] for id in ids), reverse=True)
    yield from _cut(latest, shares)


def _cut(sets: list[list[str]], shares: dict[str, float]) -> Iterator[tuple[str, str]]:
    """(row id, split): each split takes sets in their order, until the middle of the next would lie beyond its share.
    A split that is to have rows gets one set at least.
    """
    left, whole = deque(sets), sum(map(len, sets))
    for name, share in shares.items():
        wanted, got = round(share * whole), 0
        while left and wanted and (not got or got + len(left[0]) / 2 <= wanted):
            ids = left.popleft()
            got += len(ids)
            yield from ((id, name) for id in ids)
    yield from ((id, "train") for ids in left for id in ids)


def _furthest(group: list[tuple[str, str | None]]) -> str | None:
    """The split that claims a group, of those that its rows are named to be in; train claims none."""
    return next((name for name in (*APART, HOLDOUT, "test", "dev") if any(split == name for _, split in group)), None)


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
    if not wrong:
        return 0
    held = {_asked(row) for row in read_rows(rows) if row.answered and place[row.id] != "train"}
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
    libraries=("numpy", "opencc"),
)
