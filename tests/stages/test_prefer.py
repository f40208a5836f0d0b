"""A judge that says which of two answers is better: what it is asked, and what is made of it."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from stages import prefer
from stages.answers import Answer, write_answers
from stages.catalog import Metric, members
from stages.contract import Contract
from stages.diagnostics import Diagnostic, UserError
from stages.judging import judge, measure
from stages.prefer import REFERENCE, Inputs, Outputs, PreferParams, verdict
from stages.progress import heed
from stages.rows import Row, read_json, read_jsonl, write_rows
from stages.teacher import Said
from tests.far import KEY, Far, reply

TEXT = Contract(type="text", schema_=None)
BETTER, WORSE = "short and right", "long, winding and wrong"


def rows(many: int) -> list[Row]:
    return [Row(f"{n:012x}", {"text": f"question {n}"}, WORSE) for n in range(many)]


def asked(
    far: Far, many: int = 3, said: str = BETTER, baselines: dict[str, str] | None = None, **changes: Any
) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """The preferences and the report of the stage on `many` rows; its files lie in the working folder."""
    write_rows(Path("rows.jsonl"), rows(many))
    written = {"chosen": said, **(baselines or {})}
    for name, text in written.items():
        write_answers(Path(f"{name}.jsonl"), (Answer(row.id, text, text, 1, "stop") for row in rows(many)))
    given = {"endpoint": far.url, "model": "big", "key_env": "FAR_KEY", "against": REFERENCE, "rows": 100}
    given |= {"criteria": "It is short.", "max_tokens": 50, "timeout": 9.0, "requests_per_minute": None}
    params = PreferParams(**{**given, "goal": "Title it.", "system_prompt": None, "contract": TEXT, **changes})
    others = {name: Path(f"{name}.jsonl") for name in baselines or {}}
    out = Outputs(Path("preferences.jsonl"), Path("transcript.jsonl"), Path("report.json"))
    prefer.STAGE.run(Inputs(Path("rows.jsonl"), Path("chosen.jsonl"), others), params, out)
    return list(read_jsonl(out.preferences)), read_json(out.report)


def likes(text: str) -> Any:
    """A judge that prefers this answer, wherever it stands."""

    def say(body: dict[str, Any]) -> Any:
        question = body["messages"][-1]["content"]
        first = question.partition("Answer A:")[2].partition("Answer B:")[0]
        return 200, reply(json.dumps({"better": "A" if text in first else "B"}))

    return say


@pytest.mark.parametrize(("liked", "preferred"), [(BETTER, 1.0), (WORSE, 0.0)])
def test_each_row_is_asked_of_twice_with_the_places_swapped(far: Far, liked: str, preferred: float) -> None:
    far.say = likes(liked)
    found, told = asked(far)
    assert [line["preferred"] for line in found] == [preferred] * 3 and len(far.asked) == 6
    assert (told["won"], told["lost"], told["against"]) == (3 * preferred, 3 - 3 * preferred, "reference")
    questions = [body["messages"][0]["content"] for body, _ in far.asked]  # as they came, which is in no order
    first, second = (text for text in questions if "question 0" in text)
    assert "It is short." in first and "Title it." in first
    assert {first.index(BETTER) < first.index(WORSE), second.index(BETTER) < second.index(WORSE)} == {True, False}


def test_the_form_of_a_verdict_is_sent_along_where_it_is_asked_for(far: Far) -> None:
    far.say = likes(BETTER)
    asked(far, many=1, structured="json_object")
    assert all(body["response_format"]["schema"]["required"] == ["better"] for body, _ in far.asked)


def test_a_judge_that_looks_at_the_place_alone_prefers_nothing(far: Far) -> None:
    far.say = lambda body: (200, reply('{"better": "A"}'))
    found, told = asked(far)
    assert [line["preferred"] for line in found] == [0.5] * 3
    assert (told["swayed"], told["tied"], told["won"]) == (3, 3, 0)


def test_what_was_asked_is_not_asked_again_in_a_rebuild(far: Far) -> None:
    far.say = likes(BETTER)
    before = asked(far)
    kept = Path("transcript.jsonl").read_bytes()
    far.asked.clear()
    far.say = likes(WORSE)
    assert asked(far) == before and not far.asked
    assert Path("transcript.jsonl").read_bytes() == kept and KEY.encode() not in kept
    assert len(asked(far, many=4)[0]) == 4 and len(far.asked) == 2, "a new row alone"


def test_what_came_before_the_judge_went_down_is_kept(far: Far) -> None:
    liked = likes(BETTER)
    far.say = lambda body: liked(body) if "question 0" in body["messages"][0]["content"] else (401, {})
    with pytest.raises(UserError) as error:
        asked(far)
    assert error.value.diagnostics[0].code == "T721" and "evaluation.judge" in str(error.value.diagnostics[0].help)
    far.asked.clear()
    far.say = liked
    assert len(asked(far)[0]) == 3 and len(far.asked) == 4


def test_answers_that_are_alike_are_a_tie_that_nobody_is_asked_about(far: Far) -> None:
    found, told = asked(far, said=f" {WORSE}\n")
    assert [line["preferred"] for line in found] == [0.5] * 3 and told["alike"] == 3 and not far.asked


def test_a_baseline_is_the_other_where_it_is_named(far: Far) -> None:
    far.say = likes(BETTER)
    others = {"prompted-tiny": "a prompted answer", "prompted_more-tiny": "no"}
    assert asked(far, baselines=others, against="prompted")[1]["against"] == "prompted-tiny"
    assert all("a prompted answer" in body["messages"][0]["content"] for body, _ in far.asked)


def test_so_many_rows_are_asked_of_and_the_same_ones_every_time(far: Far) -> None:
    far.say = likes(BETTER)
    few = {line["id"] for line in asked(far, many=20, rows=5)[0]}
    more = {line["id"] for line in asked(far, many=20, rows=8)[0]}
    assert len(few) == 5 and few < more and len(far.asked) == 16


@pytest.mark.parametrize(
    ("text", "points"),
    [
        ('{"better": "A"}', 1.0),
        ('<think>B is longer.</think>\n```json\n{"better": "B"}\n```', 0.0),
        ('{"better": "neither"}', 0.5),
        ("A", None),
        ('{"better": ["A"]}', None),
        ('{"better": "C"}', None),
        ("[]", None),
        (None, None),
    ],
)
def test_a_verdict_is_read_or_is_none(text: str | None, points: float | None) -> None:
    assert verdict(text) == points


def test_one_verdict_that_cannot_be_read_leaves_its_row_out() -> None:
    good, junk = Said('{"better": "A"}'), Said("well")
    assert prefer.settled("a", good, junk) is None and prefer.settled("a", junk, good) is None


def test_rows_without_a_verdict_are_told_and_do_not_count(far: Far) -> None:
    liked, warned = likes(BETTER), list[Diagnostic]()
    far.say = lambda body: (200, reply("hm")) if "question 1" in body["messages"][0]["content"] else liked(body)
    heed(warned.append)
    try:
        found, told = asked(far)
    finally:
        heed(lambda found: None)
    assert [line["id"] for line in found] == ["000000000000", "000000000002"] and told["unread"] == 1
    assert [one.code for one in warned] == ["T825"]


def test_a_judge_that_never_gives_a_verdict_is_an_error(far: Far) -> None:
    far.say = lambda body: (200, reply("As an AI I like both."))
    with pytest.raises(UserError) as error:
        asked(far)
    assert error.value.diagnostics[0].code == "T824" and "AI" not in error.value.diagnostics[0].message


def test_the_metric_is_the_share_of_preferred_rows_with_its_interval() -> None:
    metric = members("stages.metrics", "METRIC", Metric)["preference"]
    given = [Answer(row.id, BETTER, BETTER, 1, "stop") for row in rows(40)]
    plain = judge(rows(40), given, TEXT)
    assert measure(plain, metric, confidence=0.95, resamples=100) is None, "no judge was asked"
    points = [1.0] * 20 + [0.0] * 5 + [0.5] * 5 + [None] * 10
    told = [replace(one, preferred=value) for one, value in zip(plain, points, strict=True)]
    found = measure(told, metric, confidence=0.95, resamples=1000)
    assert found and found.value == pytest.approx(22.5 / 30) and found.low < found.bound < found.value < found.high
