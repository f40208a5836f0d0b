"""The registry's lines are only added: every other change of them is known."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stages.diagnostics import UserError
from tunec.releasing.registry import added, broken, read


def three() -> bytes:
    text: bytes | None = None
    for n in range(3):
        text = added(text, {"release": f"v{n}", "note": "a\u2028b"})
    assert text is not None
    return text


def test_lines_come_back_as_they_were_added() -> None:
    assert [line["release"] for line in read(three(), "releases.jsonl")] == ["v0", "v1", "v2"]
    assert read(None, "releases.jsonl") == []


@settings(max_examples=300, deadline=None)
@given(at=st.integers(0, 10**6), change=st.integers(1, 255))
def test_any_byte_that_changes_before_the_last_line_breaks_the_chain(at: int, change: int) -> None:
    text = bytearray(three())
    end = text.rstrip(b"\n").rfind(b"\n")
    text[at % end] ^= change
    assert broken(bytes(text)) is not None


@pytest.mark.parametrize(
    ("edit", "number"),
    [
        (lambda lines: lines[1:], 1),
        (lambda lines: [lines[0], lines[2]], 2),
        (lambda lines: [lines[1], lines[0], lines[2]], 1),
        (lambda lines: [lines[0], lines[0], *lines[1:]], 2),
        (lambda lines: [*lines, b"{}"], 4),
        (lambda lines: [*lines, b"[1]"], 4),
        (lambda lines: [*lines, b"no"], 4),
        (lambda lines: [*lines, b""], 4),
    ],
)
def test_a_line_that_is_dropped_moved_or_made_up_is_named(edit: object, number: int) -> None:
    lines = three().split(b"\n")[:-1]
    found = broken(b"\n".join(edit(lines)) + b"\n")  # type: ignore[operator]
    assert found is not None and found.number == number


def test_a_file_that_was_cut_off_is_named_and_refused() -> None:
    with pytest.raises(UserError) as refused:
        read(three()[:-5], "registry/releases.jsonl")
    (found,) = refused.value.diagnostics
    assert (found.code, found.span.line if found.span else None) == ("T456", 3)


def test_a_line_names_the_hash_of_the_one_before() -> None:
    first, second, _ = (json.loads(line) for line in three().split(b"\n")[:-1])
    assert first["previous"] is None and len(second["previous"]) == 64
