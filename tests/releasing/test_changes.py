"""What changed between two releases."""

from __future__ import annotations

import json
from typing import Any

from tunec.releasing import build
from tunec.releasing.changes import changes, config_changes


def manifest(longest: int) -> dict[str, Any]:
    return {"config": {"output_format": {"schema": json.dumps({"properties": {"day": {"maxLength": longest}}})}}}


def test_a_schema_that_stands_as_text_is_compared_part_by_part() -> None:
    assert list(config_changes(manifest(4), manifest(9))) == [("output_format.schema.properties.day.maxLength", 4, 9)]


def test_how_a_released_model_answers_is_more_than_how_it_is_measured() -> None:
    def weights(key: str) -> list[str]:
        before, after = (contract({}) for _ in range(2))
        before["config"]["evaluation"], after["config"]["evaluation"] = {key: 8}, {key: 120}
        return [change.level for change in changes(before, after)]

    assert weights("max_new_tokens") == ["minor"]
    assert weights("resamples") == ["patch"]


def contract(schema: dict[str, Any], *, as_text: bool = True) -> dict[str, Any]:
    in_order = json.dumps(schema) if as_text else schema
    said = {"type": "json", "schema": schema, "input_template": "{text}"}
    alike = {"dataset": {"id": "d", "rows": {}}, "base_model": {}, "files": {}, "build": {}, "code": {}}
    return {"contract": said, "config": {"output_format": {"schema": in_order}}, **alike}


def test_another_order_of_an_answers_fields_is_another_contract() -> None:
    one = {"properties": {"day": {"type": "string"}, "people": {"type": "string"}}}
    other = {"properties": {name: one["properties"][name] for name in ("people", "day")}}
    [change] = changes(contract(one), contract(other))
    assert (change.level, change.what) == ("major", "the contract's fields stand in another order")
    assert not changes(contract(one), contract(one))
    spaced = contract(one)
    spaced["config"]["output_format"]["schema"] = json.dumps(one, indent=2)
    assert not changes(contract(one), spaced), "however it is spaced"
    assert not changes(contract(one, as_text=False), contract(other)), "an older manifest holds it sorted"


def test_the_guard_of_an_older_release_is_none_of_its_stages() -> None:
    lock = b"schema: '2.0'\nstages:\n  guard: {cmd: tunec guard}\n  data: {cmd: tunec run data}\n"
    assert build.locked(lock) == {"data": {"cmd": "tunec run data"}}
    assert build.locked(b"stages: 7\n") == build.locked(None) == {}
