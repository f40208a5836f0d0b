"""Which label of a policy says that nothing is wrong."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from stages.judging import Judged

USUAL = ("none", "ok", "safe", "allowed", "allow", "compliant", "no_violation", "clean", "harmless", "benign")


def harmless(judged: Judged) -> tuple[bool, bool]:
    """Whether the row is expected, and said, to be harmless."""
    named = judged.terms.harmless_label
    expected, said = (label == named if named else label.lower() in USUAL for label in judged.labels)
    return expected, said
