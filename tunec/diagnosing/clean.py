"""`tunec diagnose --clean FILE`: 100 train rows that nothing speaks against, which any training must learn."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from pathlib import Path

from stages.counting import counted
from stages.diagnostics import fail
from stages.rows import Row, write_jsonl
from tunec.diagnosing import texts
from tunec.diagnosing.build import Build, last_build
from tunec.diagnosing.causes.conflicting_labels import conflicting

ROWS = 100
LEARNT = 0.1  # nats per learned token, at most, at the end


def write(root: Path, file: Path) -> str:
    """The rows as a source, and what to run. Raises T865 for a path outside of the folder, or one that is taken."""
    path = root / file
    if file.suffix != ".jsonl" or not path.resolve().is_relative_to(root.resolve()) or path.exists():
        raise fail(
            "T865", f"{file} cannot be written", help="name a new .jsonl file below this folder, as data/clean.jsonl"
        )
    build, _ = last_build(root)
    kept = rows(build)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_jsonl(path, ({**row.input, _answer(build): row.output} for row in kept))
    name = build.trained.name
    report = build.trained.outputs["report"]
    keys = f"'data.sources=[{{path: {file.as_posix()}}}]' training.epochs=10"
    return (
        f"{counted(len(kept), 'row')} in {file}, to be learnt by heart\n"
        f"  tunec build {name} {keys}\n"
        f"then train_loss in {report} is below {LEARNT:g}; else look at template, rate and modules, not at the data\n"
        "`tunec build` goes back, and trains nothing anew"
    )


def rows(build: Build) -> list[Row]:
    """Each label in turn; of each the rows that a hash draws."""
    doubted = texts.doubts(build.labelled(build.train))
    bad = conflicting(build.train) | set(doubted.rows if doubted else ())
    parts: dict[str, list[Row]] = defaultdict(list)
    for row in sorted(build.train, key=lambda row: hashlib.sha256(row.id.encode()).digest()):
        if row.id not in bad:
            parts[build.label(row.output) or ""].append(row)
    turns = sorted(((place, label) for label, of in parts.items() for place in range(len(of))), key=lambda turn: turn)
    return [parts[label][place] for place, label in turns[:ROWS]]


def _answer(build: Build) -> str:
    """The column that answers are read from."""
    return str(build.compiled.variants[0].lookup("data.output") or "output")
