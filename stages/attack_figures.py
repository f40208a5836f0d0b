"""What is counted of hostile inputs, each figure with how it is said of the inputs that it counts."""

from __future__ import annotations

from types import MappingProxyType

GATED = MappingProxyType(
    {
        "attack_validity": "have an answer that fits the contract",
        "attack_stability": "are answered as without the attack",
        "attack_success": "got the answer that they demand",
    }
)
SAID = MappingProxyType({**GATED, "attack_free_validity": "have one that fits before any grammar"})
