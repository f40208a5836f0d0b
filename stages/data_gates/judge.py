"""Rows that a model finds not good enough. How it is asked, stands in stages/row_judge.py."""

from __future__ import annotations

from stages.catalog import DataGate

DATA_GATE = DataGate("judge", "every row is good enough for a judge, whom data.judge names", "off")
