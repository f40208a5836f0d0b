"""Rows that wait for a person, and what the person said. Which ones wait, stands in stages/reviewing.py."""

from __future__ import annotations

from stages.catalog import DataGate

DATA_GATE = DataGate("review", "a person has looked at every row that data.review asks for", "warn")
