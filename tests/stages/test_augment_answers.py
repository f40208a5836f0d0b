"""A teacher's answers: to rows that have none, to rows whose answer is broken, and several to one for pairs."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from stages.augmenting import TRANSCRIPT
from stages.diagnostics import UserError
from stages.journal import keep_rows, strays
from stages.rows import row_id
from tests.far import Far, reply
from tests.stages.test_augment import GOOD, TASK, Teacher, run, with_generate

ROWS = "  rows: [{tag: boundary, count: 4}]\n"
DPO = TASK.replace("{base_model: smollm2-135m}", "{base_model: smollm2-135m, method: dpo}")


def answers(far: Far, wanted: str, **more: str) -> str:
    """A task that asks for answers and for no row."""
    return with_generate(far, **more).replace(ROWS, f"  {wanted}\n")


def waiting(text: str, broken: Any = None, **more: Any) -> dict[str, Any]:
    given = {"text": text}
    told = {"rejected": broken} if broken is not None else None
    row = {"id": row_id(given, told), "input": given, "output": None, "split": "unanswered", **more}
    return row | (told or {})


class Answers(Teacher):
    """Answers every input with what `said` has for it, or the answers of a list in turn."""

    def __init__(self, said: dict[str, Any]) -> None:
        super().__init__()
        self.said, self.turns = said, Counter[str]()

    def __call__(self, body: dict[str, Any]) -> tuple[int, Any]:
        asked = body["messages"][-1]["content"]
        if not asked.startswith("You answer"):
            return super().__call__(body)
        with self._lock:
            self.asked["answers"] += 1
            text = asked.rpartition("The input to answer:\n")[2].splitlines()[0]
            given = self.said[json.loads(text)["text"]]
            if isinstance(given, list):
                given = given[self.turns[text] % len(given)]
                self.turns[text] += 1
            return 200, reply(json.dumps({"output": given}))


def test_a_row_without_an_answer_gets_one_and_keeps_what_its_source_says(far: Far) -> None:
    far.say = Answers({"the parcel of my aunt is late": "shipping", "give me back what i paid": "refund"})
    rows = [
        waiting("the parcel of my aunt is late", tags=["mail"], weight=2.0, group="7"),
        waiting("give me back what i paid"),
    ]
    found = run(answers(far, "label: true"), rows)
    made = {row["input"]["text"]: row for row in found["made"]}
    late = made["the parcel of my aunt is late"]
    assert (late["output"], late["tags"], late["weight"], late["group"]) == ("shipping", ["mail", "labelled"], 2.0, "7")
    assert late["parent"] == rows[0]["id"] and late["split"] is None
    assert made["give me back what i paid"]["output"] == "refund"
    (kind,) = found["report"]["kinds"]
    assert (kind["tag"], kind["asked"], kind["accepted"]) == ("labelled", 2, 2)
    asked = [body["messages"][-1]["content"] for body, _ in far.asked]
    assert any("where is my parcel of monday" in text for text in asked), "train rows are shown"
    assert not any("password" in text or "twelve pounds" in text for text in asked), "dev and test are not"


def test_a_broken_answer_is_shown_with_what_is_wrong_and_replaced(far: Far) -> None:
    far.say = Answers({"the parcel of my aunt is late": "shipping"})
    found = run(answers(far, "repair: true"), [waiting("the parcel of my aunt is late", "Parcels!")])
    (made,) = found["made"]
    assert made["output"] == "shipping" and made["tags"] == ["repaired"] and "rejected" not in made
    asked = next(text for text in _asked(far) if text.startswith("You answer"))
    assert '"Parcels!"' in asked and "breaks the form" in asked


def _asked(far: Far) -> list[str]:
    return [body["messages"][-1]["content"] for body, _ in far.asked]


@pytest.mark.parametrize(
    ("said", "gate"),
    [
        ("parcels", "contract"),
        (None, "format"),
        ({"label": "refund"}, "contract"),
        ("shipping", "consistency"),
    ],
)
def test_an_answer_passes_the_gates_of_all_rows(far: Far, said: Any, gate: str) -> None:
    """The last one answers an input that a train row answers with refund."""
    text = "i want my money back now" if gate == "consistency" else "the parcel of my aunt is late"
    other = "my account is locked since noon"
    far.say = Answers({text: said, other: "account"})
    found = run(answers(far, "label: true"), [waiting(text), waiting(other)])
    assert [one["gate"] for one in found["rejected"]] == [gate] and len(found["made"]) == 1


def test_what_a_test_row_says_is_not_trained_on_with_a_teachers_answer(far: Far) -> None:
    text, other = "Please send the twelve pounds, that I paid for it, back!", "my account is locked since noon"
    far.say = Answers({text: "refund", other: "account"})
    found = run(answers(far, "label: true"), [waiting(text), waiting(other)])
    assert [one["gate"] for one in found["rejected"]] == ["leak"]


def test_of_a_given_input_the_answer_is_judged_and_not_how_hard_it_is(far: Far) -> None:
    far.say = Answers({"the parcel of my aunt is late": "shipping", "my account is locked since noon": "account"})
    poor = dict.fromkeys(GOOD, 1) | {"correctness": 4, "format": 5, "safety": 4}  # 17 of 35
    wrong = poor | {"correctness": 3}
    far.say.scores = lambda asked: wrong if "locked since noon" in asked else poor
    found = run(
        answers(far, "label: true"),
        [waiting("the parcel of my aunt is late"), waiting("my account is locked since noon")],
    )
    assert [one["reason"] for one in found["rejected"]] == ["correctness below 4"] and len(found["made"]) == 1


def test_a_label_may_stand_without_its_object(far: Far) -> None:
    teacher = Teacher()
    teacher.rows = ["shipping\n"]
    far.say = teacher
    found = run(answers(far, "label: true", judge="{enabled: false}"), [waiting("the parcel of my aunt is late")])
    assert [row["output"] for row in found["made"]] == ["shipping"]


def test_nothing_is_asked_twice_and_one_row_more_asks_about_itself_alone(far: Far) -> None:
    texts = [f"parcel number {n} of my aunt is late by {n} days" for n in range(6)]
    far.say = Answers(dict.fromkeys(texts, "shipping"))
    rows = [waiting(text) for text in texts]
    first = run(answers(far, "label: true"), rows[:5])
    far.say.asked.clear()
    assert run(answers(far, "label: true"), rows[:5])["all"] == first["all"] and not far.say.asked
    run(answers(far, "label: true"), rows)
    assert far.say.asked == {"answers": 1, "judge": 1}


def test_a_budget_is_kept_and_what_was_not_answered_is_said(far: Far) -> None:
    texts = [f"parcel number {n} of my aunt is late by {n} days" for n in range(20)]
    far.say = Answers(dict.fromkeys(texts, "shipping"))
    found = run(answers(far, "label: true", budget="{requests: 6}"), [waiting(text) for text in texts])
    assert found["report"]["asked"] == 3 and found["report"]["not_asked"] == 17 and "T751" in found["warned"]


def test_that_there_is_nothing_to_answer_is_said(far: Far) -> None:
    found = run(answers(far, "label: true"))
    assert found["warned"] == {"T756"} and not found["made"] and not far.asked


def test_an_answer_is_forgotten_with_its_row_and_with_the_rows_that_it_shows(far: Far) -> None:
    far.say = Answers({"the parcel of my aunt is late": "shipping"})
    row = waiting("the parcel of my aunt is late")
    run(answers(far, "label: true"), [row])
    shown = next(told for told in map(json.loads, TRANSCRIPT.read_bytes().splitlines()) if told["for"] == "answers")
    assert set(shown["shown"]) == {f"{1:012x}", f"{2:012x}"}
    every = {row["id"], f"{1:012x}", f"{2:012x}"}
    assert not strays(TRANSCRIPT, every)
    for id in (row["id"], f"{1:012x}"):
        assert strays(TRANSCRIPT, every - {id}) == 2
    keep_rows(TRANSCRIPT, every - {f"{1:012x}"})
    assert not TRANSCRIPT.read_bytes()


# ---------------------------------------------------------------- pairs


def pairs(far: Far, wanted: str = "{answers: 3}", **more: str) -> str:
    return answers(far, f"pairs: {wanted}", **more).replace(TASK, DPO)


PARCEL, MONEY = "where is my parcel of monday", "i want my money back now"
SAID = {PARCEL: ["account", "shipping", "refund"], MONEY: ["refund", "Refund!", "account"]}


def points(many: int) -> dict[str, int]:
    """Scores that come to so many points."""
    return {name: many // 7 + (place < many % 7) for place, name in enumerate(GOOD)}


def judging(by: dict[str, int]) -> Any:
    """Scores by the answer that the judge reads."""

    def judge(asked: str) -> dict[str, int]:
        row = json.loads(asked.rpartition("):\n")[2].splitlines()[0] if "):\n" in asked else _judged_row(asked))
        return points(by[row["output"]])

    return judge


def _judged_row(asked: str) -> str:
    return asked.partition("The new row to judge")[2].partition(":\n")[2].splitlines()[0]


def test_a_pair_is_the_rows_own_answer_and_the_worst_of_the_others(far: Far) -> None:
    far.say = Answers(SAID)
    far.say.scores = judging({"shipping": 33, "account": 20, "refund": 12})
    found = run(pairs(far))
    got = {row["input"]["text"]: (row["output"], row["rejected"], row["tags"]) for row in found["made"]}
    assert got[PARCEL] == ("shipping", "refund", ["paired"]), "the worst that was said, of what is not its own"
    assert got[MONEY] == ("refund", "Refund!", ["paired"]), "what breaks the contract is worse than any other"
    assert all(json.loads(line)["rejected"] for line in found["train"].splitlines()), "nothing but pairs is trained on"
    assert {row["parent"] for row in found["made"]} == {f"{1:012x}", f"{2:012x}"}


@pytest.mark.parametrize(
    ("wanted", "scores", "chosen", "rejected"),
    [
        ("{answers: 3, chosen: own}", {"shipping": 20, "account": 33, "refund": 12}, "shipping", "refund"),
        ("{answers: 3, chosen: best}", {"shipping": 20, "account": 33, "refund": 12}, "account", "refund"),
        ("{answers: 3, chosen: best}", {"shipping": 33, "account": 20, "refund": 12}, "shipping", "refund"),
    ],
)
def test_the_best_may_be_chosen(far: Far, wanted: str, scores: dict[str, int], chosen: str, rejected: str) -> None:
    far.say = Answers({**SAID, MONEY: ["refund"]})
    far.say.scores = judging(scores)
    (made,) = run(pairs(far, wanted))["made"]
    assert (made["output"], made["rejected"]) == (chosen, rejected)


@pytest.mark.parametrize(
    ("margin", "own", "reason"),
    [
        (3, 15, None),
        (4, 15, "the answers are less than 4 points apart"),
        (0, 12, "no answer is worse than the chosen one"),
        (0, 9, "no answer is worse than the chosen one"),
        (0, 13, None),
    ],
)
def test_two_answers_are_apart(far: Far, margin: int, own: int, reason: str | None) -> None:
    far.say = Answers({PARCEL: ["refund"], MONEY: ["Refund!"]})
    far.say.scores = judging({"shipping": own, "refund": 12})
    found = run(pairs(far, f"{{answers: 1, margin: {margin}}}"))
    assert [one["reason"] for one in found["rejected"]] == ([reason] if reason else [])
    assert len(found["made"]) == 1 + (reason is None)


def test_without_a_judge_another_label_is_the_worse_one(far: Far) -> None:
    far.say = Answers({PARCEL: ["shipping", "refund"], MONEY: ["refund"]})
    found = run(pairs(far, "{answers: 2}", judge="{enabled: false}"))
    assert [(row["output"], row["rejected"]) for row in found["made"]] == [("shipping", "refund")]
    (rejected,) = found["rejected"]
    assert (rejected["gate"], rejected["reason"]) == ("pairs", "every answer of the teacher is the row's own")
    assert rejected["parent"] == f"{2:012x}" and not far.say.asked["judge"]


def test_so_many_rows_are_used_and_each_is_asked_so_often(far: Far) -> None:
    far.say = Answers(SAID)
    far.say.scores = judging({"shipping": 33, "account": 20, "refund": 12})
    found = run(pairs(far, "{answers: 3, rows: 1}"))
    assert far.say.asked["answers"] == 3 and found["report"]["asked"] == 1
    far.say.asked.clear()
    assert run(pairs(far, "{answers: 3, rows: 1}"))["all"] == found["all"] and not far.say.asked


def test_rows_that_were_labelled_make_pairs_too_and_are_forgotten_with_what_they_came_from(far: Far) -> None:
    text = "the parcel of my aunt is late"
    far.say = Answers({**SAID, text: ["shipping", "refund", "account", "refund"]})
    far.say.scores = judging({"shipping": 33, "account": 20, "refund": 12})
    row = waiting(text)
    found = run(pairs(far, "{answers: 3}\n  label: true"), [row])
    assert [made["parent"] for made in found["made"] if made["input"]["text"] == text] == [row["id"]]
    told = [json.loads(line) for line in TRANSCRIPT.read_bytes().splitlines()]
    of_it = [one for one in told if text in json.dumps(one["body"])]
    sources = {row["id"], f"{1:012x}", f"{2:012x}"}
    assert of_it and not strays(TRANSCRIPT, sources), "a line about a made row names the one that it was made from"
    assert strays(TRANSCRIPT, sources - {row["id"]}) >= len(of_it)


def test_a_token_budget_is_kept_within_a_row(far: Far) -> None:
    """A row takes three answers and four judgements, of 110 tokens each."""
    far.say = Answers(SAID)
    far.say.scores = judging({"shipping": 33, "account": 20, "refund": 12})
    found = run(pairs(far, "{answers: 3}", budget="{tokens: 500}"))
    assert found["report"]["asked"] == 1 and found["report"]["tokens"] < 500 + 7 * 110
    assert found["report"]["not_asked"] == 1


@pytest.mark.parametrize("gate", ["warn", "off"])
def test_a_secret_is_never_sent_whatever_its_gate_does(far: Far, gate: str) -> None:
    key = "ghp_" + "a1B2" * 9
    text = f"my parcel is late and my key is {key}"
    far.say = Answers({text.replace(key, "[GITHUB_TOKEN_1]"): "shipping"})
    task = answers(far, "label: true") + f"data: {{gates: {{secrets: {gate}}}}}\n"
    found = run(task, [waiting(text)])
    assert far.asked and key not in json.dumps([body for body, _ in far.asked])
    assert [row["input"]["text"] for row in found["made"]] == [text]


def test_a_secret_in_an_answer_makes_no_pair(far: Far) -> None:
    key = "ghp_" + "a1B2" * 9
    far.say = Answers({PARCEL: [f"refund {key}"], MONEY: ["Refund!"]})
    found = run(pairs(far, "{answers: 1}"))
    assert [one["gate"] for one in found["rejected"]] == ["secrets"] and key not in json.dumps(found["rejected"])


def test_a_teacher_that_always_agrees_leaves_no_pair_and_stops_the_build(far: Far) -> None:
    far.say = Answers({PARCEL: "shipping", MONEY: "refund"})
    with pytest.raises(UserError) as refused:
        run(pairs(far))
    (found,) = refused.value.diagnostics
    assert found.code == "T744" and "every answer of the teacher is the row's own" in found.notes[0]
    assert not Path("out/train.jsonl").exists()
