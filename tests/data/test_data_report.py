"""What is told of the rows: the same whatever stood beside them; from read to accepted, nothing is lost."""

from __future__ import annotations

import random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stages import data_tables
from tests.data.building import Read, jsonl, read, read_jsonl
from tests.data.test_data_gates import data, row

SENTENCE = "where is my parcel it was sent on monday and nobody has called me about it since then"
WORDS = SENTENCE.split()
ROWS = st.lists(
    st.builds(
        row,
        st.lists(st.sampled_from(WORDS), min_size=1, max_size=14).map(" ".join),
        st.sampled_from(["refund", "account", "none"]),
        kinds=st.sampled_from(["canonical", "near-miss", ""]),
        license=st.sampled_from(["MIT", ""]),
    ),
    min_size=1,
    max_size=20,
)
STAY = [row(f"one that stays for sure {n}") for n in range(25)]  # so that not most of the rows break the contract
TASK = data(
    tags="kinds",
    quotas=[{"by": "tag", "value": "near-miss", "min": 3, "max": 0.5}, {"by": "label", "value": "refund", "min": 0.5}],
)


@settings(max_examples=25, deadline=None)
@given(ROWS, st.randoms())
def test_no_duplicate_order_or_broken_line_changes_what_is_told_of_accepted_rows(
    rows: list[dict[str, Any]], chance: random.Random
) -> None:
    lines = jsonl([*rows, *STAY]).splitlines()
    again = [*lines, *chance.choices(lines, k=4), b"{broken", b"", b"[1]"]
    tail = again[len(lines) :]
    chance.shuffle(tail)
    before, after = (read({"data/raw/rows.jsonl": b"\n".join(part) + b"\n"}, TASK) for part in (lines, [*lines, *tail]))
    assert before.facts == after.facts and before.accepted == after.accepted
    assert after.report["read"] == len(again)


@settings(max_examples=25, deadline=None)
@given(ROWS)
def test_what_every_gate_leaves_leads_from_read_to_accepted(rows: list[dict[str, Any]]) -> None:
    told = read_jsonl([*rows, *STAY], TASK).report
    funnel = next(table for table in data_tables.every(told) if table.title == "From read to accepted")
    assert [cells[3] for cells in funnel.rows][:1] == [told["read"]] and funnel.rows[-1][3] == told["accepted"]
    assert told["read"] == told["accepted"] + sum(cells[1] or 0 for cells in funnel.rows)


def test_of_many_reasons_the_commonest_are_told_and_the_others_counted() -> None:
    strange = [row(f"strange {n} of them {n * n}", f"other {n % 30}") for n in range(31)]
    good = [row(f"one that stays for sure {n}") for n in range(31)]
    report = read_jsonl([*good, *strange], TASK).report
    (reasons,) = (table.rows for table in data_tables.every(report) if table.title == "Reasons")
    contract = [cells for cells in reasons if cells[0] == "contract"]
    assert len(contract) == 21 and contract[0][2] == 2 and "`other 0`" in contract[0][1]
    assert contract[-1][1:3] == ("other reasons", 10) and sum(cells[2] for cells in contract) == 31


def told() -> Read:
    rows = [
        row("mail me at zoe@example.com", kinds="canonical"),
        row("???"),
        row("what is it", "none"),
        *[row("again")] * 6,
    ]
    return read_jsonl([*rows, row("number two of all", "account", kinds="near-miss")], TASK)


def test_a_reason_is_told_with_the_first_rows_that_it_is_about() -> None:
    gates = told().report["gates"]
    assert gates["contract"]["examples"][0]["examples"] == ["data/raw/rows.jsonl:3"]
    (again,) = gates["duplicates"]["examples"]
    assert again["rows"] == 5 and len(again["examples"]) == 3
    assert again["examples"][0].startswith("data/raw/rows.jsonl:5 (")


@pytest.mark.parametrize("write", [data_tables.markdown, data_tables.page])
def test_both_pages_hold_every_table_and_nothing_personal(write: Any) -> None:
    found = told()
    page = write(found.report)
    for table in data_tables.every(found.report):
        assert table.title in page
    titles = {table.title for table in data_tables.every(found.report)}
    assert {"Labels", "Tags", "Licences", "Quotas", "Reasons", "Languages and scripts", "Length"} - titles == {
        "Licences"
    }
    assert "Personal data and secrets, in accepted rows" in titles and "zoe" not in page
    assert found.facts["held"] == {"email": 1} == found.report["personal"]


def test_clusters_of_rows_that_are_alike_are_told_with_their_rows() -> None:
    found = read_jsonl([row(SENTENCE, split="test"), row(SENTENCE + " now", "account", split="train"), row("other")])
    near = found.facts["near"]
    assert (near["clusters"], near["rows"]) == (1, 2)
    assert near["first"][0]["ids"] == [one["id"] for one in sorted(found.rows, key=lambda r: r["split"] != "test")[:2]]


def test_what_is_redacted_is_counted_as_found_and_no_longer_as_held() -> None:
    found = read_jsonl([row("mail zoe@example.com"), row("b c")], data(gates={"pii": "redact"}))
    assert found.report["personal"] == {"email": 1} and found.facts["held"] == {}
