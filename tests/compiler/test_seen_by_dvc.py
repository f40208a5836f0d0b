"""DVC compares parameters as Python does: without regard to the order of keys, and true is 1. What is not the same task
must differ in its eyes too, or a build would be stale without a word.
"""

from __future__ import annotations

import pytest
import yaml

from tests.compiling import MINIMAL, compiled

FIELD = "people: {type: string}"


def changed(before: str, after: str) -> tuple[str, str]:
    """params.yaml without and with an edit of the minimal task."""
    assert before in MINIMAL
    return compiled(MINIMAL).params_yaml, compiled(MINIMAL.replace(before, after)).params_yaml


def schema(first: str, second: str) -> tuple[str, str]:
    return changed(FIELD, f"people: {first}")[1], changed(FIELD, f"people: {second}")[1]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        schema("{enum: [1]}", "{enum: [true]}"),
        schema("{enum: [0, a]}", "{enum: [false, a]}"),
        schema("{const: 1}", "{const: true}"),
        schema("{items: {const: 0}}", "{items: {const: false}}"),
        changed("threshold: 0.7", "threshold: 0.7\n  gates: {beats_baselines: false}"),
        changed("people: {type: string}\n    time: {type: string}", "time: {type: string}\n    people: {type: string}"),
    ],
)
def test_another_meaning_is_seen(one: str, other: str) -> None:
    assert yaml.safe_load(one) != yaml.safe_load(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        schema("{type: integer, minimum: 1}", "{type: integer, minimum: 1.0}"),
        schema("{type: string, maxLength: 9}", "{maxLength: 9, type: string}"),
        changed("threshold: 0.7", "threshold: 0.70"),
    ],
)
def test_another_spelling_compiles_to_the_same_bytes(one: str, other: str) -> None:
    assert one == other
