"""What a person decided of rows: a file of the workspace, kept in git beside the data, a line a decision.

    {"id": "5f1c0d9a3b7e", "decision": "accept", "by": "ana"}
    {"id": "0b7e91d2c4aa", "decision": "reject", "by": "ana"}
    {"id": "93c1f00ab312", "decision": "correct", "output": "refund", "by": "ana"}

`id` is the row's as build/data/review.jsonl lists it. Lines are only added; of several for one row, the last counts.
"""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from stages.contract import Contract
from stages.diagnostics import Diagnostic, Span, UserError
from stages.making import Rejected
from stages.readers import read
from stages.rows import Row, dumps, row_id

ACCEPT, REJECT, CORRECT = KINDS = ("accept", "reject", "correct")
_KEYS = ("id", "decision", "output", "by")
_ID = re.compile(r"[0-9a-f]{12}")
_MOST = 20  # bad lines that are told


@dataclass(frozen=True, slots=True)
class Decision:
    """One line. output: the right answer, of a correction."""

    id: str
    kind: str
    by: str
    output: Any = None
    line: int = 0


def read_decisions(path: Path) -> dict[str, Decision]:
    """Row id -> what was decided last. Raises T894 with every line that says no decision, and T302 for no UTF-8."""
    found: dict[str, Decision] = {}
    wrong: list[Diagnostic] = []
    for record in read(path, "jsonl"):
        if record.reason == "an empty line":
            continue
        why = record.reason or _flaw(record.fields or {})
        if why:
            wrong.append(_no_decision(path, record.line, why))
            continue
        told = record.fields or {}
        found[told["id"]] = Decision(told["id"], told["decision"], told["by"], told.get("output"), record.line)
    if wrong:
        raise UserError(*wrong[:_MOST])
    return found


def _flaw(told: Mapping[str, Any]) -> str | None:
    """Why a line is no decision. What stands there is not repeated: a correction may be personal."""
    if lacking := [key for key in ("id", "decision", "by") if key not in told]:
        return f"`{lacking[0]}` is missing"
    if any(key not in _KEYS for key in told):
        return f"it has a key beside {', '.join(_KEYS)}"
    if not isinstance(told["id"], str) or not _ID.fullmatch(told["id"]):
        return "`id` is no row's id: 12 hexadecimal digits"
    if told["decision"] not in KINDS:
        return f"`decision` is none of {', '.join(KINDS)}"
    if not isinstance(told["by"], str) or not told["by"].strip():
        return "`by` names nobody"
    if told["decision"] == CORRECT:
        return "`output`, the right answer, is missing" if told.get("output") is None else None
    return f"`output` stands beside `{told['decision']}`" if "output" in told else None


def _no_decision(path: Path, line: int, why: str) -> Diagnostic:
    help = 'write {"id": ROW, "decision": "accept" or "reject", "by": NAME}, or "correct" with an "output"'
    return Diagnostic("T894", f"this line is no decision: {why}", Span(str(path), line), (), help)


def corrected(row: Row, output: Any, contract: Contract) -> Row:
    """The row with another answer; its id is that of what it says now. Raises Rejected where that cannot be."""
    if not row.answered:
        raise Rejected("it names no right answer that could be corrected")
    if why := contract.errors(output):
        raise Rejected("; ".join(why))
    if row.rejected is None:
        return replace(row, id=row_id(row.input, output), output=output)
    if contract.write(output) == contract.spell(row.rejected):
        raise Rejected("that is the answer which is not to be given")
    return replace(row, id=row_id(row.input, {"chosen": output, "rejected": row.rejected}), output=output)


def broken(path: Path, decision: Decision, why: str) -> Diagnostic:
    """Of a correction that cannot take the answer's place."""
    help = "mend the line, or add one below it: the last for a row counts"
    message = f"the corrected answer of the row {decision.id} cannot be taken: {why}"
    return Diagnostic("T895", message, Span(str(path), decision.line), (), help)


def add(path: Path, decision: Decision) -> None:
    """Add a line, whole and on the disk, whatever ends the process then."""
    path.parent.mkdir(parents=True, exist_ok=True)
    told = {"id": decision.id, "decision": decision.kind}
    told |= {"output": decision.output} if decision.kind == CORRECT else {}
    line = (dumps(told | {"by": decision.by}) + "\n").encode()
    handle = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o644)
    try:
        size = os.fstat(handle).st_size
        begun = size > 0 and os.pread(handle, 1, size - 1) != b"\n"  # the last line of a file that an editor wrote
        os.write(handle, b"\n" * begun + line)
        os.fsync(handle)
    finally:
        os.close(handle)


def about(path: Path, ids: Collection[str]) -> int:
    """How many lines are about one of these rows."""
    return sum(mine for _, mine in _lines(path, ids))


def forget(path: Path, ids: Collection[str]) -> None:
    """Write the file anew, without the lines that are about these rows."""
    aside = path.with_name(f".{path.name}.forgetting")
    aside.write_bytes(b"".join(line for line, mine in _lines(path, ids) if not mine))
    aside.replace(path)


def _lines(path: Path, ids: Collection[str]) -> Iterator[tuple[bytes, bool]]:
    known = [id.encode() for id in ids]
    with path.open("rb") as file:
        yield from ((line, any(id in line for id in known)) for line in file)
