"""Our reading of JSON Schema's own rules, against the library that applies them as they are published."""

from __future__ import annotations

import json
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from jsonschema.exceptions import SchemaError
from jsonschema_specifications import REGISTRY

from compiler.metaschema import flaws
from tests.mutating import SCHEMAS

VALUES: tuple[Any, ...] = (
    None, True, False, 0, 1, 2, -1, 1.0, 0.5, -0.5, 1e300, "", "a", "string", "no", "a b", "#a", "http://x/y", "a#",
    [], [""], ["a"], ["a", "a"], ["string"], ["string", "string"], ["string", "null"], [1], [True], [{}], [{}, {}],
    [None], {}, {"a": {}}, {"a": True}, {"a": 1}, {"a": []}, {"a": ["b"]}, {"a": ["b", "b"]}, {"a": {"type": "nope"}},
    {"": {}}, {"type": "string"}, {"type": 1}, [[]],
)  # fmt: skip
PARTS = ("core", "applicator", "unevaluated", "validation", "meta-data", "format-annotation", "content")
WORDS = sorted(
    {
        word
        for part in PARTS
        for word in REGISTRY[f"https://json-schema.org/draft/2020-12/meta/{part}"].contents["properties"]
    }
)
NOT_READ = {"$dynamicRef", "$recursiveRef"}
# Where the published rules go into URIs, and ours do not: nothing reads these.
LOOSER = {"$vocabulary"}


def published(schema: dict[str, Any]) -> bool:
    try:
        Draft202012Validator.check_schema(schema)
    except SchemaError:
        return False
    return True


@pytest.mark.parametrize("word", [word for word in WORDS if word not in NOT_READ | LOOSER])
def test_a_word_may_hold_what_the_published_rules_say(word: str) -> None:
    for value in VALUES:
        ours = [flaw for flaw in flaws({word: value}) if "refer" not in flaw.message]
        assert (not ours) == published({word: value}), (word, value, ours)


def test_every_word_of_the_draft_is_held_against_its_rule() -> None:
    assert len(WORDS) > 50 and {"properties", "minLength", "$ref", "prefixItems", "deprecated"} <= set(WORDS)


@pytest.mark.parametrize("schema", SCHEMAS, ids=lambda schema: json.dumps(schema)[:40])
def test_what_the_published_rules_refuse_is_refused(schema: dict[str, Any]) -> None:
    assert list(flaws(schema)) or published(schema)


def test_a_flaw_names_the_keys_that_lead_to_it() -> None:
    schema = {"properties": {"a": {"anyOf": [{"type": "string"}, {"maxLength": "9"}]}}}
    (flaw,) = flaws(schema)
    assert (flaw.at, flaw.help) == (("properties", "a", "anyOf", 1, "maxLength"), "write 9, without quotes")


@pytest.mark.parametrize(
    ("schema", "told"),
    [
        ({"additionalProperties": "no"}, "write a mapping such as {type: string}, or true or false"),
        ({"uniqueItems": "yes"}, "write true"),
        ({"minLength": "0x1F"}, "write 31: only decimal numbers are read"),
        ({"type": "strng"}, "did you mean `string`?"),
    ],
)
def test_the_help_says_what_to_write(schema: dict[str, Any], told: str) -> None:
    assert [flaw.help for flaw in flaws(schema)] == [told]


def chain(links: int, *, width: int = 1) -> dict[str, Any]:
    step = {f"a{n}": {"allOf": [{"$ref": f"#/$defs/a{n + 1}"}] * width} for n in range(links)}
    return {"$ref": "#/$defs/a0", "$defs": step | {f"a{links}": {"type": "string"}}}


def tree(links: int) -> dict[str, Any]:
    fields = {f"a{n}": {"properties": {x: {"$ref": f"#/$defs/a{n + 1}"} for x in "xy"}} for n in range(links)}
    return {"$ref": "#/$defs/a0", "$defs": fields | {f"a{links}": {"type": "string"}}}


@pytest.mark.parametrize(
    ("schema", "why"),
    [
        (chain(40, width=2), "stands for"),
        (tree(40), "stands for"),
        (chain(5_000), "leads on and on"),
        ({"$ref": "#"}, "without end"),
        ({"anyOf": [{"$ref": "#/anyOf/0"}]}, "without end"),
        ({"$ref": "#/nope"}, "which it lacks"),
        ({"$ref": "#a", "$anchor": "a"}, "which it lacks"),
    ],
)
def test_a_reference_that_multiplies_or_leads_nowhere_is_refused(schema: dict[str, Any], why: str) -> None:
    assert [why in flaw.message for flaw in flaws(schema)][:1] == [True]


@pytest.mark.parametrize(
    "schema",
    [
        {
            "$ref": "#/$defs/n",
            "$defs": {"n": {"properties": {"left": {"$ref": "#/$defs/n"}, "right": {"$ref": "#/$defs/n"}}}},
        },
        {"properties": {f"f{n}": {"$ref": "#/$defs/a"} for n in range(300)}, "$defs": {"a": {"enum": ["x", "y"]}}},
        {"anyOf": [{"properties": {"name": {"const": f"tool{n}"}}} for n in range(300)]},
        chain(50),
    ],
)
def test_ordinary_references_are_fine(schema: dict[str, Any]) -> None:
    assert not list(flaws(schema))
