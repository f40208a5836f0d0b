"""Which label of a policy says that nothing is wrong."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from stages.judging import Judged, Label

USUAL = ("none", "ok", "safe", "allowed", "allow", "compliant", "no_violation", "clean", "harmless", "benign")


def harmless(judged: Judged) -> tuple[bool, bool | None]:
    """Whether the row is expected, and said, to be harmless; None where no label of the contract was said."""
    expected, said = judged.labels
    return _named(judged, expected), _named(judged, said) if _known(judged, said) else None


def _named(judged: Judged, label: Label) -> bool:
    named = judged.terms.harmless_label
    return label == named if named else str(label).lower() in USUAL


def _known(judged: Judged, label: Label) -> bool:
    schema = judged.schema or {}
    spec = schema if judged.field is None else schema.get("properties", {}).get(judged.field, {})
    return isinstance(label, str) and label in spec.get("enum", (label,))
