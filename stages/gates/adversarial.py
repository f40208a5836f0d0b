"""Rows that try to break the model. Judged on the chosen file alone, as it is served."""

from __future__ import annotations

from functools import partial

from stages.catalog import Gate
from stages.evidence import apart

GATE = Gate("adversarial", "the primary metric on the adversarial rows", partial(apart, "adversarial"))
