"""What `tunec data forget` takes away, and what it leaves for a person to do."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from stages.counting import counted


@dataclass
class Forgotten:
    """What goes, and what a person still has to do.

    lines: source file -> lines of records. ids: of their rows. objects: of DVC's cache. releases: trained on the rows.
    answers: what a teacher or judge said of the rows, and of such as are there no more, by file of build/transcripts/.
    staying: ids of the rows that it may be about. decisions: what persons said, by file. unread: files of decisions
    that name the rows, and that the task does not read. unreadable: file:line of records that hold the value, and that
    nobody can read.
    """

    column: str
    lines: dict[str, set[int]] = field(default_factory=dict)
    ids: set[str] = field(default_factory=set)
    outputs: list[str] = field(default_factory=list)
    objects: list[Path] = field(default_factory=list)
    answers: dict[Path, int] = field(default_factory=dict)
    staying: set[str] = field(default_factory=set)
    decisions: dict[str, int] = field(default_factory=dict)
    unread: list[str] = field(default_factory=list)
    unreadable: list[str] = field(default_factory=list)
    releases: list[str] = field(default_factory=list)
    tracked: list[str] = field(default_factory=list)
    shared: bool = False

    @property
    def rows(self) -> int:
        return sum(map(len, self.lines.values()))

    def json(self) -> dict[str, Any]:
        lines = {file: sorted(numbers) for file, numbers in sorted(self.lines.items())}
        return {
            "rows": self.rows,
            "lines": lines,
            "outputs": self.outputs,
            "objects": len(self.objects),
            "answers": sum(self.answers.values()),
            "decisions": sum(self.decisions.values()),
            "unread_decisions": self.unread,
            "unreadable": self.unreadable,
            "releases": self.releases,
            "tracked_by_git": self.tracked,
        }

    def text(self, *, done: bool) -> str:
        verb = "removed" if done else "would remove"
        lines = [f"{verb} {counted(len(numbers), 'row')} of {file}" for file, numbers in sorted(self.lines.items())]
        outputs, objects = counted(len(self.outputs), "output"), counted(len(self.objects), "object")
        lines += [f"{verb} {outputs} of the build and {objects} of DVC's cache"]
        if answers := sum(self.answers.values()):
            asked = counted(answers, "answer")
            lines += [f"{verb} {asked} of a teacher or judge about them, or about rows that are there no more"]
        lines += [
            f"{verb} {counted(many, 'decision')} about them from {file}"
            for file, many in sorted(self.decisions.items())
        ]
        lines += [f"{file} names them, and the task does not read it: take its lines out" for file in self.unread]
        lines += [f"{place} cannot be read, and holds the value: take the line out" for place in self.unreadable]
        lines += [f"trained on them: {name}; withdraw it, and release anew" for name in self.releases]
        lines += [f"{name} is in git's history: rewrite that, or keep data out of git" for name in self.tracked]
        lines += (
            ["other workspaces may use DVC's cache: nothing was removed there that they wrote"] if self.shared else []
        )
        return "\n".join([*lines, "`tunec build` makes the model without them"])
