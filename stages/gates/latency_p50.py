"""Seconds of an answer, one row at a time: half are quicker. On the building machine."""

from __future__ import annotations

from functools import partial

from stages.catalog import Gate
from stages.evidence import measured

GATE = Gate("latency_p50", "seconds an answer, median", partial(measured, "latency_p50", "s an answer"))
