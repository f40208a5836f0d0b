"""The gate `judge`: a model scores the rows that every other gate let through and that may be trained on.

It sees what of a row is kept: nothing that was to be redacted, and in the place of a secret a placeholder. Rows that
the data names dev, test, golden, adversarial or holdout are not sent, and neither are those that a person has decided
on. Where the data names no split, the rows that later become dev and test are looked at like all others: rows are
parted after this.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from stages.corpus import Corpus, Finding
from stages.engines.endpoint import Endpoint
from stages.journal import Journal
from stages.kinds import SCORES, SECRETS
from stages.personal import Redaction
from stages.progress import tell
from stages.prompts import Template
from stages.rows import Row
from stages.rubric import refused, scores
from stages.second_looks import Judging
from stages.teacher import Pace, Question, Said, Teacher, room

TRANSCRIPT = Path("build", "transcripts", "data.jsonl")  # of all builds; DVC knows nothing of it
# There is no example that a row could be a copy of.
_SCALES = {**SCORES, "diversity": "1 says what a hundred others would, 3 some variation, 5 a case that is seldom seen"}


@dataclass
class Verdict:
    """What a judge made of the rows. left: how many were not asked for, because the budget was used up. scores: their
    sums, over the rows that got some.
    """

    asked: int = 0
    left: int = 0
    scored: int = 0
    requests: int = 0
    tokens: int = 0
    scores: Counter[str] = field(default_factory=Counter)
    findings: list[Finding] = field(default_factory=list)

    def json(self) -> dict[str, Any]:
        means = {name: round(self.scores[name] / self.scored, 3) for name in SCORES} if self.scored else {}
        told = {"asked": self.asked, "not_asked": self.left, "requests": self.requests, "tokens": self.tokens}
        return {**told, "scores": means}


def judged(
    corpus: Corpus, asked: Judging, regions: tuple[str, ...], prompt: Path | None, decided: Collection[int]
) -> Verdict:
    """Ask for the scores of each row, in the order of their ids, as far as the budget goes.

    regions: as data.pii has them. prompt: the workspace's own. decided: places of rows that a person has decided on.
    Raises T748 for a prompt, and T720 to T722 when the endpoint cannot be asked; what it said until then is kept.
    """
    places = sorted(set(corpus.trainable().tolist()).difference(decided), key=lambda place: (corpus.ids[place], place))
    waiting = [place for place in places if corpus.row(place).answered]
    budget = asked.budget
    asking = _Asking(asked, Template.read(prompt, "data_judge.jinja"), corpus.contract.describe(), regions)
    endpoint = (asked.endpoint, asked.model, asked.key_env, asked.timeout)
    far = Endpoint(*endpoint, where="data.judge", tries=asked.retries + 1)
    found = Verdict()
    with closing(Teacher(far, Journal(TRANSCRIPT), Pace(asked.requests_per_minute))) as teacher:
        while found.asked < len(waiting) and (many := room(budget.requests, budget.tokens, [teacher])):
            wave = waiting[found.asked : found.asked + many]
            said = teacher.ask([asking.question(corpus.row(place)) for place in wave])
            found.findings += _found(wave, said, asked, found)
            found.asked += len(wave)
            tell(found.asked, len(waiting), f"rows judged, {len(found.findings)} not good enough")
        found.left, found.requests, found.tokens = len(waiting) - found.asked, teacher.requests, teacher.tokens
    return found


def _found(wave: list[int], said: list[Said], asked: Judging, found: Verdict) -> Iterator[Finding]:
    for place, answer in zip(wave, said, strict=True):
        given = scores(answer.text or "")
        if given is None:
            yield place, "the judge gave no scores", None
            continue
        found.scored += 1
        found.scores.update(given)
        if why := refused(given, asked.total, asked.least):
            yield place, why, None


@dataclass(frozen=True)
class _Asking:
    asked: Judging
    template: Template
    contract: str
    regions: tuple[str, ...]

    def question(self, row: Row) -> Question:
        hidden = Redaction(frozenset(SECRETS), self.regions)
        values = {
            **self.asked.about.model_dump(),
            "contract": self.contract,
            "row": {"input": hidden(row.input), "output": hidden(row.output)},
            "rubric": [{"name": name, "scale": scale} for name, scale in _SCALES.items()],
        }
        messages = [{"role": "user", "content": self.template.fill(values)}]
        settings = {"model": self.asked.model, "max_tokens": self.asked.max_tokens, "temperature": 0}
        return Question("judge", row.id, self.asked.endpoint, {"messages": messages, **settings})
