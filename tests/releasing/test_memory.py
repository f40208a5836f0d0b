"""Golden memory: critical rows that a release got right must be right again, or the next gate fails."""

from __future__ import annotations

import json
from typing import Any

import pytest

from stages.contract import Contract
from stages.evidence import Evidence, Scores
from stages.gates.regressions import GATE
from stages.judging import Judged
from stages.remembering import recall
from tests.compiling import MINIMAL, ROWS, compiled
from tests.releasing.small import Small, made_up

MEMORY = "registry/critical.jsonl"


def critical(small: Small, **built: Any) -> None:
    if "tags: [critical]" not in (small.root / "task.yaml").read_text(encoding="utf-8"):
        small.edit("path: data/raw/rows.jsonl", "path: data/raw/rows.jsonl\n      tags: [critical]")
    small.build(tags=("critical",), **built)


def test_a_release_remembers_the_critical_rows_that_it_got_right_by_their_ids_alone(small: Small) -> None:
    critical(small)
    small.release()
    lines = small.lines("critical")
    assert {line["id"] for line in lines} == {row.id for row in made_up(20)[:6]}
    assert {line["release"] for line in lines} == {"tiny-slots-v1"}
    assert "please" not in (small.root / MEMORY).read_text(encoding="utf-8")
    assert small.tunec("verify", "v1").code == 0


def test_rows_that_nobody_marked_are_not_remembered(released: Small) -> None:
    assert not (released.root / MEMORY).exists()
    assert "remembered" not in (released.root / "dvc.yaml").read_text(encoding="utf-8")


def test_a_row_is_remembered_once_and_more_rows_are_added(small: Small) -> None:
    critical(small, right=3)
    small.release()
    critical(small, salt="b", right=5)
    small.release()
    lines = small.lines("critical")
    assert [line["release"] for line in lines] == ["tiny-slots-v1"] * 3 + [lines[-1]["release"]] * 2
    assert len({line["id"] for line in lines}) == 5


def test_after_a_release_the_next_build_scores_against_it_and_nothing_before_that_runs(small: Small) -> None:
    critical(small)
    small.release()
    steps = json.loads(small.tunec("plan", "--json").out)["stages"]
    assert {step["name"] for step in steps if step["state"] == "run"} == {
        "score",
        "gate",
        "package",
        "papers",
        "report",
    }


def test_the_gate_is_on_by_itself_where_there_is_a_memory_and_can_be_bent_or_switched_off() -> None:
    assert "regressions" not in compiled(MINIMAL).params_yaml and MEMORY not in compiled(MINIMAL).dvc_yaml
    found = compiled(MINIMAL, ROWS, MEMORY)
    assert "regressions: 1.0" in found.params_yaml and MEMORY in found.dvc_yaml
    bent = MINIMAL + "  gates: {regressions: 0.9}\n"
    assert "regressions: 0.9" in compiled(bent, ROWS, MEMORY).params_yaml
    assert "regressions" not in compiled(bent, ROWS).params_yaml
    off = MINIMAL + "  gates: {regressions: false}\n"
    assert "regressions" not in compiled(off, ROWS, MEMORY).params_yaml


def judged(id: str, said: str) -> Judged:
    return Judged(id=id, gold="right", said=said, text=said, valid=True, free_valid=True)


def lines(*ids: str) -> list[dict[str, Any]]:
    return [{"id": id, "release": "v1"} for id in ids]


def test_what_became_of_the_remembered_rows_is_counted() -> None:
    found = recall(lines("a", "b", "c", "a"), [judged("a", "right"), judged("b", "wrong"), judged("x", "wrong")])
    assert found == {"rows": 2, "right": 1, "lost": ["b"], "gone": 1}


@pytest.mark.parametrize(
    ("remembered", "bound", "status", "says"),
    [
        ({"rows": 4, "right": 4, "lost": [], "gone": 0}, 1.0, "pass", "4 of 4"),
        ({"rows": 4, "right": 3, "lost": ["a1"], "gone": 0}, 1.0, "fail", "lost: a1"),
        ({"rows": 4, "right": 3, "lost": ["a1"], "gone": 0}, 0.75, "pass", "3 of 4"),
        ({"rows": 9, "right": 2, "lost": list("abcdefg"), "gone": 0}, 1.0, "fail", "a, b, c, d, e and 2 more"),
        ({"rows": 0, "right": 0, "lost": [], "gone": 4}, 1.0, "pass", "asked any more"),
    ],
)
def test_the_gate_passes_when_enough_of_them_are_right_again(
    remembered: dict[str, Any], bound: float, status: str, says: str
) -> None:
    chosen = Scores("q8_0", "quantized", {})
    outcome = GATE.judge(Evidence("exact_match", chosen, {}, {}, 10, remembered=remembered), bound)
    assert outcome.status == status and says in outcome.reason


def test_an_edited_memory_is_named(small: Small) -> None:
    critical(small)
    small.release()
    small.edit('"release": "tiny-slots-v1"', '"release": "tiny-slots-v9"', MEMORY)
    assert f"{MEMORY}, line 1 was edited" in small.tunec("verify", "v1", code=1).out


def test_contracts_are_judged_as_the_build_judged_them() -> None:
    from tunec.releasing.judged import contract

    whole = {"config": {"output_format": {"type": "label", "schema": {"enum": ["a", "b"]}}}}
    assert contract(whole) == Contract(type="label", schema_={"enum": ["a", "b"]})
