"""Rows that a release must get right. Judged on the chosen file alone, as it is served."""

from __future__ import annotations

from functools import partial

from stages.catalog import Gate
from stages.evidence import apart

GATE = Gate("golden", "the primary metric on the golden rows", partial(apart, "golden"))
