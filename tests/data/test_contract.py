"""The output contract: written once, read, checked and put into words the same everywhere."""

from __future__ import annotations

import socket
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stages.contract import Contract, Unreadable
from stages.equality import same
from stages.rows import dumps
from tests.data.nesting import schemas_and_values

LABELS = Contract(type="label", schema_={"enum": ["card arrival", "card", "refund", "7pm"]})
SLOTS = Contract(
    type="json",
    schema_={
        "type": "object",
        "additionalProperties": False,
        "required": ["people"],
        "properties": {
            "people": {"type": "string", "minLength": 1, "description": "how many"},
            "time": {"enum": ["noon", "night"]},
            "where": {"type": "object", "properties": {"town": {"type": "string"}, "street": {"type": "string"}}},
            "free": True,
            "notes": {"type": "array", "items": {"type": "object", "properties": {"b": {}, "a": {}}}},
        },
    },
)
ANYTHING = Contract(type="json", schema_={"$ref": "#/$defs/any", "$defs": {"any": {}}})
TEXT = Contract(type="text")
NODE = Contract(
    type="json",
    schema_={
        "type": "object",
        "required": ["size"],
        "properties": {
            "size": {"type": ["integer", "null"], "description": "how large"},
            "address": {"anyOf": [{"$ref": "#/$defs/address"}, {"type": "null"}], "description": "where"},
            "next": {"$ref": "#"},
        },
        "$defs": {"address": {"type": "object", "properties": {"street": {"type": "string"}}, "required": ["street"]}},
    },
)
CONTRACTS = (LABELS, SLOTS, ANYTHING, TEXT)

names = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=8)
plain = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | names
anything = st.recursive(
    plain, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=3), max_leaves=8
)
slots = st.fixed_dictionaries(
    {"people": names},
    optional={
        "time": st.sampled_from(["noon", "night"]),
        "free": anything,
        "where": st.fixed_dictionaries({}, optional={"street": names, "town": names}),
        "notes": st.lists(st.fixed_dictionaries({}, optional={"a": st.integers(), "b": names}), max_size=2),
    },
)
answers = st.one_of(
    st.tuples(st.just(LABELS), st.sampled_from(LABELS.labels)),
    st.tuples(st.just(SLOTS), slots),
    st.tuples(st.just(ANYTHING), anything),
    st.tuples(st.just(TEXT), names.map(str.strip).filter(bool)),
)
SETTINGS = settings(max_examples=150, deadline=None)


@SETTINGS
@given(answers)
def test_what_is_written_reads_back_and_is_valid(answer: tuple[Contract, Any]) -> None:
    contract, value = answer
    text = contract.write(value)
    assert same(contract.read(text), value)
    assert contract.valid(text) and not contract.errors(value)


@SETTINGS
@given(answers, st.randoms(use_true_random=False))
def test_an_answer_has_one_text_whatever_the_order_of_its_keys(answer: tuple[Contract, Any], chance: Any) -> None:
    contract, value = answer
    assert contract.write(shuffled(value, chance)) == contract.write(value)


def shuffled(value: Any, chance: Any) -> Any:
    if isinstance(value, dict):
        return {key: shuffled(value[key], chance) for key in chance.sample(list(value), len(value))}
    return [shuffled(inner, chance) for inner in value] if isinstance(value, list) else value


def test_keys_stand_in_the_order_of_the_schema_and_unknown_ones_after_them() -> None:
    value = {"z": 1, "notes": [{"a": 1, "b": 2}], "where": {"street": "s", "town": "t"}, "people": "2", "y": 0}
    assert SLOTS.write(value) == (
        '{"people": "2", "where": {"town": "t", "street": "s"}, "notes": [{"b": 2, "a": 1}], "y": 0, "z": 1}'
    )


@SETTINGS
@given(schemas_and_values(), st.randoms(use_true_random=False))
def test_keys_stand_in_the_order_of_the_schema_through_references_and_combinations(
    made: tuple[dict[str, Any], Any], chance: Any
) -> None:
    schema, value = made
    assert Contract(type="json", schema_=schema).write(shuffled(value, chance)) == dumps(value)


@pytest.mark.parametrize("reference", ["#/$defs/none", "#name", "#/properties/a/0", "elsewhere"])
def test_a_reference_to_nothing_gives_no_order(reference: str) -> None:
    schema = {"properties": {"b": {}, "a": {}}, "allOf": [{"$ref": reference}]}
    assert Contract(type="json", schema_=schema).write({"a": 1, "c": 2, "b": 3}) == '{"b": 3, "a": 1, "c": 2}'


@SETTINGS
@given(answers, st.text(" \t\n", max_size=3), st.integers(0, 400))
def test_no_valid_answer_begins_with_what_is_called_hopeless(
    answer: tuple[Contract, Any], blanks: str, cut: int
) -> None:
    contract, value = answer
    text = blanks + contract.write(value) + blanks
    assert contract.valid(text)
    assert not contract.hopeless(text[:cut])


