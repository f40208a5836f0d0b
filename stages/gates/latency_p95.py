"""Seconds of an answer, one row at a time: 95% are quicker. On the building machine."""

from __future__ import annotations

from functools import partial

from stages.catalog import Gate
from stages.evidence import measured

GATE = Gate("latency_p95", "seconds an answer, 95th percentile", partial(measured, "latency_p95", "s an answer"))
