"""What a round did: of each cluster the rows that are right now, and what was right before and is not any more."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from stages.counting import counted
from stages.failing import failure
from stages.rows import read_jsonl, read_rows
from tunec.diagnosing.build import Build
from tunec.repairing.rounds import Round, golden


def built(build: Build, of: Round) -> bool:
    """Whether the build read the round's source, with as many rows as it holds now."""
    read = build.data.get("files", {}).get(of.file("jsonl").as_posix())
    return read is not None and read["read"] == sum(1 for _ in read_jsonl(build.root / of.file("jsonl")))


def effect(build: Build, of: Round) -> dict[str, Any]:
    """{brought, trained_on, before, after, clusters, broken, gone, golden}; rows by their ids, on dev. files: whose
    answers are held against each other; "" where an older record does not say.
    """
    right = {one.id: one.right for one in build.chosen}
    was = set(of.right)
    train = read_rows(build.root / "build/splits/train.jsonl")
    read = build.data["files"][of.file("jsonl").as_posix()]
    clusters = []
    for target in of.targets:
        there = [id for id in target.rows if id in right]
        fixed = [id for id in there if right[id]]
        clusters.append({"number": target.number, "about": target.about, "rows": len(there), "fixed": fixed})
    broken = [one for one in build.chosen if one.id in was and not right[one.id]]
    known = was | {id for target in of.targets for id in target.rows}
    return {
        "round": of.number,
        "files": {"before": of.chosen, "after": build.choice["chosen"]},
        "brought": read["read"],
        "accepted": read["accepted"],
        "trained_on": sum(of.tag in row.tags for row in train),
        "before": len(was & right.keys()),
        "after": sum(right.values()),
        "rows": len(right),
        "clusters": clusters,
        "broken": [{"id": one.id, "kind": ", ".join(filter(None, failure(one) or ("", "")))} for one in broken],
        "gone": len(known - right.keys()),
        "golden": _golden(of, golden(build)),
    }


def _golden(of: Round, now: tuple[str, ...] | None) -> dict[str, Any] | None:
    """None where the build has no golden rows; what is new among them counts as neither."""
    if now is None or of.wrong_golden is None:
        return None
    before, after = set(of.wrong_golden), set(now)
    return {"fixed": sorted(before - after), "broken": sorted(after - before), "wrong": len(after)}


def text(found: dict[str, Any]) -> Iterator[str]:
    yield (
        f"round {found['round']}: {counted(found['brought'], 'row')} brought, {found['accepted']:,} past the gates, "
        f"{found['trained_on']:,} trained on"
    )
    yield f"dev: {found['before']:,} right before, {found['after']:,} now, of {found['rows']:,}"
    before, after = found["files"]["before"], found["files"]["after"]
    if before not in ("", after):
        yield f"  another file was chosen, which is part of the difference: {before} before, {after} now"
    for one in found["clusters"]:
        yield f"  cluster {one['number']}: {len(one['fixed'])} of {one['rows']} fixed: {one['about']}"
    yield f"  broken: {counted(len(found['broken']), 'row', 'that was', 'that were')} right before"
    yield from (f"    {one['id']}: {one['kind']}" for one in found["broken"][:10])
    if found["gone"]:
        yield f"  {counted(found['gone'], 'row')} of then no longer in dev"
    if found["golden"] is None:
        yield "golden: there are no golden rows"
    else:
        golden = found["golden"]
        yield f"golden: {len(golden['fixed'])} fixed, {len(golden['broken'])} broken, {golden['wrong']} wrong"
        yield from (f"    {id}" for id in golden["broken"][:10])