@pytest.mark.parametrize(
    ("contract", "text", "hopeless"),
    [
        (LABELS, "", False),
        (LABELS, "car", False),
        (LABELS, "card ", False),
        (LABELS, "  card arr", False),
        (LABELS, "cat", True),
        (LABELS, "refund please", True),
        (LABELS, "The label is", True),
        (SLOTS, "", False),
        (SLOTS, " {", False),
        (SLOTS, "Here", True),
        (SLOTS, "```json", True),
        (SLOTS, "[", True),
        (ANYTHING, "Here", False),
        (TEXT, "Here", False),
    ],
)
def test_rambling_is_hopeless_as_soon_as_it_shows(contract: Contract, text: str, hopeless: bool) -> None:
    assert contract.hopeless(text) is hopeless


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "{'a': 1}",
        '{"a": NaN}',
        '{"a": 1, "a": 2}',
        '```json\n{"people": "2"}\n```',
        'Sure: {"people": "2"}',
        "[" * 5000,
    ],
)
def test_only_strict_json_can_be_read(text: str) -> None:
    with pytest.raises(Unreadable):
        SLOTS.read(text)
    assert not SLOTS.valid(text)


# A wrong value -> what is said of it. SECRET stands for what must not be printed.
WRONG: list[tuple[Contract, Any, list[str]]] = [
    (SLOTS, {}, ["the answer lacks people"]),
    (SLOTS, "SECRET", ["the answer is not of type object"]),
    (SLOTS, {"people": 7}, ["people is not of type string"]),
    (SLOTS, {"people": ""}, ["people breaks minLength: 1"]),
    (SLOTS, {"people": "2", "time": "SECRET"}, ["time is none of noon, night"]),
    (SLOTS, {"people": "2", "where": {"town": ["SECRET"]}}, ["where/town is not of type string"]),
    (SLOTS, {"people": "2", "party": "SECRET"}, ["the answer has the unknown field party"]),
    (LABELS, "SECRET", ["the answer is none of card arrival, card, refund, 7pm"]),
    (LABELS, ["SECRET"], ["the answer is none of card arrival, card, refund, 7pm"]),
    (TEXT, " \n", ["the answer is not a text, or is empty"]),
    (TEXT, {"a": "SECRET"}, ["the answer is not a text, or is empty"]),
    (Contract(type="json", schema_={"pattern": "^a$"}), "SECRET", ['the answer breaks pattern: "^a$"']),
    (Contract(type="json", schema_={"const": 1}), "SECRET", ["the answer breaks const: 1"]),
    (
        Contract(type="json", schema_={"not": {"type": "string"}}),
        "SECRET",
        ['the answer breaks not: {"type": "string"}'],
    ),
    (
        Contract(type="json", schema_={"patternProperties": {"^x": {}}, "additionalProperties": False}),
        {"x1": 1, "y": "SECRET"},
        ["the answer has the unknown field y"],
    ),
]


@pytest.mark.parametrize(("contract", "value", "said"), WRONG)
def test_what_is_wrong_is_told_by_path_and_never_by_value(contract: Contract, value: Any, said: list[str]) -> None:
    assert contract.errors(value) == said
    assert "SECRET" not in " ".join(said)


def test_a_reference_to_elsewhere_is_never_fetched(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Any] = []
    monkeypatch.setattr(socket, "getaddrinfo", lambda *args, **_: asked.append(args))
    monkeypatch.setattr(socket, "create_connection", lambda *args, **_: asked.append(args))
    contract = Contract(type="json", schema_={"$ref": "http://example.invalid/schema.json"})
    with pytest.raises(Exception, match=r"example\.invalid"):
        contract.errors({})
    assert not asked


@pytest.mark.parametrize("schema", [{"$ref": "#"}, {"anyOf": [{"$ref": "#"}]}])
def test_a_schema_without_end_ends_with_a_reason(schema: dict[str, Any]) -> None:
    assert Contract(type="json", schema_=schema).errors({"a": 1}) == ["the answer is nested too deep to be checked"]


def test_an_answer_nested_deeper_than_python_goes_is_invalid_and_crashes_nothing() -> None:
    contract = Contract(type="json", schema_={"type": "array", "items": {"$ref": "#"}})
    assert not contract.valid("[" * 900 + "1" + "]" * 900)


@pytest.mark.parametrize(
    ("contract", "words"),
    [
        (LABELS, "Answer with exactly one of these labels and nothing else: card arrival, card, refund, 7pm."),
        (TEXT, "Answer with the text alone."),
        (
            SLOTS,
            "Answer with one JSON object and nothing else. Leave out an optional field that does not apply. Fields:\n"
            "- people (string, required): how many\n"
            '- time ("noon" or "night", optional)\n'
            "- where (object, optional)\n"
            "- where.town (string, optional)\n"
            "- where.street (string, optional)\n"
            "- free (any, optional)\n"
            "- notes (array, optional)\n"
            "- notes[].b (any, optional)\n"
            "- notes[].a (any, optional)",
        ),
        (
            NODE,
            "Answer with one JSON object and nothing else. Leave out an optional field that does not apply. Fields:\n"
            "- size (integer or null, required): how large\n"
            "- address (object or null, optional): where\n"
            "- address.street (string, required)\n"
            "- next (object, optional)",
        ),
        (
            Contract(type="json", schema_={"type": "array"}),
            'Answer with JSON that fits this JSON Schema, and nothing else: {"type": "array"}',
        ),
    ],
)
def test_the_contract_in_words(contract: Contract, words: str) -> None:
    assert contract.describe() == words


def test_every_kind_of_contract_is_tried_above() -> None:
    assert {contract.type for contract in CONTRACTS} == {"json", "label", "text"}
