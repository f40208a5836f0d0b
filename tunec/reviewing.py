"""`tunec data review`: a person goes through the rows that wait, and every answer is kept at once.

In a terminal a row is shown as it stands, for that is what is decided on; a list, which may end in a log, hides what is
personal. Either way nothing in a row moves the cursor or looks like a line of ours.
"""

from __future__ import annotations

import getpass
import json
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stages.contract import Contract
from stages.counting import counted
from stages.data import DataParams
from stages.decisions import ACCEPT, CORRECT, REJECT, Decision, add, corrected, read_decisions
from stages.diagnostics import fail
from stages.kinds import PERSONAL, SECRETS
from stages.likeness import said
from stages.making import Rejected
from stages.personal import Redaction
from stages.rows import Row, read_jsonl
from stages.strict_json import strict_json
from stages.wording import tame
from tunec import git
from tunec.compiling import compile_workspace

WAITING = Path("build", "data", "review.jsonl")
_LONGEST, _SHORT = 8_000, 240  # characters of a value that are shown, of a row in a list
_HIDDEN = frozenset((*PERSONAL, *SECRETS))
_WORDS = {"output": "the answer", "rejected": "the answer not to give", "text": "the text"}
_QUESTION = "accept, reject, correct, skip or quit? [a/r/c/s/q] "
Ask = Callable[[str], str]


@dataclass(frozen=True)
class Review:
    """What waits, and where decisions go. file: as the task names it. rows: lines of build/data/review.jsonl.
    regions: whose phone numbers are known, as data.pii has them.
    """

    root: Path
    file: str
    contract: Contract
    rows: Sequence[dict[str, Any]]
    regions: tuple[str, ...] = ()

    def hidden(self) -> Redaction:
        """What takes all that is personal, and every secret, out of one row."""
        return Redaction(_HIDDEN, self.regions)

    def keep(self, decision: Decision) -> bool:
        """Add it to the file. Raises T899 where that cannot be written."""
        try:
            add(self.root / self.file, decision)
        except OSError as error:
            message = f"{self.file} cannot be written: {error.strerror}"
            raise fail("T899", message, help="see that `data.review.file` is a file that you may write") from None
        return True


def look(root: Path) -> Review:
    """The rows that still wait. Raises T899 without `data.review`, T407 before a build, T894 for bad decisions."""
    compiled = compile_workspace(root, [])
    asked = compiled.task.data.review
    if asked is None:
        help = "write `review: {share: 0.02}` in `data`, and run `tunec build data`"
        raise fail("T899", "the task asks for no review", help=help, file="task.yaml")
    if not (root / WAITING).is_file():
        raise fail("T407", "nothing has been built here yet", help="run `tunec build data`")
    decided = read_decisions(root / asked.file) if (root / asked.file).is_file() else {}
    rows = [row for row in read_jsonl(root / WAITING) if row["id"] not in decided]
    params = DataParams(**compiled.plan["data"].params)
    return Review(root, asked.file, params.making.contract, rows, params.settings.regions)


def name(root: Path) -> str:
    """Who decides: git's user.name, or else the user's own."""
    return tame(git.user(root) or getpass.getuser())


# ---------------------------------------------------------------- a list


def listed(review: Review) -> str:
    """What waits, with nothing personal in it, and how to decide by hand."""
    if not review.rows:
        return "no row waits"
    lines = [f"{_place(row)}\n    {_short(row, review.hidden())}" for row in review.rows]
    by_hand = [
        f"decide in a terminal with `tunec data review`, or add lines to {review.file}:",
        '{"id": ROW, "decision": "accept" or "reject", "by": NAME}',
        '{"id": ROW, "decision": "correct", "output": THE RIGHT ANSWER, "by": NAME}',
    ]
    return tame("\n".join([*lines, "", *by_hand]))


def as_json(review: Review) -> list[dict[str, Any]]:
    return [{**row, **_safe(row, review.hidden())} for row in review.rows]


_SAID = ("input", "output", "rejected", "text")


