"""Train rows -> pairs of a better and a worse answer, for methods that learn from preferences: a teacher answers each
input several times, and a judge ranks what it said.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from stages.asking import Ring, Wanted, Wish
from stages.augmenting import Made, Work, kept_row, tagged
from stages.counting import counted
from stages.judging_rows import Judge
from stages.kinds import PAIRED
from stages.progress import tell
from stages.reading.record import Record
from stages.rows import Row
from stages.teacher import Said

_BROKEN = -1  # points of an answer that breaks the contract: fewer than the judge gives any
_DIFFERENT = 0  # of one that differs from the row's own, where nobody judges: less than the own one's
_RIGHT = 1


@dataclass
class _Answer:
    """One answer to an input. points: how good it is; None where the judge gave no scores."""

    value: Any
    points: int | None


class Ranking:
    """Pairs out of the rows that are trained on, as far as the budget goes."""

    def __init__(self, work: Work, rows: Sequence[Row]) -> None:
        self._work, self._params, self._judged = work, work.params.pairs, work.params.judge.enabled
        ring = Ring(rows, work.params.seed)
        used = ring.rows[: self._params.rows]
        self.kind = Wanted(tag=PAIRED, count=len(used), difficulty="medium", edge_case=None)
        place = len(work.kinds)
        self._wishes = [Wish(place, self.kind, row, shown=ring.near(row, work.params.examples)) for row in used]
        making = work.asking.making.model_copy(update={"shape": "pairs"})
        self._look = Judge([tagged(PAIRED)], making, work.settings)
        self._many = self._params.answers or 0
        self.left = 0

    def ask(self) -> tuple[list[Made], list[Row]]:
        """What became of each row that was asked about, and the pairs, by id."""
        made, pairs = list[Made](), list[Row]()
        each = self._many + (self._many + 1) * self._judged
        while len(made) < len(self._wishes) and (many := self._work.room(each)):
            wave = [Made(wish) for wish in self._wishes[len(made) : len(made) + many]]
            pairs += self._wave(wave)
            made += wave
            tell(len(made), len(self._wishes), f"inputs answered anew, {counted(len(pairs), 'pair')}")
        self.left = len(self._wishes) - len(made)
        return made, sorted(pairs, key=lambda row: row.id)

    def _wave(self, wave: Sequence[Made]) -> Iterator[Row]:
        many = self._many
        wishes = [replace(one.wish, again=number) for one in wave for number in range(many)]
        questions = [self._work.question(wish) for wish in wishes]
        said = self._work.teacher.ask(questions)
        answers = []
        for place, one in enumerate(wave):
            one.request = questions[place * many].key
            answers.append(self._answers(one.wish.parent, said[place * many : (place + 1) * many]))
        if self._judged:
            self._rank(wave, answers)
        for one, given in zip(wave, answers, strict=True):
            found = self._pair(*given)
            if isinstance(found, str):
                one.reject("pairs", found)
            elif row := self._row(one, *found):
                yield row

    def _answers(self, row: Row, said: Sequence[Said]) -> list[_Answer]:
        """The row's own answer, and every other one that was given, once."""
        contract = self._work.asking.making.contract
        found = {contract.write(row.output): _Answer(row.output, _RIGHT)}
        for text in said:
            value = self._work.asking.output(text)
            if value is not None and contract.spell(value).strip():
                found.setdefault(
                    contract.spell(value), _Answer(value, _BROKEN if contract.errors(value) else _DIFFERENT)
                )
        return list(found.values())

    def _rank(self, wave: Sequence[Made], answers: Sequence[Sequence[_Answer]]) -> None:
        """The judge's points, for every answer that does not break the contract."""
        asked = [
            (one.wish, answer)
            for one, given in zip(wave, answers, strict=True)
            for answer in given
            if len(given) > 1 and answer.points != _BROKEN
        ]
        rows = [Row("", wish.parent.input, answer.value) for wish, answer in asked]
        for (_, answer), scores in zip(asked, self._work.scores([wish for wish, _ in asked], rows), strict=True):
            answer.points = sum(scores.values()) if scores else None

    def _pair(self, own: _Answer, *others: _Answer) -> tuple[_Answer, _Answer] | str:
        """The better and the worse answer, or why there are none."""
        ranked = sorted((answer for answer in others if answer.points is not None), key=_points)
        if not others:
            return "every answer of the teacher is the row's own"
        if own.points is None or not ranked:
            return "the judge gave no scores"
        best = max(own, ranked[-1], key=_points) if self._params.chosen == "best" else own
        worst = ranked[0]
        if _points(best) <= _points(worst):
            return "no answer is worse than the chosen one"
        margin = self._params.margin or 0
        if self._judged and worst.points != _BROKEN and _points(best) - _points(worst) < margin:
            return f"the answers are less than {margin} points apart"
        return best, worst

    def _row(self, one: Made, best: _Answer, worst: _Answer) -> Row | None:
        """The pair, if the gates let it through; otherwise `one` says why."""
        parent = one.wish.parent
        record = Record(0, {**parent.input, "chosen": best.value, "rejected": worst.value})
        (outcome,) = self._look.batch([(0, 0, record)]).outcomes
        if outcome.row is None:
            one.reject(*(outcome.rejected or ("", "")))
            return None
        row = kept_row(outcome.row.line)
        return replace(
            row,
            split=parent.split,
            parent=parent.parent or parent.id,
            group=parent.group,
            tags=(*parent.tags, *row.tags),
            when=parent.when,
            weight=parent.weight,
        )


def _points(answer: _Answer) -> int:
    return _BROKEN if answer.points is None else answer.points
