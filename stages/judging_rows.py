"""Records -> rows that the gates have looked at, a batch at a time: here, or in processes of its own.

What a batch comes to depends on the batch alone, so how many processes there are changes nothing but the time.
"""

from __future__ import annotations

import os
import threading
import time
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any

from stages.catalog import DataGate, members
from stages.corpus import Judged, judged
from stages.data_gates.licenses import name as license_name
from stages.data_gates.mixed import nested
from stages.decisions import CORRECT, REJECT, Decision, corrected
from stages.kinds import PERSONAL, SECRETS
from stages.likeness import said
from stages.making import Making, Rejected, Source, emptied, named, to_row
from stages.personal import Redaction
from stages.reading.record import Record
from stages.rows import Row, row_id
from stages.scripts import script
from stages.seen import Seen, Settings
from stages.sketches import sketch
from stages.templating import placeholders

BATCH = 512
_POOLED = 32_000_000  # bytes of sources, from which on processes of its own are worth their start
_AHEAD = 4  # batches a process, read and not yet judged
_KINDS = {"pii": PERSONAL, "secrets": SECRETS}  # gates that the task may tell what to do kind by kind
UNREADABLE = "format"  # the gate of records that are not of their file's format, be it JSON, CSV or another
REFUSED = "a reviewer refuses it"
TRAITS = ("label", "language", "license", "tag", "words", "personal", "nested")


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a record. rejected: (gate, reason); otherwise `row` is set. flags: (gate, reason), of warnings.
    decided: the id under which a person has decided on it, empty where nobody has.
    """

    file: int
    line: int
    row: Judged | None
    rejected: tuple[str, str] | None = None
    flags: tuple[tuple[str, str], ...] = ()
    personal: tuple[str, ...] = ()
    decided: str = ""


@dataclass(frozen=True)
class Batch:
    """Outcomes in the order of the records, and the sketches of their rows."""

    outcomes: list[Outcome]
    bands: Any


Given = tuple[int, int, Record]  # source, file, record


class Judge:
    """Looks at records with the gates that the task asks for. decisions: what persons said of rows, by id."""

    def __init__(
        self,
        sources: Sequence[Source],
        making: Making,
        settings: Settings,
        decisions: Mapping[str, Decision] = MappingProxyType({}),
    ) -> None:
        self._sources, self._making, self._settings, self._decisions = sources, making, settings, decisions
        self._wanted = tuple(sorted(placeholders(making.input_template)))
        self._actions = actions(settings)
        gates = members("stages.data_gates", "DATA_GATE", DataGate)
        told = {gate for gate, kinds in _KINDS.items() if not settings.pii_types.keys().isdisjoint(kinds)}
        self._looks = [
            (g.name, g.look) for g in gates.values() if g.look and (self._actions[g.name] != "off" or g.name in told)
        ]
        self._redacted = frozenset(self._kinds("redact"))
        self.traits = (*TRAITS, *dict.fromkeys(q["by"] for q in settings.quotas if q["by"] not in TRAITS))

    def batch(self, given: Sequence[Given]) -> Batch:
        words: list[list[str]] = []
        outcomes = [self._judge(*one, words) for one in given]
        return Batch(outcomes, sketch(words))

    def known(self, row: Row) -> tuple[Judged, list[str]]:
        """A row that was judged before, for others to be held against; and its words."""
        seen = Seen(row, {}, self._making.contract, self._settings.regions)
        return judged(seen, self._traits(seen)), seen.words

    def _judge(self, source: int, file: int, record: Record, words: list[list[str]]) -> Outcome:
        if record.fields is None:
            return Outcome(file, record.line, None, (UNREADABLE, str(record.reason)))
        try:
            fields = named(record.fields, self._sources[source])
            empty = emptied(record.blank, self._sources[source])
            row = to_row(fields, self._sources[source], self._making, self._wanted, empty)
        except Rejected as why:
            return Outcome(file, record.line, None, (why.gate, str(why)))
        seen, personal = self._kept(row, fields)
        decided = self._decisions.get(seen.row.id)
        if decided:
            try:
                seen, personal = self._decided(decided, seen, personal)
            except Rejected as why:
                return Outcome(file, record.line, None, ("review", str(why)), (), personal, decided.id)
        said = decided.id if decided else ""
        flags: list[tuple[str, str]] = []
        for gate, look in self._looks:
            for reason in look(seen, self._settings):
                action = self._action(gate, reason)
                if action == "reject":
                    return Outcome(file, record.line, None, (gate, reason), (), personal, said)
                flags += [(gate, reason)] if action == "warn" else []
        words.append(seen.words)
        return Outcome(file, record.line, judged(seen, self._traits(seen)), None, tuple(flags), personal, said)

    def _kept(self, row: Row, fields: dict[str, Any]) -> tuple[Seen, tuple[str, ...]]:
        """The row as it is kept, and the kinds of what is personal in it."""
        seen = Seen(row, fields, self._making.contract, self._settings.regions)
        personal = tuple(sorted(seen.personal))
        if not self._redacted.isdisjoint(personal):
            seen = replace(seen, row=self._without(row))
        return seen, personal

    def _decided(self, decided: Decision, seen: Seen, personal: tuple[str, ...]) -> tuple[Seen, tuple[str, ...]]:
        """What a person made of a row. A corrected one is looked at as if its source had said so."""
        if decided.kind == REJECT:
            raise Rejected(REFUSED)
        if decided.kind != CORRECT:
            return seen, personal
        row = corrected(seen.row, decided.output, self._making.contract)
        return self._kept(row, dict(seen.fields))

    def _action(self, gate: str, reason: str) -> str:
        """What is done; of personal data and secrets, by their kind where the task says so."""
        kind = reason.rpartition(": ")[2]
        return self._settings.pii_types.get(kind, self._actions[gate]) if gate in _KINDS else self._actions[gate]

    def _kinds(self, action: str) -> Iterator[str]:
        for gate, kinds in _KINDS.items():
            yield from (kind for kind in kinds if self._settings.pii_types.get(kind, self._actions[gate]) == action)

    def ids(self, row: Row) -> list[str]:
        """Every id that a row has on its way: as it is read, as it is kept, and as a person corrected it."""
        kept = self._kept(row, {})[0].row
        found, decided = [row.id, kept.id], self._decisions.get(kept.id)
        if decided and decided.kind == CORRECT:
            with suppress(Rejected):
                right = corrected(kept, decided.output, self._making.contract)
                found += [right.id, self._kept(right, {})[0].row.id]
        return found

    def _without(self, row: Row) -> Row:
        """The row with placeholders for what is to be redacted; its id is that of what is left."""
        redact = Redaction(self._redacted, self._settings.regions)
        given, text = redact(row.input), redact(row.text)
        labels = self._making.contract.labels
        output, worse = (value if value in labels else redact(value) for value in (row.output, row.rejected))
        told = text if text is not None else output if worse is None else _both(output, worse)
        return replace(row, id=row_id(given, told), input=given, text=text, output=output, rejected=worse)

    def _traits(self, seen: Seen) -> tuple[str, ...]:
        label = self._making.contract.label(seen.row.output) if seen.row.output is not None else None
        license = license_name(seen, self._settings)
        found = {
            "label": label or "",
            "language": said(seen.fields.get("language") or seen.fields.get("lang")) or script(seen.text),
            "license": "" if license is None else license or "none",
            "tag": "\x1f".join(seen.row.tags),
            "words": str(min(len(seen.words), 1000)),
            "personal": "\x1f".join(sorted(seen.personal)),
            "nested": nested(seen.row.input),
        }
        return tuple(found[name] if name in found else said(seen.fields.get(name)) for name in self.traits)


def _both(output: Any, worse: Any) -> dict[str, Any]:
    """What the id of a row with a worse answer is made of, as `making` has it."""
    return {"chosen": output, "rejected": worse} if output is not None else {"rejected": worse}


def actions(settings: Settings) -> Mapping[str, str]:
    """Gate -> what it does, by the task or of itself."""
    gates = members("stages.data_gates", "DATA_GATE", DataGate)
    return {name: settings.gates.get(name, gate.action) for name, gate in gates.items()}


# ---------------------------------------------------------------- here, or in processes


def judge(judge: Judge, given: Iterable[Given], size: int) -> Iterator[Batch]:
    """Every batch in order. size: bytes of the sources; of many, two processes and more share the work."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 1
    if size < _POOLED or cores < 2:
        yield from map(judge.batch, _batches(given))
        return
    yield from _pooled(judge, given, cores)