def _place(row: dict[str, Any]) -> str:
    return f"{row['file']}:{row['line']}: {row['id']}: {'; '.join(row['why'])}"


def _safe(row: dict[str, Any], hidden: Redaction) -> dict[str, Any]:
    """What the row says, with nothing personal in it."""
    return {key: hidden(row[key]) for key in _SAID if key in row}


def _short(row: dict[str, Any], hidden: Redaction) -> str:
    text = " ".join(" -> ".join(map(said, _safe(row, hidden).values())).split())
    return text if len(text) <= _SHORT else f"{text[:_SHORT]}…"


# ---------------------------------------------------------------- one after the other


def in_a_terminal() -> bool:
    return sys.stdin.isatty() and sys.stdout.isatty()


def walk(review: Review, by: str, ask: Ask = input, show: Callable[[str], None] = print) -> str:
    """Show each row and keep what is decided; returns how far it came. Ctrl-C loses nothing that was answered."""
    decided = 0
    for number, row in enumerate(review.rows, 1):
        show(tame("\n".join(_shown(row, number, len(review.rows)))))
        kept = _answered(review, row, by, ask, show)
        if kept is None:
            break
        decided += kept
    left = len(review.rows) - decided
    then = f"; `tunec build` goes by {review.file}, which belongs into git" if decided else ""
    return f"{decided} decided, {left} {'waits' if left == 1 else 'wait'}{then}"


def _answered(review: Review, row: dict[str, Any], by: str, ask: Ask, show: Callable[[str], None]) -> bool | None:
    """Whether the row was decided on; None to end here."""
    while True:
        try:
            key = ask(_QUESTION).strip().lower()[:1]
        except EOFError:
            key = "q"
        if key in ("q", "s"):
            return None if key == "q" else False
        if key in ("a", "r"):
            return review.keep(Decision(row["id"], ACCEPT if key == "a" else REJECT, by))
        if key == "c" and (right := _right(review, row, ask, show)) is not None:
            return review.keep(Decision(row["id"], CORRECT, by, right))


def _right(review: Review, row: dict[str, Any], ask: Ask, show: Callable[[str], None]) -> Any:
    """The right answer as it is typed, once it fits the contract; None where nothing is typed."""
    kind = {"label": f"one of {', '.join(review.contract.labels)}", "text": "a text"}
    while True:
        try:
            typed = ask(f"the right answer, {kind.get(review.contract.type, 'as JSON on one line')}: ").strip()
        except EOFError:
            return None
        if not typed:
            return None
        try:
            right = _meant(typed, review.contract)
            corrected(_row(row), right, review.contract)
            return right
        except (Rejected, ValueError, RecursionError) as why:
            show(tame(f"that cannot be the answer: {why}"))


def _meant(typed: str, contract: Contract) -> Any:
    """A label or a text as it stands, or in JSON's quotes; anything else is JSON. Raises ValueError."""
    if contract.type == "json":
        return strict_json(typed)
    quoted = len(typed) > 1 and typed[0] == typed[-1] == '"'
    return strict_json(typed) if quoted else typed


def _row(told: dict[str, Any]) -> Row:
    return Row(told["id"], told.get("input", {}), told.get("output"), None, None, (), *map(told.get, _SAID[2:]))


def _shown(row: dict[str, Any], number: int, many: int) -> Iterator[str]:
    """Lines for a terminal; a bar stands before every line of what the row says."""
    yield f"\n{number} of {many}: {row['file']}:{row['line']} ({row['id']})"
    yield from (f"  why: {why}" for why in row["why"])
    given = row.get("input", {}).items()
    for key, value in (*given, *((name, row[key]) for key, name in _WORDS.items() if key in row)):
        text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, indent=2)
        more = f"… and {counted(len(text) - _LONGEST, 'character')} more" if len(text) > _LONGEST else ""
        yield f"  {key}:"
        yield from (f"    | {line}" for line in [*text[:_LONGEST].split("\n"), *filter(None, [more])])
