"""A worker's YAML is DVC's own: what it writes is the same data to DVC, and who asks cannot change what it knows."""

from __future__ import annotations

import io
from typing import Any

import pytest
from dvc.utils.serialize import _yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from tunec.executing import worker

WORDS = [
    "no",
    "yes",
    "on",
    "3:30",
    "1e-3",
    "2e-4",
    "1.0e-05",
    "012",
    "0o7",
    "0x1f",
    "1_000",
    "~",
    "null",
    "true",
    "",
]
TEXTS = st.one_of(st.sampled_from(WORDS), st.text(max_size=40), st.from_regex(r"[0-9a-f]{32}", fullmatch=True))
SCALARS = st.one_of(TEXTS, st.booleans(), st.none(), st.integers(), st.floats(allow_nan=False, allow_infinity=False))
DATA = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXTS, inner, max_size=4), max_leaves=12
)


@pytest.fixture(autouse=True)
def _slow(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker, "_slow_parse", _yaml.parse_yaml)


def same(left: Any, right: Any) -> bool:
    """Equal, and of the same kinds: True is not 1."""
    if isinstance(left, dict) and isinstance(right, dict):
        return list(left) == list(right) and all(same(left[key], right[key]) for key in left)
    if isinstance(left, list) and isinstance(right, list):
        return len(left) == len(right) and all(map(same, left, right))
    return type(left) is type(right) and left == right


@settings(max_examples=150, deadline=None)
@given(st.dictionaries(TEXTS, DATA, min_size=1, max_size=4))
def test_what_a_worker_writes_is_read_by_dvc(data: dict[str, Any]) -> None:
    out = io.StringIO()
    worker.dump(data, out)
    assert same(_yaml.parse_yaml(out.getvalue(), "dvc.lock"), data)


def test_what_is_broken_is_left_to_dvc_to_tell() -> None:
    with pytest.raises(_yaml.YAMLFileCorruptedError):
        worker.parse("a: [1", "x")


def test_a_text_that_is_known_is_another_object_every_time() -> None:
    first = worker.parse("a: {b: 1}\n", "x")
    first["a"]["b"] = 2
    assert worker.parse("a: {b: 1}\n", "x") == {"a": {"b": 1}}
