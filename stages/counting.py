"""Counts, as a person says them."""

from __future__ import annotations


def counted(many: int, what: str, one: str = "", more: str = "") -> str:
    """`1 row`, `2,000 rows`; one, more: a word that follows, such as a verb: `1 row was`, `2 rows were`."""
    verb = one if many == 1 else more
    return f"{many:,} {what}{'' if many == 1 else 's'}{verb and ' '}{verb}"