def _batches(given: Iterable[Given]) -> Iterator[list[Given]]:
    batch: list[Given] = []
    for one in given:
        batch.append(one)
        if len(batch) == BATCH:
            yield batch
            batch = []
    if batch:
        yield batch


_judge: Judge  # of this process, where it is one of a pool


def _pooled(judge: Judge, given: Iterable[Given], cores: int) -> Iterator[Batch]:
    from concurrent.futures import Future, ProcessPoolExecutor
    from multiprocessing import get_context

    begin = (judge, os.getpid())
    with ProcessPoolExecutor(cores, get_context("fork"), _start, begin) as pool:
        waiting: deque[Future[Batch]] = deque()
        for batch in _batches(given):
            waiting.append(pool.submit(_work, batch))
            if len(waiting) > _AHEAD * cores:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()


def _start(judge: Judge, parent: int) -> None:
    global _judge
    _judge = judge
    os.environ["RAYON_NUM_THREADS"] = "1"
    threading.Thread(target=_die_with, args=(parent,), daemon=True).start()


def _work(batch: list[Given]) -> Batch:
    return _judge.batch(batch)


def _die_with(parent: int) -> None:
    """A stage that is killed leaves no process behind."""
    while os.getppid() == parent:
        time.sleep(1)
    os._exit(143)
