"""For any file: every key is told once, and what is written reads back as what was meant."""

from __future__ import annotations

import re
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from compiler.parse import Node, parse
from tests.importing.places import CASES, HERE
from tunec.importing import axolotl, llamafactory, shared, targets
from tunec.importing.draft import Draft
from tunec.importing.ledger import Ledger, Reason, leaves
from tunec.importing.place import Place
from tunec.importing.reading import read
from tunec.importing.writing import flow, write

MANY = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def spelled(reasons: tuple[Reason, ...]) -> list[str]:
    names = {key.split(".")[-1].replace("*", "x") for reason in reasons for key in reason.keys.split()}
    return sorted(name for name in names if re.fullmatch(r"\w+", name))


def keys_of(format: str) -> list[str]:
    """Keys that real files have, and those of the tables."""
    used = {key for case in CASES if case.parent.name == format for key in read(case / "config.yaml").value}
    return sorted(used | set(spelled(axolotl.REASONS if format == "axolotl" else llamafactory.REASONS)))


texts = st.one_of(
    st.sampled_from(
        ["lora", "qlora", "full", "dpo", "pt", "a/b", "data/x.jsonl", "../x", "${HOME}", "", "none", "1e-5"]
    ),
    st.text(max_size=20),
)
scalars = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False), texts)
values = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3), max_leaves=8
)
datasets = st.lists(
    st.dictionaries(
        st.sampled_from(["path", "type", "ds_type", "data_files", "split", "field_messages", "roles", "field", "odd"]),
        st.one_of(
            st.sampled_from(["alpaca", "chat_template", "completion", "chatml.intel", "a/b", "x.jsonl"]),
            st.dictionaries(st.sampled_from(["field_output", "format", "system_prompt", "odd"]), texts, max_size=4),
            values,
        ),
        max_size=5,
    ),
    max_size=3,
)


def translated(format: str, content: dict[str, Any]) -> tuple[Ledger, Draft]:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "config.yaml"
        file.write_text(yaml.safe_dump(content, allow_unicode=True), encoding="utf-8")
        ledger, draft, place = Ledger(read(file)), Draft(), Place(Path(folder), (Path(folder),))
        if format == "axolotl":
            axolotl.translate(ledger, draft, place)
        else:
            llamafactory.translate(ledger, None, draft, place)
        shared.task_name(ledger, draft, Path("config.yaml"))
        shared.undecided(draft)
        return ledger, draft


def told_once(ledger: Ledger) -> None:
    """Translated keys and listed keys are all keys of the file, none of them twice."""
    count = Counter(leaf for entry in ledger.entries for leaf in entry.leaves)
    assert set(count) == leaves(ledger.tree)
    assert not count or max(count.values()) == 1
    assert all((entry.target is None) == (entry.kind is not None) for entry in ledger.entries)


@pytest.mark.parametrize("format", ["axolotl", "llamafactory"])
@MANY
@given(data=st.data())
def test_every_key_is_told_once_and_the_task_reads_back(format: str, data: st.DataObject) -> None:
    content = data.draw(st.dictionaries(st.sampled_from(keys_of(format)) | texts, values, min_size=1, max_size=12))
    if data.draw(st.booleans()):
        content["datasets"] = data.draw(datasets)
    if not content:
        return
    ledger, draft = translated(format, content)
    told_once(ledger)
    reads_back(draft)


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.parent.name}-{case.name}")
def test_every_key_of_a_real_file_stands_in_its_report(case: Path) -> None:
    """Each key with its line, and below it nothing that the report does not count."""
    report = (case / "report.txt").read_text(encoding="utf-8")
    for key, node in read(case / "config.yaml").value.items():
        line = node.key.line if node.key else 0
        assert re.search(rf"^ +config\.yaml:\d+ {re.escape(key)}[.:\[ ]?", report, re.MULTILINE), f"{key} (line {line})"


def reads_back(draft: Draft) -> None:
    tree = parse(write(draft, "a head"), "task.yaml")
    for target, value in draft.ordered():
        node = tree.get(target)
        assert node is not None and same(node, value.value), (target, value.value)


def same(node: Node, value: Any) -> bool:
    return bool(node.plain() == value)


@settings(max_examples=400, deadline=None)
@given(st.text(st.sampled_from("ab1.-*&!%@,:#?|>{}[]\"'\\ \n\t\u2028\ue000\U0001f642=~"), max_size=6) | st.text())
@example("*")
@example("a b,c")
@example("a: b")
@example("-")
@example("...")
@example("---")
@example("<<")
def test_any_text_is_written_so_that_it_reads_back(text: str) -> None:
    if "${" not in text and "\x00" not in text:
        assert parse(f"key: {flow(text)}\n", "x").plain() == {"key": text}
        assert parse(f"key: {flow({'in': [text, text]})}\n", "x").plain() == {"key": {"in": [text, text]}}


@MANY
@given(st.floats(min_value=-1e14, max_value=1e14) | st.integers(-(10**14), 10**14))
def test_any_number_is_written_so_that_it_reads_back(number: float) -> None:
    assert parse(f"key: {flow(number)}\n", "x").plain() == {"key": number}


def test_a_text_of_several_lines_is_a_block_where_that_keeps_it() -> None:
    for text in ("a\nb", "a\n\nb", "a\n  b", " a\nb", "a\n", "a\nb\n\n", "a\t\nb", "a\n# b", "{{ a }}\n- b"):
        draft = Draft()
        draft.put(targets.SYSTEM_PROMPT, text, "a remark")
        assert parse(write(draft, "head"), "x").plain() == {"system_prompt": text}


def test_every_key_that_an_import_writes_is_one_of_the_schema() -> None:
    page = (HERE.parent.parent / "docs" / "task-yaml.md").read_text(encoding="utf-8")
    known = set(re.findall(r"^\| \**`([^`]+)`", page, re.MULTILINE))
    assert set(targets.ORDER) <= known
    assert {f"data.sources[].{key}" for key in (targets.FORMAT, targets.MAP, targets.ROLE)} <= known
