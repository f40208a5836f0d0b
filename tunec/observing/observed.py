"""Everything that is to be seen of data files, in one look."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stages.rows import dumps
from stages.shapes import SPLIT_COLUMN, SPLITS
from tunec.observing.columns import NOTHING, Columns, Told, columns
from tunec.observing.contracts import Shown, shown
from tunec.observing.kinds import Kind, kind
from tunec.observing.languages import languages
from tunec.observing.rows import Rows, rows

_LOOKED = 2_000  # rows by which languages and copies are told: their shares are then known to two points
_FEWEST = 2  # of anything that is to be told apart
_PER_SIGN, _PER_LETTER = 2.0, 0.4  # tokens of a Chinese character, and of a letter, at most: small vocabularies


@dataclass(frozen=True)
class Observed:
    """files: below the workspace. looked, total: rows. languages: of the inputs, with their shares. tokens: of the
    longest row and the longest answer, at most. duplicates: rows that say what another says; conflicts: inputs that
    have several answers. copied: share of the words of answers that stand in their input. splits: those that rows name.
    personal: kind of personal data -> rows of those looked at.
    """

    files: tuple[str, ...]
    looked: int
    total: int
    unreadable: int
    reason: str | None
    columns: Columns
    contract: Shown
    kind: Kind | None
    languages: Mapping[str, float]
    tokens: tuple[int, int]
    duplicates: int
    conflicts: int
    copied: float
    splits: Mapping[str, int]
    personal: Mapping[str, int]

    @property
    def whole(self) -> bool:
        """Whether every row was looked at."""
        return self.total <= self.looked + self.unreadable

    @property
    def trainable(self) -> int:
        """Rows that may be trained on: those that name no other split. tunec.advising.parting says how many are."""
        other = sum(many for split, many in self.splits.items() if split != "train")
        return max(0, self.total - self.unreadable - round(other * self.total / max(1, self.looked)))

    @property
    def rarest(self) -> tuple[str, int] | None:
        """The label that the fewest rows have."""
        labels = self.contract.labels
        return min(labels.items(), key=lambda pair: (pair[1], pair[0])) if labels else None

    @property
    def language(self) -> str | None:
        """The language of most rows."""
        return next(iter(self.languages), None)


def observe(root: Path, files: Sequence[str], told: Told = NOTHING) -> Observed:
    """Look into files below `root`. told: what somebody said of the answers.

    Raises T302 for a file that is not of its format.
    """
    found = rows(root, files)
    seen = columns(found.fields, told)
    inputs = [_text(row, seen.inputs) for row in found.fields]
    answers = [row.get(seen.answer) if seen.answer else None for row in found.fields]
    contract = shown(answers, inputs)
    copied = _copied(answers, inputs)
    duplicates, conflicts = _doubles(inputs, answers)
    spoken = [_spelled(answer) for answer in answers if answer is not None]
    longest_answer = max(map(tokens, _longest(spoken)), default=0)
    return Observed(
        files=tuple(files),
        looked=len(found.fields),
        total=max(found.total, len(found.fields)),
        unreadable=found.unreadable,
        reason=found.reason,
        columns=seen,
        contract=contract,
        kind=kind(seen, contract, inputs, answers, copied),
        languages=languages(inputs[:: _step(inputs)]),
        tokens=(max(map(tokens, _longest(inputs)), default=0) + longest_answer, longest_answer),
        duplicates=duplicates,
        conflicts=conflicts,
        copied=copied,
        splits=_splits(found),
        personal=_personal(inputs[:: _step(inputs)]),
    )


def _text(row: Mapping[str, Any], names: Sequence[str]) -> str:
    return "\n".join(_spelled(row[name]) for name in names if row.get(name) is not None)


def _spelled(value: Any) -> str:
    return value if isinstance(value, str) else dumps(value)


def _step(items: Sequence[Any]) -> int:
    """Every how-manieth is looked at, so that the end of a file counts as its beginning does."""
    return max(1, len(items) // _LOOKED)


def _longest(texts: Sequence[str]) -> list[str]:
    """Those that may have the most tokens."""
    return sorted(texts, key=len)[-20:] + sorted(texts, key=lambda text: len(text.encode()))[-20:]


def tokens(text: str) -> int:
    """At most; more exact ones are the base model's to tell."""
    signs = sum(sign > "\u2e7f" for sign in text)
    return round(_PER_SIGN * signs + _PER_LETTER * (len(text) - signs)) + 1


def _doubles(inputs: Sequence[str], answers: Sequence[Any]) -> tuple[int, int]:
    """(rows that repeat another, inputs with different answers); blanks and case aside."""
    said: dict[str, Counter[str]] = {}
    for text, answer in zip(inputs, answers, strict=True):
        said.setdefault(" ".join(text.casefold().split()), Counter())[_spelled(answer)] += 1
    duplicates = sum(many - 1 for counts in said.values() for many in counts.values())
    return duplicates, sum(len(counts) >= _FEWEST for counts in said.values())


def _copied(answers: Sequence[Any], inputs: Sequence[str]) -> float:
    """Share of the texts inside answers that stand word for word in their input."""
    step, found, told = _step(inputs), 0, 0
    for answer, text in zip(answers[::step], inputs[::step], strict=True):
        for leaf in _leaves(answer):
            told += 1
            found += leaf.lower() in text.lower()
    return round(found / told, 3) if told else 0.0


def _leaves(value: Any) -> Iterator[str]:
    if isinstance(value, str) and value.strip():
        yield value
    elif isinstance(value, dict | list):
        for inner in value.values() if isinstance(value, dict) else value:
            yield from _leaves(inner)


def _splits(found: Rows) -> dict[str, int]:
    named = (SPLITS.get(str(row.get(SPLIT_COLUMN)).strip().lower()) for row in found.fields)
    return dict(sorted(Counter(filter(None, named)).items()))


def _personal(texts: Sequence[str]) -> dict[str, int]:
    """Kind -> rows. By form and check digit, as the data stage finds them; phone numbers aside, which take a library
    that is slow to load.
    """
    from stages.personal import find

    counts: Counter[str] = Counter()
    for text in texts[:_LOOKED]:
        counts.update({kind for kind, _, _ in find(text, ("US",))} if _hints(text) else ())
    return dict(sorted(counts.items()))


def _hints(text: str) -> bool:
    return "@" in text or sum(map(str.isdigit, text)) >= 9
