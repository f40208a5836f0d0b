"""What is read of methods and adapters without running them is what they are."""

from __future__ import annotations

from stages import facts
from stages.catalog import Adapter, Method, members


def test_the_facts_of_a_method_are_its_own() -> None:
    known = members("stages.methods", "METHOD", Method)
    assert {name: (found.rows, found.keys) for name, found in facts.methods().items()} == {
        name: (method.rows, method.keys) for name, method in known.items()
    }
    assert len(known) == 6


def test_the_facts_of_an_adapter_are_its_own() -> None:
    known = members("stages.adapters", "ADAPTER", Adapter)
    assert {name: found.keys for name, found in facts.adapters().items()} == {
        name: adapter.keys for name, adapter in known.items()
    }
    assert set(known) == {"lora", "qlora", "full"}
