"""Rows that say the same again and again: there are fewer than it seems."""

from __future__ import annotations

from collections.abc import Iterator

from tunec.diagnosing.build import Build
from tunec.diagnosing.cause import Cause, Sign, strength


def look(build: Build) -> Iterator[Sign]:
    data, read = build.data, max(1, build.data["read"])
    out = int(data["duplicates"]) + int(data["gates"].get("near", {}).get("rejected", 0))
    figure = (
        f"{out:,} of {read:,} rows were left out, because they say what another says; {data['accepted']:,} are left"
    )
    yield Sign(figure, strength(out / read, 0.2, 0.5))
    again = int(data["near"]["rows"]) - int(data["near"]["clusters"])
    figure = f"{again:,} of {data['accepted']:,} accepted rows say nearly what another one says"
    yield Sign(figure, strength(again / max(1, data["accepted"]), 0.15, 0.4))


def experiment(build: Build) -> str:
    return "as many rows again from another place or another week: how many of them are new?"


CAUSE = Cause(
    "duplicates",
    "rows repeat one another",
    look,
    experiment,
    "collect rows that differ, and not more of the same; leave the duplicate gates on",
    before=7,
    patch=lambda build: {"data.gates.near": "reject"},
)
