"""`tunec release diff A B`: what changed, and what it did to the answers.

Figures are compared on the test rows that both releases were asked, pair by pair; rows and answers come out of DVC's
cache.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from stages.counting import counted
from tunec import dvc_store, git
from tunec.releasing import build, fetching, proposing
from tunec.releasing.changes import changes, config_changes
from tunec.releasing.judged import contract, judged
from tunec.releasing.shelf import Release

_SHOWN = 5  # rows of a kind
_WANTED = (build.ROWS, build.TEST_ROWS, build.TEST_ANSWERS, build.TEST_SPEED)


@dataclass(frozen=True)
class Side:
    """A release, or the build that stands here: its manifest, and the files of its build that can be had."""

    name: str
    whole: Mapping[str, Any]
    files: Mapping[str, Path | None]

    def rows(self, path: str) -> dict[str, Any] | None:
        """The objects of a JSONL file that have an id, by it; None when the cache does not hold it.

        The line above answers has none: it names their contract.
        """
        from stages.rows import read_jsonl

        file = self.files[path]
        return {str(row["id"]): row for row in read_jsonl(file) if "id" in row} if file else None


def difference(repo: git.Repository, root: Path, old: Release, new: Release) -> dict[str, Any]:
    """Everything that differs, ready for JSON; null where the cache lacks what it takes.

    {old, new, changes, config, figures, lead, fixed, broken, compared, data, bytes, rows_per_second}
    """
    return between(side(repo, root, old), side(repo, root, new))


def between(before: Side, after: Side) -> dict[str, Any]:
    """See `difference`."""
    return {
        "old": before.name,
        "new": after.name,
        "changes": [asdict(change) for change in changes(before.whole, after.whole)],
        "config": [{"key": k, "old": a, "new": b} for k, a, b in config_changes(before.whole, after.whole)],
        "figures": {name: [before.whole["figures"].get(name), figure] for name, figure in _figures(after)},
        **_answers(before, after),
        "data": _data(before, after),
        "bytes": [side.whole["files"]["model.gguf"]["bytes"] for side in (before, after)],
        "rows_per_second": [_speed(side) for side in (before, after)],
    }


def words(found: Mapping[str, Any]) -> Iterator[str]:
    yield f"{found['old']} -> {found['new']}"
    yield from (f"  {change['level']:<8}  {change['what']}" for change in found["changes"])
    if not found["changes"]:
        yield "  nothing changed"
    yield ""
    for name, (old, new) in found["figures"].items():
        yield f"  {name:<18} {interval(old)} -> {interval(new)}"
    yield from _answer_words(found)
    yield from _data_words(found["data"])
    yield f"  model.gguf         {found['bytes'][0] / 1e6:.1f} MB -> {found['bytes'][1] / 1e6:.1f} MB"
    if all(found["rows_per_second"]):
        yield "  rows/s             {:.1f} -> {:.1f}".format(*found["rows_per_second"])


def side(repo: git.Repository, root: Path, release: Release) -> Side:
    cache = dvc_store.cache(root)
    files = {path: fetching.file(repo, root, cache, release, path) for path in _WANTED}
    return Side(release.name, proposing.manifest_of(repo, release), files)


def standing(root: Path, whole: Mapping[str, Any]) -> Side:
    """The build of the workspace, of which `whole` says what a manifest would."""
    return Side("this build", whole, {path: root / path for path in _WANTED})


def _figures(after: Side) -> list[tuple[str, Any]]:
    return sorted(after.whole["figures"].items())


def _answers(before: Side, after: Side) -> dict[str, Any]:
    """The lead of the newer release on the rows that both answered, and the rows in which only one is right."""
    nothing = {"compared": 0, "lead": None, "fixed": None, "broken": None}
    sides = [(side.rows(build.TEST_ROWS), side.rows(build.TEST_ANSWERS)) for side in (before, after)]
    if any(part is None for side in sides for part in side):
        return nothing
    (old_rows, old_said), (new_rows, new_said) = sides
    shared = [id for id in new_rows or {} if id in (old_rows or {})]
    if not shared or before.whole["contract"]["schema"] != after.whole["contract"]["schema"]:
        return nothing
    rows_of = [(new_rows or {})[id] for id in shared]
    sides_said = [judged(after.whole, rows_of, said or {}) for said in (old_said, new_said)]
    pairs = list(zip(*sides_said, strict=True))
    right = [(a.right, b.right) for a, b in pairs]
    rows = [
        {"id": b.id, "input": (new_rows or {})[b.id]["input"], "expected": b.gold, "old": a.text, "new": b.text}
        for a, b in pairs
    ]
    return {
        "compared": len(shared),
        "lead": _lead(after.whole, sides_said[1], sides_said[0]),
        "fixed": [row for row, (was, now) in zip(rows, right, strict=True) if now and not was],
        "broken": [row for row, (was, now) in zip(rows, right, strict=True) if was and not now],
    }


def _lead(whole: Mapping[str, Any], new: Sequence[Any], old: Sequence[Any]) -> dict[str, Any]:
    from stages.scoring import Yardstick, lead

    config = whole["config"]
    yardstick = Yardstick(
        primary=config["success_criteria"]["primary_metric"],
        others=(),
        confidence=config["evaluation"]["confidence"],
        resamples=config["evaluation"]["resamples"],
    )
    return {"metric": yardstick.primary, **lead(new, old, yardstick, contract(whole))}


def _data(before: Side, after: Side) -> dict[str, Any]:
    """Rows that passed the data stage in one release only, by their ids."""
    old, new = before.rows(build.ROWS), after.rows(build.ROWS)
    counts = {"rows": [side.whole["dataset"]["rows"] for side in (before, after)]}
    if old is None or new is None:
        return {**counts, "added": None, "removed": None}
    return {**counts, "added": sorted(new.keys() - old.keys()), "removed": sorted(old.keys() - new.keys())}


def _speed(side: Side) -> float | None:
    from stages.rows import read_json

    file = side.files[build.TEST_SPEED]
    return float(read_json(file)["chosen"]["rows_per_second"]) if file else None


def interval(figure: Mapping[str, float] | None) -> str:
    return "-" if figure is None else f"{figure['value']:.3f} [{figure['low']:.3f}, {figure['high']:.3f}]"


def _answer_words(found: Mapping[str, Any]) -> Iterator[str]:
    lead = found["lead"]
    if lead is None:
        yield "  no answers to compare: the contract is another, no test row is shared, or the cache lacks them"
        return
    ahead = f"{lead['value']:+.3f} [{lead['low']:+.3f}, {lead['high']:+.3f}]"
    yield f"  {lead['metric']} {ahead} on the {counted(found['compared'], 'test row')} that both answered"
    for kind in ("fixed", "broken"):
        rows = found[kind]
        yield f"  {counted(len(rows), 'row')} {kind}" + (":" if rows else "")
        for row in rows[:_SHOWN]:
            yield f"    {row['id']}  {_short(row['old'])} -> {_short(row['new'])}"
        if len(rows) > _SHOWN:
            yield f"    and {len(rows) - _SHOWN} more; --json has them all"


def _data_words(data: Mapping[str, Any]) -> Iterator[str]:
    old, new = data["rows"]
    splits = [name for name in ("train", "dev", "test") if name in old and name in new]
    yield "  rows               " + ", ".join(f"{name} {old[name]} -> {new[name]}" for name in splits)
    if data["added"] is not None:
        yield f"  data               {counted(len(data['added']), 'row')} added, {len(data['removed']):,} removed"


def _short(text: str) -> str:
    from stages.wording import tame

    flat = " ".join(tame(text).split())
    return flat if len(flat) <= 60 else f"{flat[:60]}…"
