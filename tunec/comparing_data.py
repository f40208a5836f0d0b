"""`tunec data diff`: which rows came, went or got another answer between two versions of the accepted rows. Each is
shown with what it says; what is personal in it is hidden.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stages.diagnostics import fail
from stages.likeness import digest
from stages.rows import dumps, read_jsonl
from stages.wording import tame
from tunec import dvc_store, git
from tunec.hiding import phone_regions, safe
from tunec.releasing.build import ROWS, cache_object, locked

_LISTED = 20  # rows of a kind that are shown
_LABELS = 1000  # answers, beyond which none is counted by itself


@dataclass(frozen=True)
class Version:
    """Where the rows stand, their ids -> (hash of the input, split), and the labels' counts."""

    path: Path
    ids: Mapping[str, tuple[int, str]]
    answers: Counter[str]


@dataclass(frozen=True)
class Difference:
    """Ids of rows. changed: (id before, id now), of rows with one input and two answers. texts: by id, what those rows
    say that are shown.
    """

    added: list[str]
    removed: list[str]
    changed: list[tuple[str, str]]
    moved: list[str]
    answers: dict[str, int]
    texts: dict[str, str]

    def json(self) -> dict[str, Any]:
        return dict(vars(self))

    def text(self) -> str:
        if not any((self.added, self.removed, self.changed, self.moved)):
            return "the same rows"
        lines = [
            f"{len(self.added):,} added, {len(self.removed):,} removed, {len(self.changed):,} with another answer, "
            f"{len(self.moved):,} in another official split"
        ]
        lines += self._listed("+", self.added) + self._listed("-", self.removed)
        lines += [line for pair in self.changed[:_LISTED] for line in self._pair(*pair)] + _more("~", self.changed)
        lines += self._listed("→", self.moved)
        return "\n".join([*lines, *(f"  {label}: {change:+,}" for label, change in self.answers.items())])

    def _listed(self, sign: str, ids: list[str]) -> list[str]:
        return [f"  {sign} {id}  {self.texts[id]}" for id in ids[:_LISTED]] + _more(sign, ids)

    def _pair(self, before: str, now: str) -> list[str]:
        return [f"  ~ {before}  {self.texts[before]}", f"    {now}  {self.texts[now]}"]


def difference(root: Path, before: str, now: str | None) -> Difference:
    """Between two versions, each a JSONL of rows, or a commit or tag whose build DVC's cache still holds.

    now: the build that stands here, by default. Raises T614 for what is neither.
    """
    old, new, regions = _version(root, before), _version(root, now or ROWS), phone_regions(root)
    gone, come = old.ids.keys() - new.ids.keys(), new.ids.keys() - old.ids.keys()
    asked = {old.ids[id][0]: id for id in sorted(gone)}
    changed = [(asked[new.ids[id][0]], id) for id in sorted(come) if new.ids[id][0] in asked]
    moved = [id for id in sorted(old.ids.keys() & new.ids.keys()) if old.ids[id][1] != new.ids[id][1]]
    twins = {id for pair in changed for id in pair}
    added, removed = sorted(come - twins), sorted(gone - twins)
    shown = {*added[:_LISTED], *moved[:_LISTED], *(id for _, id in changed[:_LISTED])}
    texts = _texts(new, shown, regions)
    texts |= _texts(old, {*removed[:_LISTED], *(id for id, _ in changed[:_LISTED])}, regions)
    return Difference(added, removed, changed, moved, _answers(old, new, regions), texts)


def _answers(old: Version, new: Version, regions: tuple[str, ...]) -> dict[str, int]:
    """Answers of which there are more or fewer now, as a person may see them; a label stands as it is."""
    names = sorted(old.answers | new.answers)
    found: Counter[str] = Counter()
    for name in names if len(names) <= _LABELS else ():
        found[tame(safe(dumps(name), regions))] += new.answers[name] - old.answers[name]
    return {name: many for name, many in found.items() if many}


def _more(sign: str, found: Sequence[Any]) -> list[str]:
    return [f"  {sign} … {len(found) - _LISTED:,} more"] if len(found) > _LISTED else []


def _texts(version: Version, ids: set[str], regions: tuple[str, ...]) -> dict[str, str]:
    """What rows say, as a person may see it."""
    rows = (row for row in read_jsonl(version.path) if row["id"] in ids) if ids else ()
    return {row["id"]: _said(row, regions) for row in rows}


def _said(row: Mapping[str, Any], regions: tuple[str, ...]) -> str:
    whole = {name: row[name] for name in ("input", "output", "rejected", "text", "split") if row.get(name) is not None}
    return tame(safe(dumps(whole), regions))


def _version(root: Path, name: str) -> Version:
    path = root / name
    if path.is_dir():
        path = path / "accepted.jsonl" if (path / "accepted.jsonl").is_file() else path / ROWS
    if not path.is_file():
        path = _of_commit(root, name)
    ids: dict[str, tuple[int, str]] = {}
    answers: Counter[str] = Counter()
    try:
        for row in read_jsonl(path):
            ids[row["id"]] = (digest(dumps(row["input"], sort_keys=True)), str(row.get("split")))
            answers[row["output"] if isinstance(row["output"], str) and len(row["output"]) < 80 else ""] += 1
    except (ValueError, KeyError, TypeError):
        raise fail("T614", f"{name} holds no rows of a build", help=f"name a {ROWS}, or a commit") from None
    del answers[""]
    return Version(path, ids, answers)


def _of_commit(root: Path, name: str) -> Path:
    repo = git.repository(root)
    whole = name if re.fullmatch(r"[0-9a-f]{40}", name) else None
    known = whole or git.tagged(repo).get(name) or git.resolve(repo, f"refs/heads/{name}")
    commit = git.head(repo) if name == "HEAD" else known
    lock = locked(git.read(repo, commit, "dvc.lock")) if commit else {}
    outs = lock.get("data", {}).get("outs", [])
    md5 = next((str(out["md5"]) for out in outs if out.get("path") == ROWS), None)
    path = cache_object(dvc_store.cache(root), md5) if md5 else None
    if path is None or not path.is_file():
        help = f"name a file such as {ROWS}, or a commit whose build lies in DVC's cache (`dvc fetch`)"
        raise fail("T614", f"{name} is no version of the rows", help=help)
    return path
