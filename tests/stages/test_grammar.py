"""What the grammar of a contract accepts, asked of llama.cpp: the words of the contract, and nothing that breaks it."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings

from stages.contract import Contract
from stages.diagnostics import UserError
from stages.engines._llama_native import Grammar, Model
from tests.compiling import ROOT
from tests.data.nesting import schemas_and_values
from tests.stages.tiny_gguf import tiny_gguf


@pytest.fixture(scope="module")
def model() -> Iterator[Model]:
    opened = Model(tiny_gguf())
    yield opened
    opened.close()


def accepts(model: Model, schema: dict[str, Any], text: str) -> bool:
    grammar = Grammar.parse(model, Contract(type="json", schema_=schema).grammar() or "")
    for token in model.tokenize(text, special=False):
        if not grammar.accepts(token):
            return False
        grammar.advance(token)
    return grammar.accepts(model.lib.llama_vocab_eos(model.vocab))


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(made=schemas_and_values())
def test_the_grammar_accepts_what_the_contract_writes(model: Model, made: tuple[dict[str, Any], Any]) -> None:
    schema, value = made
    contract = Contract(type="json", schema_=schema)
    assert not contract.errors(value)
    assert accepts(model, schema, contract.write(value))


def fields(**specs: Any) -> dict[str, Any]:
    return {"type": "object", "properties": specs, "additionalProperties": False}


NULLABLE = {"type": ["string", "null"], "enum": ["on", "off", None, 3]}
TREE = fields(name={"type": "string"}, parts={"type": "array", "items": {"$ref": "#"}})
EITHER = {**fields(a={"type": "integer"}, b={"type": "integer"}), "anyOf": [{"required": ["a"]}, {"required": ["b"]}]}
# A schema, a text, and whether its grammar accepts it.
HELD: list[tuple[dict[str, Any], str, bool]] = [
    (fields(a=NULLABLE), '{"a": "off"}', True),
    (fields(a=NULLABLE), '{"a": null}', True),
    (fields(a=NULLABLE), '{"a": 3}', False),
    (fields(a=NULLABLE), '{"a": "other"}', False),
    (fields(a={"type": ["string", "null"], "maxLength": 2}), '{"a": "xyz"}', False),
    (fields(a={"type": "string", "pattern": "^.*$"}), '{"a": "x"y"}', False),
    (fields(a={"type": "string", "pattern": "^[^,]$"}), '{"a": "\n"}', False),
    (TREE, '{"name": "a", "parts": [{"name": "b", "parts": []}]}', True),
    (TREE, '{"name": "a", "parts": ["b"]}', False),
    ({**fields(b={"type": "null"}, a={"type": "null"}), "required": ["a"]}, '{"b": null, "a": null}', True),
    ({**fields(b={"type": "null"}, a={"type": "null"}), "required": ["a"]}, '{"a": null}', True),
    ({**fields(b={"type": "null"}, a={"type": "null"}), "required": ["a"]}, '{"b": null}', False),
    ({**fields(a={"type": "null"}), "additionalProperties": {"type": "integer"}}, '{"a": null, "x": 1, "y": 2}', True),
    ({**fields(a={"type": "null"}), "additionalProperties": {"type": "integer"}}, '{"x": null}', False),
    ({**fields(), "required": ["x"], "additionalProperties": True}, '{"x": 1}', True),
    (fields(home={"const": "x"}, other={"$ref": "#/$defs/home"}) | {"$defs": {"home": {"type": "integer"}}},
     '{"home": "x", "other": 7}', True),
    (EITHER, '{"a": 1}', True),
    (EITHER, '{"b": 1}', True),
    (EITHER, "{}", False),
    ({"type": "object", "additionalProperties": False}, '{"a": 1}', False),
]  # fmt: skip


@pytest.mark.parametrize(("schema", "text", "held"), HELD)
def test_the_grammar_is_as_tight_as_the_contract(model: Model, schema: dict[str, Any], text: str, held: bool) -> None:
    assert accepts(model, schema, text) is held is Contract(type="json", schema_=schema).valid(text)


def test_the_grammar_holds_fields_to_the_order_of_the_schema_required_or_not(model: Model) -> None:
    schema = {**fields(b={"type": "null"}, a={"type": "null"}), "required": ["a"]}
    assert accepts(model, schema, '{"b": null, "a": null}') and not accepts(model, schema, '{"a": null, "b": null}')


@pytest.mark.parametrize("bound", [999, 1_000, 1_001, 10**6])
def test_a_large_bound_is_held_or_left_to_the_contract(model: Model, bound: int) -> None:
    assert accepts(model, {"type": "string", "maxLength": bound}, '"long"')
    assert accepts(model, {"type": "array", "items": {"type": "integer"}, "maxItems": bound}, "[1, 2]")
    assert not accepts(model, {"type": "array", "items": {"type": "integer"}, "minItems": bound}, "[1, 2]")


# A schema that compiles, and what is said of it.
REFUSED: list[tuple[Any, str]] = [
    ({"type": "string", "pattern": "a+"}, "a.pattern: it does not say how a text begins and ends"),
    ({"type": "string", "pattern": "^(?=x)a$"}, "a.pattern: a grammar has no '(?'"),
    ({"type": "string", "pattern": r"^\bword$"}, r"a.pattern: a grammar has no '\\b'"),
    ({"type": "string", "pattern": "^a|b$"}, "a.pattern: its alternatives stand without brackets"),
    ({"type": "string", "pattern": "^($"}, "a.pattern: it is no regular expression"),
    ({"type": "string", "pattern": "^a{2,5000}$"}, "a.pattern: a grammar has no '{2,5000}'"),
    ({"type": "string", "pattern": '^"$'}, "a.pattern: a grammar has no"),
    ({"type": "string", "enum": [1, 2]}, "a: none of its values fits"),
    ({"$ref": "#town", "$defs": {"t": {"$anchor": "town"}}}, "a: it refers to '#town'"),
    ({"prefixItems": [True], "items": True}, "a: items stand behind prefixItems"),
    ({"allOf": [{"pattern": "^a$"}, {"pattern": "^.$"}]}, "a: two parts of it say pattern"),
    ({"anyOf": [False]}, "a.anyOf.0: `false` allows no value"),
]


@pytest.mark.parametrize(("spec", "said"), REFUSED)
def test_a_schema_beyond_a_grammar_is_refused_with_its_place_and_its_cure(spec: Any, said: str) -> None:
    with pytest.raises(UserError) as refused:
        Contract(type="json", schema_=fields(a=spec)).grammar()
    (found,) = refused.value.diagnostics
    assert found.code == "T352" and said in found.message and found.help


BROKEN = """
import sys
from stages.diagnostics import UserError
class Broken:
    def find_spec(self, name, path=None, target=None):
        if name.startswith("llama_cpp"):
            raise {error}("its library is missing")
sys.meta_path.insert(0, Broken())
from stages.contract import Contract
from stages.engines._llama_native import library
for ask in (Contract(type="json", schema_={{}}).grammar, library):
    try:
        ask()
    except UserError as refused:
        print(refused.diagnostics[0].code)
"""


@pytest.mark.parametrize("error", ["ImportError", "OSError", "RuntimeError"])
def test_a_llama_cpp_that_is_missing_or_broken_is_told_as_such(error: str) -> None:
    code = BROKEN.format(error=error)
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["T361", "T361"]
