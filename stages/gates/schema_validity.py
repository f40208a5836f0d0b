"""Answers of the chosen model, as it is served, fit the contract."""

from __future__ import annotations

from functools import partial

from stages.catalog import Gate
from stages.evidence import conforms

GATE = Gate(
    "schema_validity", "answers fit the contract", partial(conforms, "schema_validity", "answers fit the contract")
)
