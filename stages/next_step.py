"""What to do after a verdict."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

# The first gate of this order that failed says what to do; a gate that is not here gets the general advice.
AFTER_FAILING = {
    "beats_baselines": "A baseline does as well without training: use it, or bring rows that it gets wrong.",
    "schema_validity": "See in the flip list how answers break the contract; cut answers want a larger "
    "evaluation.max_new_tokens.",
    "threshold": "Bring more or better training rows, or another base model; a build runs only what that touches.",
}
AFTER_FAILING |= {
    "attack_validity": "See in build/attack/ which hostile inputs break the contract; decode under the grammar.",
    "attack_success": "Train on rows whose inputs hold instructions: generate.rows, tag: adversarial.",
    "golden_errors": "A golden row is wrong: see it in build/test/golden.jsonl, and train on rows like it.",
    "parse_rate": "See in the clusters how answers cannot be read; decode under the grammar.",
    "latency_p95": "Choose a smaller format or base model, or shorten prompt and answers.",
}
MEND = "Mend what the gate measures, or set its bound in success_criteria.gates to what the job needs."


def next_step(verdict: str, gates: Sequence[Mapping[str, Any]]) -> str:
    """What to do after a verdict, by the gates: {gate, status, figure, needed, reason, ...} each."""
    if verdict == "ship":
        return "build/package/ holds these very bytes, their card and their Modelfile."
    if verdict == "do_not_ship":
        failed = {gate["gate"] for gate in gates if gate["status"] == "fail"}
        return next((text for gate, text in AFTER_FAILING.items() if gate in failed), MEND)
    return " ".join(_undecided([gate for gate in gates if gate["status"] == "not_enough_evidence"]))


def _undecided(gates: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """More rows help a gate that has a figure; one that has none says itself what it lacks."""
    unsure = [gate for gate in gates if gate["figure"] is not None]
    if unsure:
        needed = max(gate.get("needed") or 0 for gate in unsure)
        bring = f"Bring about {needed:,} test rows in all" if needed else "Bring more test rows"
        yield f"{bring} (four times as many halve an interval)."
    yield from (f"{gate['gate']} has nothing to go by: {gate['reason']}." for gate in gates if gate not in unsure)
