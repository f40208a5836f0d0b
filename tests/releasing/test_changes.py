"""What changed between two releases."""

from __future__ import annotations

import json
from typing import Any

from tunec.releasing.changes import config_changes


def manifest(longest: int) -> dict[str, Any]:
    return {"config": {"output_format": {"schema": json.dumps({"properties": {"day": {"maxLength": longest}}})}}}


def test_a_schema_that_stands_as_text_is_compared_part_by_part() -> None:
    assert list(config_changes(manifest(4), manifest(9))) == [("output_format.schema.properties.day.maxLength", 4, 9)]
