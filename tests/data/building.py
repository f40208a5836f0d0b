"""The stages `data` and `splits`, run on files that a test gives, with the parameters that a task compiles to."""

from __future__ import annotations

import contextlib
import json
import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from stages import data, splits
from tests.compiling import compiled, params

DECISIONS = "data/review.jsonl"
LABELS = """\
task_name: intents
task_type: classification
input_template: "{text}"
output_format: {type: label, schema: {enum: [account, refund, shipping]}}
training: {base_model: smollm2-135m}
success_criteria: {threshold: 0.7}
"""


@dataclass(frozen=True)
class Read:
    """What the data stage made of its sources. `accepted` is the file's bytes."""

    accepted: bytes
    rejected: list[dict[str, Any]]
    report: dict[str, Any]
    flagged: list[dict[str, Any]]
    near: bytes
    unanswered: list[dict[str, Any]]
    facts: dict[str, Any]
    review: list[dict[str, Any]]

    @property
    def rows(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.accepted.splitlines()]

    @property
    def lines(self) -> dict[int, str]:
        """Line -> why it was rejected."""
        return {item["line"]: item["reason"] for item in self.rejected}


@cache
def _params(task: str, files: tuple[str, ...], stage: str) -> dict[str, Any]:
    return params(compiled(task, *files), stage)


def read(files: Mapping[str, bytes], task: str = LABELS, decisions: bytes | None = None) -> Read:
    """Run the data stage in a folder with these files (path -> content), and what a person decided. Raises what it
    raises.
    """
    found = _params(task, tuple(files), "data")
    with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
        for name, content in files.items():
            Path(name).parent.mkdir(parents=True, exist_ok=True)
            Path(name).write_bytes(content)
        out = data.Outputs(**{name: Path(write.path) for name, write in data.STAGE.writes().items()})
        decided = Path(DECISIONS) if decisions is not None else None
        if decided:
            decided.write_bytes(decisions or b"")
        data.run(data.Inputs(tuple(map(Path, files)), decisions=decided), data.DataParams(**found), out)
        rejected = list(map(json.loads, out.rejected.read_bytes().splitlines()))
        flagged = list(map(json.loads, out.flagged.read_bytes().splitlines()))
        report = json.loads(out.report.read_text(encoding="utf-8"))
        near, waiting, facts = out.near.read_bytes(), lines(out.unanswered), json.loads(out.facts.read_bytes())
        return Read(out.accepted.read_bytes(), rejected, report, flagged, near, waiting, facts, lines(out.review))


def read_jsonl(rows: Iterable[Any], task: str = LABELS, decisions: Iterable[Any] | None = None) -> Read:
    return read({"data/raw/rows.jsonl": jsonl(rows)}, task, None if decisions is None else jsonl(decisions))


def jsonl(rows: Iterable[Any]) -> bytes:
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows).encode()


def split(accepted: bytes, task: str = LABELS, near: bytes = b"") -> dict[str, list[dict[str, Any]]]:
    """Run the splits stage on the data stage's output: split -> its rows; and `leaks`, where there are any."""
    found = _params(task, (), "splits")
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        (home / "accepted.jsonl").write_bytes(accepted)
        (home / "near.jsonl").write_bytes(near)
        out = splits.Outputs(**{name: home / write.path for name, write in splits.STAGE.writes().items()})
        inputs = splits.Inputs(home / "accepted.jsonl", home / "near.jsonl")
        splits.run(inputs, splits.SplitParams(**found), out)
        parts = {name: lines(getattr(out, name)) for name in (*splits.NAMES, "leaks")}
        return {name: part for name, part in parts.items() if part or name in ("train", "dev", "test")}


def lines(path: Path) -> list[dict[str, Any]]:
    return list(map(json.loads, path.read_bytes().splitlines()))
