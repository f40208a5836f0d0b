"""How rows are parted."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stages import leaking, progress
from stages.diagnostics import Diagnostic, UserError
from stages.rows import Row
from tests.data.building import LABELS, jsonl, read, read_jsonl, split

SETTINGS = settings(max_examples=30, deadline=None)
LABEL_NAMES = ("account", "refund", "shipping")


def accepted(count: int, named: dict[int, str] | None = None, label: str | None = None) -> bytes:
    """Rows of three labels, some with an official split."""
    lines = [
        {"text": f"row {n}", "label": label or LABEL_NAMES[n % 3], "split": (named or {}).get(n)} for n in range(count)
    ]
    return read_jsonl(lines).accepted


def ids(rows: list[dict[str, Any]]) -> set[str]:
    return {row["id"] for row in rows}


def with_splits(**values: object) -> str:
    """Labels with these keys of `splits`; dev and test are shares."""
    dev, test = float(values.pop("dev", 0.1)), float(values.pop("test", 0.1))  # type: ignore[arg-type]
    ratios = f"ratios: {{train: {1 - dev - test!r}, dev: {dev!r}, test: {test!r}}}"
    others = [f"{key}: {str(value).lower()}" for key, value in values.items()]
    return LABELS + "splits: {" + ", ".join([ratios, *others]) + "}\n"


@SETTINGS
@given(st.integers(60, 200), st.floats(0.1, 0.4), st.floats(0.1, 0.4), st.integers(0, 9))
def test_every_row_goes_into_one_split(count: int, dev: float, test: float, seed: int) -> None:
    parts = split(accepted(count), with_splits(dev=dev, test=test, seed=seed))
    assert sum(map(len, parts.values())) == count
    assert len(ids(parts["train"]) | ids(parts["dev"]) | ids(parts["test"])) == count


@SETTINGS
@given(st.integers(60, 200), st.floats(0.1, 0.4), st.floats(0.1, 0.4))
def test_the_shares_of_labels_are_kept_within_a_row(count: int, dev: float, test: float) -> None:
    rows = accepted(count)
    parts = split(rows, with_splits(dev=dev, test=test))
    whole = Counter(row["output"] for part in parts.values() for row in part)
    for name, share in (("dev", dev), ("test", test)):
        found = Counter(row["output"] for row in parts[name])
        assert all(abs(found[label] - share * many) < 1 for label, many in whole.items())


def test_without_stratify_the_shares_hold_for_all_rows_together() -> None:
    parts = split(accepted(100), with_splits(dev=0.11, test=0.22, stratify=False))
    assert {name: len(rows) for name, rows in parts.items()} == {"train": 67, "dev": 11, "test": 22}


def test_the_same_seed_parts_alike_and_another_one_otherwise() -> None:
    rows = accepted(90)
    first, again, other = (split(rows, with_splits(seed=seed)) for seed in (1, 1, 2))
    assert first == again
    assert ids(first["test"]) != ids(other["test"])


def test_an_official_split_is_respected_and_the_shares_part_the_rest() -> None:
    official = dict.fromkeys(range(20), "test") | dict.fromkeys(range(20, 60), "train")
    rows = accepted(100, official)
    parts = split(rows, with_splits(dev=0.25, test=0.9 - 0.25))
    assert {row["input"]["text"] for row in parts["test"]} == {f"row {n}" for n in range(20)}
    assert len(parts["dev"]) == 10 and len(parts["train"]) == 70
    assert {row["input"]["text"] for row in parts["train"]} >= {f"row {n}" for n in range(20, 60)}


def test_where_every_row_names_a_split_dev_is_drawn_from_the_train_rows() -> None:
    official = dict.fromkeys(range(20), "test") | dict.fromkeys(range(20, 100), "train")
    parts = split(accepted(100, official), with_splits(dev=0.25, stratify=False))
    assert {name: len(rows) for name, rows in parts.items()} == {"train": 60, "dev": 20, "test": 20}


@SETTINGS
@given(st.lists(st.integers(1, 5), min_size=30, max_size=120), st.floats(0.05, 0.45), st.floats(0.05, 0.45))
def test_many_small_labels_lose_no_split(sizes: list[int], dev: float, test: float) -> None:
    labels = [f"label {n}" for n, size in enumerate(sizes) for _ in range(size)]
    task = with_splits(dev=dev, test=test).replace("account, refund, shipping", ", ".join(sorted(set(labels))))
    rows = read_jsonl([{"text": f"row {n}", "label": label} for n, label in enumerate(labels)], task).accepted
    parts = split(rows, task)
    found = {name: len(parts[name]) for name in ("dev", "test")}
    assert found == {"dev": round(dev * len(labels)), "test": round(test * len(labels))}
    assert parts == split(rows, task)


def test_named_dev_rows_leave_the_test_share_to_the_others() -> None:
    parts = split(accepted(110, dict.fromkeys(range(10), "dev")), with_splits(test=0.2, stratify=False))
    assert {name: len(rows) for name, rows in parts.items()} == {"train": 80, "dev": 10, "test": 20}


@SETTINGS
@given(st.integers(40, 120), st.integers(0, 50))
def test_a_new_row_moves_no_other_but_those_at_a_boundary(count: int, seed: int) -> None:
    task = with_splits(dev=0.2, test=0.2, seed=seed)
    before = split(accepted(count, label="refund"), task)
    after = split(accepted(count + 1, label="refund"), task)
    place = {row["id"]: name for name, rows in after.items() for row in rows}
    moved = [row for name, rows in before.items() for row in rows if place[row["id"]] != name]
    assert len(moved) <= 3, "the new row and the rounding of two shares push one row each"


@pytest.mark.parametrize("count", [1, 2, 4])
def test_too_few_rows_for_three_splits_stop_the_build(count: int) -> None:
    with pytest.raises(UserError) as refused:
        split(accepted(count))
    (found,) = refused.value.diagnostics
    assert found.code == "T303" and found.message.startswith("no row is left for") and found.help


def test_a_share_of_zero_leaves_that_split_empty_which_stops_the_build() -> None:
    with pytest.raises(UserError, match="no row is left for dev") as refused:
        split(accepted(90), with_splits(dev=0))
    (found,) = refused.value.diagnostics
    assert "0 to dev" in found.notes[0] and "{" not in found.notes[0] and found.key == "splits.ratios"


@SETTINGS
@given(st.lists(st.integers(0, 40), min_size=60, max_size=200), st.integers(0, 9))
def test_rows_of_one_group_stay_in_one_split(customers: list[int], seed: int) -> None:
    task = with_splits(dev=0.2, test=0.2, seed=seed, group_by="customer")
    rows = [{"text": f"row {n}", "label": "refund", "customer": who} for n, who in enumerate(customers)]
    try:
        parts = split(read_jsonl(rows, task).accepted, task)
    except UserError:
        assert len(set(customers)) < 15  # so few groups that one split gets none
        return
    sides = [{row["group"] for row in part} for part in parts.values()]
    assert sum(map(len, sides)) == len(set(customers)) and sum(map(len, parts.values())) == len(customers)
    biggest = max(map(customers.count, customers))
    assert abs(len(parts["test"]) - 0.2 * len(customers)) <= biggest


def test_a_group_goes_where_the_row_furthest_from_training_is_named_to_go() -> None:
    task = with_splits(dev=0.2, test=0.2, group_by="customer")
    named = {"a": "train", "b": "test", "c": "golden"}
    rows = [{"text": f"{who} {n}", "label": "refund", "customer": who} for who in "abcdefghij" for n in range(4)]
    rows += [{"text": f"{who} named", "label": "refund", "customer": who, "split": to} for who, to in named.items()]
    parts = split(read_jsonl(rows, task).accepted, task)
    assert {row["group"] for row in parts["test"]} == {"b"}
    assert {row["group"] for row in parts["golden"]} == {"c"}
    assert all("b" != row["group"] != "c" for name in ("train", "dev") for row in parts[name])


def test_rows_that_go_to_a_split_with_their_group_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    heard: list[Diagnostic] = []
    monkeypatch.setattr(progress, "_heeder", heard.append)
    task = with_splits(dev=0.2, test=0.2, group_by="customer")
    rows = [{"text": f"{who} {n}", "label": "refund", "customer": who} for who in "abcdefghij" for n in range(4)]
    split(read_jsonl(rows, task).accepted, task)
    assert not heard, "what is drawn is where it should be"
    golden = [{"text": f"{who} golden", "label": "refund", "customer": who, "split": "golden"} for who in "ab"]
    held = {"text": "c held", "label": "refund", "customer": "c", "split": "test"}
    beside = {"text": "c train", "label": "refund", "customer": "c", "split": "train"}
    parts = split(read_jsonl([*rows, *golden, held, beside], task).accepted, task)
    assert (len(parts["golden"]), len(parts["test"])) == (10, 6)
    (found,) = heard
    assert (found.code, found.severity, found.key) == ("T684", "warning", "splits.group_by")
    assert found.message == (
        "13 rows that name another split, or none, went with their group: 8 to golden and 5 to test"
    )
    assert "`customer`" in found.notes[0] and found.help


def test_golden_and_adversarial_rows_are_in_no_other_split() -> None:
    golden = "{path: data/golden.jsonl, role: golden, tags: [hard]}"
    task = LABELS + f"data: {{sources: [{{path: data/raw/rows.jsonl}}, {golden}]}}\n"
    ordinary = [{"text": f"row {n}", "label": "refund"} for n in range(40)]
    found = read({"data/raw/rows.jsonl": jsonl(ordinary), "data/golden.jsonl": jsonl(ordinary[:3])}, task)
    parts = split(found.accepted)
    assert {row["input"]["text"] for row in parts["golden"]} == {"row 0", "row 1", "row 2"}
    assert {row["tags"][0] for row in parts["golden"]} == {"hard"}
    assert sum(map(len, parts.values())) == 40 and not ids(parts["golden"]) & ids(parts["train"])


# ---------------------------------------------------------------- rows that were made from one another


def made(count: int, children: int, **more: Any) -> list[dict[str, Any]]:
    """Rows with an id, and rows that were made from them: children, and children of those."""
    rows = [{"id": f"r{n}", "text": f"seed {n} {n * n}", "label": LABEL_NAMES[n % 3], **more} for n in range(count)]
    for n in range(count):
        for child in range(children):
            parent = f"r{n}" if child < 2 else f"r{n}c{child - 2}"
            text = f"said anew {n * 31 + child} of {n} as {child}"
            rows.append({"id": f"r{n}c{child}", "parent": parent, "text": text, "label": LABEL_NAMES[child % 3]})
    return rows


@SETTINGS
@given(st.integers(20, 40), st.integers(1, 4), st.integers(0, 5))
def test_a_synthetic_row_stands_where_the_row_stands_that_it_was_made_from(count: int, many: int, seed: int) -> None:
    task = with_splits(dev=0.2, test=0.2, seed=seed)
    rows = made(count, many)
    found = read_jsonl(rows, task)
    parts = split(found.accepted, task, found.near)
    side = {row["input"]["text"]: name for name, part in parts.items() for row in part}
    family = {row["text"]: row["id"].partition("c")[0] for row in rows}
    assert len(side) == len(rows) and "leaks" not in parts
    assert len({(family[text], name) for text, name in side.items()}) == count


def test_what_was_made_from_a_test_row_is_a_leak() -> None:
    task = with_splits(dev=0.2, test=0.2)
    rows = made(20, 1)
    rows[3]["split"] = "test"
    rows[4]["split"], rows[24]["text"] = "golden", "of another thing altogether"
    found = read_jsonl(rows, task)
    parts = split(found.accepted, task, found.near)
    leaked = {row["id"]: row["input"]["text"] for row in found.rows}
    assert {(leaked[leak["id"]], leaked[leak["of"]], leak["how"]) for leak in parts["leaks"]} == {
        (rows[20 + n]["text"], rows[n]["text"], "lineage") for n in (3, 4)
    }


def test_a_parent_may_be_named_by_the_id_that_the_build_gave_it_and_a_duplicate_of_it_counts() -> None:
    rows = made(20, 0)
    (of,) = [row["id"] for row in read_jsonl(rows).rows if row["input"]["text"] == rows[0]["text"]]
    child = {"text": "written by a teacher", "label": "refund", "parent": of}
    again = {**rows[5], "id": "copy"}
    other = {"text": "written by another one", "label": "refund", "parent": "copy"}
    lines = [json.loads(line) for line in read_jsonl([*rows, child, again, other]).near.splitlines()]
    assert sorted(len(line["rows"]) for line in lines) == [2, 2] and {line["how"] for line in lines} == {"lineage"}


def test_rows_that_share_an_id_are_no_family_where_nothing_was_made_from_them() -> None:
    rows = [{"id": "x", "text": f"row {n} {n * 7}", "label": "refund"} for n in range(5)]
    assert read_jsonl(rows).near == b""


def test_long_rows_are_looked_at_a_few_at_a_time_and_none_is_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(leaking, "_SIGNS", 100)
    sizes = [10, 250, 40, 40, 40, 5, 5, 99, 1, 1]
    rows = [Row(str(n), {"text": "x" * size}, "refund", None) for n, size in enumerate(sizes)]
    batches = list(leaking._batches(rows))
    assert [row for batch in batches for row in batch] == rows
    assert [[int(row.id) for row in batch] for batch in batches] == [[0], [1], [2, 3], [4, 5, 6], [7, 8], [9]]
