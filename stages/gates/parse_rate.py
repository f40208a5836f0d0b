"""Answers of the chosen model, as it is served, can be read at all."""

from __future__ import annotations

from functools import partial

from stages.catalog import Gate
from stages.evidence import conforms

GATE = Gate("parse_rate", "answers can be read", partial(conforms, "parse_rate", "answers can be read"))
