"""Rows that wait for a person, and what persons have decided until now."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from stages.corpus import Corpus
from stages.counting import counted
from stages.decisions import Decision, broken, read_decisions
from stages.diagnostics import Diagnostic, Span, UserError
from stages.judging_rows import REFUSED, Outcome
from stages.progress import warn
from stages.rows import Row, write_jsonl
from stages.second_looks import Reviewing

WAITS = "it waits for a reviewer"
DRAWN = "drawn to be looked at"
_MOST = 20  # corrections that are told


@dataclass
class Queue:
    """asked: None where the task has no review. file: of the decisions, where there is one.

    decided: places of rows that a decision let through; met: the decisions that are about a row, by id; wrong:
    corrections that cannot be taken. reasons: place -> why the row waits.
    """

    asked: Reviewing | None = None
    file: Path | None = None
    decisions: Mapping[str, Decision] = field(default_factory=dict)
    decided: set[int] = field(default_factory=set)
    met: set[str] = field(default_factory=set)
    wrong: dict[str, str] = field(default_factory=dict)
    reasons: dict[int, list[str]] = field(default_factory=dict)

    @classmethod
    def of(cls, asked: Reviewing | None, file: Path | None) -> Queue:
        """Raises T894 for a file with a line that is no decision."""
        return cls(asked, file, read_decisions(file)) if asked and file else cls(asked)

    def took(self, outcome: Outcome, place: int) -> None:
        """A row was read, and is at this place now where no gate rejected it."""
        if outcome.decided:
            self.met.add(outcome.decided)
            if outcome.row is not None:
                self.decided.add(place)
            elif outcome.rejected and outcome.rejected[0] == "review" and outcome.rejected[1] != REFUSED:
                self.wrong[outcome.decided] = outcome.rejected[1]
        for gate, reason in outcome.flags if outcome.row is not None else ():
            self.flagged(place, gate, reason)

    def flagged(self, place: int, gate: str, reason: str) -> None:
        if self.asked and gate in self.asked.flags and place not in self.decided:
            self.reasons.setdefault(place, []).append(f"{gate}: {reason}")

    def refuse(self) -> None:
        """Raises T895 for corrections that are about a row and cannot be taken."""
        if self.file and self.wrong:
            found = sorted(((self.decisions[id], why) for id, why in self.wrong.items()), key=lambda one: one[0].line)
            raise UserError(*(broken(self.file, *one) for one in found[:_MOST]))

    def waiting(self, corpus: Corpus) -> list[int]:
        """The places of the rows that wait, by id."""
        if self.asked is None:
            return []
        for place in corpus.kept().tolist() if self.asked.share else ():
            if place not in self.decided and drawn(corpus.name(place)) < self.asked.share:
                self.reasons.setdefault(place, []).append(DRAWN)
        return sorted(self.reasons.keys() - corpus.dropped, key=lambda place: (corpus.ids[place], place))

    def write(self, corpus: Corpus, waiting: list[int], out: Path) -> None:
        """JSONL of {id, file, line, why, input, output}, for `tunec data review`."""
        write_jsonl(out, (self._line(corpus, place) for place in waiting))

    def _line(self, corpus: Corpus, place: int) -> dict[str, Any]:
        file, row = corpus.files[corpus.sources[place]], corpus.row(place)
        why = list(dict.fromkeys(self.reasons[place]))
        return {"id": row.id, "file": file, "line": corpus.lines[place], "why": why, **_said(row)}

    def json(self, waiting: int) -> dict[str, Any]:
        kinds = Counter(self.decisions[id].kind for id in self.met)
        return {"waiting": waiting, "decided": dict(sorted(kinds.items())), "without_a_row": len(self._stale())}

    def tell(self, waiting: int) -> None:
        stale = self._stale()
        if stale and self.file:
            decided = counted(len(self.decisions), "decision")
            message = f"{len(stale):,} of {decided} {_are(len(stale))} about no row that is read"
            help = "nothing, if the rows were taken out or changed; a decision is for what a row said"
            warn(Diagnostic("T896", message, Span(str(self.file), stale[0].line), (), help, "warning"))
        if waiting:
            message = f"{counted(waiting, 'row', 'waits', 'wait')} for a reviewer"
            warn(Diagnostic("T898", message, None, (), "decide with `tunec data review`, and build again", "warning"))

    def _stale(self) -> list[Decision]:
        """Decisions about rows that no source holds any more, or that are no rows now."""
        return sorted((one for id, one in self.decisions.items() if id not in self.met), key=lambda one: one.line)


def drawn(id: str) -> float:
    """A number in [0, 1) that follows from a row alone."""
    return int.from_bytes(hashlib.sha256(f"review:{id}".encode()).digest()[:6], "big") / 2**48


def _said(row: Row) -> dict[str, Any]:
    if row.text is not None:
        return {"text": row.text}
    worse = {"rejected": row.rejected} if row.rejected is not None else {}
    return {"input": row.input, "output": row.output, **worse}


def _are(many: int) -> str:
    return "is" if many == 1 else "are"
