"""What a release adds to registry/critical.jsonl: the critical rows that it got right, by their ids.

The next build's score stage reads that file, and its gate `regressions` holds the model to it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from compiler.plan import BUILD
from stages.remembering import CRITICAL, worth_remembering
from tunec.releasing import registry
from tunec.releasing.judged import judged

_ASKED = {"test": "chosen", "golden": "golden", "adversarial": "adversarial"}  # split -> the answers of the test stage


def lines(root: Path, whole: Mapping[str, Any], before: bytes | None) -> bytes | None:
    """The file with the rows that are new to it; None when there are none."""
    if not any(CRITICAL in source["tags"] for source in whole["config"]["data"]["sources"]):
        return None
    known = {str(line["id"]) for line in registry.read(before, registry.CRITICAL)}
    text = before
    for id in sorted(set(_right(root, whole)) - known):
        text = registry.added(text, {"id": id, "release": whole["release"]})
    return text if text != before else None


def _right(root: Path, whole: Mapping[str, Any]) -> Iterator[str]:
    from stages.answers import read_answers
    from stages.rows import Row, read_jsonl

    for split, answers in _ASKED.items():
        rows = list(read_jsonl(root / BUILD / "splits" / f"{split}.jsonl"))
        given = read_answers(root / BUILD / "test" / f"{answers}.jsonl")
        said = {answer.id: asdict(answer) for answer in given}
        yield from worth_remembering([Row(**row) for row in rows], judged(whole, rows, said))
