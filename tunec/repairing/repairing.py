"""`tunec repair`: rows for what is wrong, cluster by cluster, and what they did.

Said again, it goes on from where the round is: the clusters are found and rows asked for; a sheet that people filled in
is taken, and again when its lines changed; after the build the effect is told. Nothing is learnt from the test split.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from stages.counting import counted
from stages.diagnostics import fail
from tunec import finding_rows
from tunec.diagnosing.build import Build, last_build
from tunec.repairing import bringing, effect, sheet
from tunec.repairing.rounds import Round, begin, last

_SHOWN = 10  # rows that are not taken, one by one


@dataclass(frozen=True)
class Wish:
    """clusters: how many, the largest first. rows: for each; None: by its size. pool: unlabelled rows. anew: begin the
    next round. sheet: ask people even where there is a teacher.
    """

    clusters: int = 3
    rows: int | None = None
    pool: Path | None = None
    anew: bool = False
    sheet: bool = False


def repair(root: Path, wish: Wish) -> tuple[dict[str, Any], str]:
    """What was done, as JSON and as text. Raises what the steps raise, and T869 where a build has to come first."""
    build, _ = last_build(root)
    of = last(root)
    if of is None or wish.anew:
        number = _following(build, of) if of else 1
        return _begun(build, begin(build, number, wish.clusters, wish.rows), wish)
    brought = (root / of.file("jsonl")).exists()
    if not brought and not (root / of.file("csv")).exists():
        return _begun(build, of, wish)
    if not brought or _changed(build, of):
        return _taken(of, bringing.from_sheet(build, of))
    _built(build, of)
    found = effect.effect(build, of)
    lines = [*effect.text(found), "", "`tunec repair --new` begins the next round"]
    ids = {word for line in lines for word in finding_rows.ID.findall(line)}
    places = finding_rows.standing(root, build.compiled.plan, ids)
    return {"step": "effect", **found, "places": places}, finding_rows.placed("\n".join(lines), places)


def _following(build: Build, of: Round) -> int:
    """The number of the round after this one: its own, where it asked for rows and nobody wrote any. What a round did
    shows in the build with its rows alone, and the next one would hide it.

    Raises T944 where lines of its sheet are not taken yet, T869 where its rows are not built.
    """
    brought = (build.root / of.file("jsonl")).exists()
    _nothing_waits(build, of, brought=brought)
    if not brought:
        return of.number
    _built(build, of)
    return of.number + 1


def _nothing_waits(build: Build, of: Round, *, brought: bool) -> None:
    """A line waits that is filled in and no row, be it that nobody asked or that a gate turned it away; and one that
    is a row and was changed since.
    """
    if not of.sheet or not (build.root / of.file("csv")).exists():
        return
    said = bringing.sheet_lines(build, of)
    there = sheet.digests(said)
    known = {*of.written, *of.taken}
    waiting = [one.line for one, digest in zip(said, there, strict=True) if digest not in known]
    if not waiting and set(of.taken) <= set(there) and (of.taken or not brought):
        return
    places = tuple(f"{of.file('csv')}:{line}" for line in waiting[:_SHOWN])
    more = (f"and {len(waiting) - _SHOWN} more",) if len(waiting) > _SHOWN else ()
    help = "mend them and say `tunec repair`, which takes them, then `tunec build`; or empty the lines"
    message = f"{of.file('csv')} says something that is not taken yet"
    raise fail("T944", message, notes=places + more, help=help)


def _built(build: Build, of: Round) -> None:
    if not effect.built(build, of):
        help = "run `tunec build`; then `tunec repair` tells what they did"
        raise fail("T869", f"the rows of round {of.number} are not in the last build", help=help)


def _changed(build: Build, of: Round) -> bool:
    """Whether lines of the sheet say something else than when they were read; of a record that does not say which of
    them became rows, they are read again.
    """
    if not of.sheet or not (build.root / of.file("csv")).exists():
        return False
    return not of.taken or sheet.digest(bringing.sheet_lines(build, of)) != of.sheet


def _begun(build: Any, of: Round, wish: Wish) -> tuple[dict[str, Any], str]:
    """The record is written last: a teacher who cannot be reached leaves no round behind."""
    clusters = [
        f"  cluster {one.number}: {counted(len(one.rows), 'dev row')}, {one.count} to bring: {one.about}"
        for one in of.targets
    ]
    if build.compiled.task.generate is not None and not wish.sheet:
        brought = bringing.from_teacher(build, of)
        of.write(build.root)
        done, text = _taken(of, brought)
        return done, "\n".join([*clusters, text])
    lines = bringing.write_sheet(build, of, wish.pool)
    said = bringing.sheet_lines(build, of)
    replace(of, sheet=sheet.digest(said), written=sheet.digests(said), taken=()).write(build.root)
    told = {"step": "sheet", "round": of.number, "sheet": of.file("csv").as_posix(), "lines": lines}
    todo = f"{counted(lines, 'line')} to fill in: {of.file('csv')}; then say `tunec repair` again"
    return {**told, "clusters": [_json(one) for one in of.targets]}, "\n".join([*clusters, todo])


def _json(target: Any) -> Mapping[str, Any]:
    return {"number": target.number, "about": target.about, "rows": len(target.rows), "count": target.count}


def _taken(of: Round, brought: bringing.Brought) -> tuple[dict[str, Any], str]:
    refused = [{"at": at, "gate": gate, "reason": why} for at, gate, why in brought.refused]
    counts = {str(number): many for number, many in sorted(brought.counts.items())}
    done = {"step": "brought", "round": of.number, "source": of.file("jsonl").as_posix()}
    return {**done, "clusters": counts, "refused": refused}, "\n".join(_lines(of, brought))


def _lines(of: Round, brought: bringing.Brought) -> Iterator[str]:
    many = counted(sum(brought.counts.values()), "row")
    yield f"{many} in {of.file('jsonl')}, a source of task.yaml that is trained on alone"
    yield from (f"  cluster {number}: {many}" for number, many in sorted(brought.counts.items()))
    if brought.refused:
        yield f"{counted(len(brought.refused), 'row', 'is', 'are')} not taken:"
        yield from (f"  {at}: {gate}: {why}" for at, gate, why in brought.refused[:_SHOWN])
        yield from [f"  and {len(brought.refused) - _SHOWN} more"] if len(brought.refused) > _SHOWN else []
    yield "run `tunec build`; then `tunec repair` tells what they did"
