"""The change log at the end of a released model card: what is not as it was in the release before, and both figures."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from stages.wording import tame
from tunec.releasing import build
from tunec.releasing.changes import Change

MOST = 40  # changes that are listed


def with_log(
    card: str, before: Mapping[str, Any], after: Mapping[str, Any], found: Sequence[Change], primary: str
) -> str:
    """The card with its log. before, after: manifests; found: what tunec.releasing.changes says of them."""
    return "\n".join([card.rstrip("\n"), "", *_log(before, after, found, primary)]) + "\n"


def _log(before: Mapping[str, Any], after: Mapping[str, Any], found: Sequence[Change], primary: str) -> Iterator[str]:
    yield from ("## Change log", "", f"Since {before['release']}:", "")
    yield from (f"- {change.level}: {markdown(change.what)}" for change in found[:MOST])
    if len(found) > MOST:
        yield f"- and {len(found) - MOST} more"
    old, new = before["figures"], after["figures"]
    yield from ("", f"| metric | {before['release']} | this release |", "|---|---:|---:|")
    for name in sorted(old.keys() & new.keys(), key=lambda name: (name != primary, name)):
        yield f"| {markdown(name)} | {_cell(old[name])} | {_cell(new[name])} |"
    if _test_rows(before) != _test_rows(after):
        yield from ("", "The test rows are others: the two columns do not compare.")


def _cell(figure: Mapping[str, float]) -> str:
    return f"{figure['value']:.3f} ({figure['low']:.3f} to {figure['high']:.3f})"


def _test_rows(whole: Mapping[str, Any]) -> Any:
    return whole["build"].get(build.TEST_ROWS, {}).get("sha256")


def markdown(text: str) -> str:
    """Nothing in it is markup, a link or a tag."""
    return re.sub(r"([\\`*<\[\]|])", r"\\\1", " ".join(tame(text).split()))
