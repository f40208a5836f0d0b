"""Our block YAML is PyYAML's, byte for byte."""

from __future__ import annotations

from typing import Any

import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from compiler.blocks import _Dumper, block

TEXTS = st.one_of(
    st.text(max_size=30),
    st.sampled_from(
        [
            "no",
            "tunec run x-1",
            "a - b",
            "on off",
            "3:30",
            "a: b",
            "- a",
            "1e-3",
            "two\nlines",
            "ends\n",
            "ends\n\n",
            "x \ny",
            "#",
            "@",
            "",
            "é",
        ]
    ),
)
KEYS = st.one_of(st.from_regex(r"[a-z_][a-z0-9_.-]{0,20}", fullmatch=True), TEXTS)
SCALARS = st.one_of(TEXTS, st.booleans(), st.none(), st.integers(), st.floats(allow_nan=False))
DATA = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS, inner, max_size=4), max_leaves=15
)


@settings(max_examples=300, deadline=None)
@given(st.dictionaries(KEYS, DATA, min_size=1, max_size=4))
def test_a_mapping_is_written_as_pyyaml_writes_it(value: dict[str, Any]) -> None:
    theirs = yaml.dump(value, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=10_000)
    assert block(value) == theirs
