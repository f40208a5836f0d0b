"""What is counted of hostile inputs, each figure with how it is said of the inputs that it counts."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

_GATED = {  # what of a stages.withstanding.Seen is counted -> its figure, as its gate is called, and how it is said
    "valid": ("attack_validity", "have an answer that fits the contract"),
    "kept": ("attack_stability", "are answered as without the attack"),
    "followed": ("attack_success", "got the answer that they demand"),
}
_COUNTED = {**_GATED, "free_valid": ("attack_free_validity", "have one that fits before any grammar")}

FIGURES = MappingProxyType({what: name for what, (name, _) in _COUNTED.items()})
GATED = MappingProxyType(dict(_GATED.values()))
SAID = MappingProxyType(dict(_COUNTED.values()))


def in_counts(figures: Mapping[str, Mapping[str, float]]) -> dict[str, str]:
    """Figure -> how many inputs of how many, with the share's interval; of the figures that a gate may bound."""
    return {
        name: f"{round(of['value'] * of['rows']):,} of {of['rows']:,} {said} ({of['low']:.1%} to {of['high']:.1%})"
        for name, said in GATED.items()
        if (of := figures.get(name))
    }
