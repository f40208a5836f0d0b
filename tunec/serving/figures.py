"""What a server counts, in Prometheus' text format.

tunec_requests_total{code="200"}     answered requests, by status
tunec_answers_broken_total           answers that were not the contract's, and were not given out
tunec_answer_seconds                 a histogram of how long an answer took, waiting included
tunec_answer_tokens_total            tokens of the answers that were given out
tunec_requests_waiting               requests that are in the house now
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

BOUNDS = (0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)  # seconds


@dataclass
class Figures:
    """One server's counts since it started. Used by one thread: the server's loop."""

    codes: Counter[int] = field(default_factory=Counter)
    broken: int = 0
    tokens: int = 0
    waiting: int = 0
    seconds: float = 0.0
    within: Counter[float] = field(default_factory=Counter)

    def answered(self, seconds: float, tokens: int) -> None:
        self.seconds += seconds
        self.tokens += tokens
        self.within[next((bound for bound in BOUNDS if seconds <= bound), float("inf"))] += 1

    def text(self) -> str:
        return "\n".join([*self._counts(), *self._histogram()]) + "\n"

    def _counts(self) -> Iterator[str]:
        yield "# TYPE tunec_requests_total counter"
        yield from (f'tunec_requests_total{{code="{code}"}} {many}' for code, many in sorted(self.codes.items()))
        yield from ("# TYPE tunec_answers_broken_total counter", f"tunec_answers_broken_total {self.broken}")
        yield from ("# TYPE tunec_answer_tokens_total counter", f"tunec_answer_tokens_total {self.tokens}")
        yield from ("# TYPE tunec_requests_waiting gauge", f"tunec_requests_waiting {self.waiting}")

    def _histogram(self) -> Iterator[str]:
        """Buckets hold all that took no longer, as Prometheus wants them."""
        yield "# TYPE tunec_answer_seconds histogram"
        many = 0
        for bound in BOUNDS:
            many += self.within[bound]
            yield f'tunec_answer_seconds_bucket{{le="{bound:g}"}} {many}'
        total = sum(self.within.values())
        yield f'tunec_answer_seconds_bucket{{le="+Inf"}} {total}'
        yield from (f"tunec_answer_seconds_sum {self.seconds:.6f}", f"tunec_answer_seconds_count {total}")
