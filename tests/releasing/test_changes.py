"""What changed between two releases."""

from __future__ import annotations

import json
from typing import Any

from tunec.releasing import build
from tunec.releasing.changes import config_changes


def manifest(longest: int) -> dict[str, Any]:
    return {"config": {"output_format": {"schema": json.dumps({"properties": {"day": {"maxLength": longest}}})}}}


def test_a_schema_that_stands_as_text_is_compared_part_by_part() -> None:
    assert list(config_changes(manifest(4), manifest(9))) == [("output_format.schema.properties.day.maxLength", 4, 9)]


def test_the_guard_of_an_older_release_is_none_of_its_stages() -> None:
    lock = b"schema: '2.0'\nstages:\n  guard: {cmd: tunec guard}\n  data: {cmd: tunec run data}\n"
    assert build.locked(lock) == {"data": {"cmd": "tunec run data"}}
    assert build.locked(b"stages: 7\n") == build.locked(None) == {}
