"""The gate `judge`: which rows a model is asked about, what becomes of them, and what it costs. It is a server here."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest

from stages import data, journal
from stages.diagnostics import Diagnostic, UserError
from stages.kinds import SCORES
from stages.progress import heed
from stages.row_judge import TRANSCRIPT
from tests.compiling import compiled
from tests.data.building import LABELS, jsonl, lines
from tests.data.test_data_gates import row
from tests.far import KEY, Far, reply
from tunec.examining import examine
from tunec.fingerprint import fingerprint

ROWS = "data/raw/rows.jsonl"
GOOD = dict.fromkeys(SCORES, 4) | {"format": 5}
PARCEL, MONEY = row("where is my parcel of monday", "shipping"), row("i want my money back now", "refund")
PASSWORD = row("my password does not work any more", "account")
MINE = [PARCEL, MONEY, PASSWORD]


def judging(far: Far, action: str = "reject", gates: dict[str, str] | None = None, **more: Any) -> str:
    """A task whose rows are judged by `far`; more: keys of data.judge, and review of data."""
    review = {"review": found} if (found := more.pop("review", None)) else {}
    judge = {"endpoint": far.url, "model": "big", "key_env": "FAR_KEY", "retries": 0, **more}
    told = {"sources": [{"path": ROWS}], "gates": {"judge": action, **(gates or {})}, "judge": judge, **review}
    return LABELS + "goal: Sort messages of customers.\n" + f"data: {json.dumps(told)}\n"


def run(rows: Iterable[Any], task: str, *others: str) -> dict[str, Any]:
    """The stage in this folder, with the inputs that the task compiles to: what it wrote, and what it warned of."""
    Path(ROWS).parent.mkdir(parents=True, exist_ok=True)
    Path(ROWS).write_bytes(jsonl(rows))
    found = compiled(task, ROWS, *others).plan["data"]
    given = {
        name: tuple(map(Path, path)) if isinstance(path, list) else Path(str(path))
        for name, path in found.inputs.items()
    }
    home = Path("out")
    home.mkdir(exist_ok=True)
    out = data.Outputs(**{name: home / write.path for name, write in data.STAGE.writes().items()})
    warned: list[Diagnostic] = []
    heed(warned.append)
    try:
        data.run(data.Inputs(**given), data.DataParams(**found.params), out)
    finally:
        heed(lambda found: None)
    report = json.loads(out.report.read_text(encoding="utf-8"))
    accepted, rejected = lines(out.accepted), lines(out.rejected)
    assert report["read"] == len(accepted) + len(rejected) == report["accepted"] + report["rejected"]
    return {
        "texts": {one["input"]["text"] for one in accepted},
        "rejected": rejected,
        "flagged": lines(out.flagged),
        "review": lines(out.review),
        "report": report,
        "warned": {one.code: one for one in warned},
        "bytes": {path.name: path.read_bytes() for path in sorted(home.iterdir())},
    }


def asked(far: Far) -> list[str]:
    """What the judge was shown, in no order."""
    return sorted(body["messages"][-1]["content"] for body, _ in far.asked)


Say = Callable[[Callable[[str], Any]], None]


def saying(far: Far) -> Say:
    """Lets a test say what the judge answers to a question: scores, a text, or a status and a reply."""

    def say(scores: Callable[[str], Any]) -> None:
        def answer(body: dict[str, Any]) -> tuple[int, Any]:
            said = scores(body["messages"][-1]["content"])
            text = said if isinstance(said, str) else json.dumps(said)
            return said if isinstance(said, tuple) else (200, reply(text))

        far.say = answer

    say(lambda question: GOOD)
    return say


@pytest.fixture
def judge(far: Far) -> Say:
    return saying(far)


def test_a_row_that_is_not_good_enough_is_rejected_with_the_score_that_was_too_low(far: Far, judge: Say) -> None:
    judge(lambda question: GOOD | {"correctness": 3} if "parcel" in question else GOOD)
    found = run(MINE, judging(far))
    assert found["texts"] == {MONEY["text"], PASSWORD["text"]}
    assert [(one["line"], one["gate"], one["reason"]) for one in found["rejected"]] == [
        (1, "judge", "correctness below 4")
    ]
    told = found["report"]["judge"]
    assert (told["asked"], told["not_asked"], told["requests"], told["tokens"]) == (3, 0, 3, 330)
    assert told["scores"]["correctness"] == 3.667 and found["report"]["gates"]["judge"]["rejected"] == 1
    assert all("Sort messages of customers." in text and "account, refund, shipping" in text for text in asked(far))


def test_a_gate_that_warns_keeps_the_row_flags_it_and_lets_it_wait_for_a_person(far: Far, judge: Say) -> None:
    judge(lambda question: GOOD | {"safety": 1} if "parcel" in question else GOOD)
    found = run(MINE, judging(far, "warn", review={"flags": ["judge"], "share": 0}))
    assert len(found["texts"]) == 3 and not found["rejected"]
    assert {(one["gate"], one["reason"]) for one in found["flagged"]} >= {("judge", "safety below 4")}
    assert [one["why"] for one in found["review"]] == [["judge: safety below 4"]]


def test_bounds_are_the_tasks_own(far: Far, judge: Say) -> None:
    judge(lambda question: dict.fromkeys(SCORES, 3))
    assert {
        one["reason"]
        for one in run(MINE, judging(far, "warn", total=22, least={}))["flagged"]
        if one["gate"] == "judge"
    } == {"in total below 22"}
    assert not [one for one in run(MINE, judging(far, "warn", total=21, least={}))["flagged"] if one["gate"] == "judge"]
    lower = run(MINE, judging(far, "warn", total=7, least={"realism": 4}))
    assert "realism below 4" in {one["reason"] for one in lower["flagged"]}


def test_only_rows_that_may_be_trained_on_and_that_all_other_gates_let_through_are_sent(far: Far, judge: Say) -> None:
    kept = [
        row(f"of {split} alone", "refund", split=split) for split in ("dev", "test", "golden", "adversarial", "holdout")
    ]
    gone = [row("???"), row("my key is ghp_" + "a1B2" * 9), MONEY, row("no such label", "parcels")]
    found = run([*MINE, *kept, *gone], judging(far))
    told = "\n".join(asked(far))
    assert len(far.asked) == 3 and all(one["text"] in told for one in MINE)
    assert " alone" not in told and "ghp_" not in told and len(found["texts"]) == 3 + len(kept)


def test_what_is_redacted_and_what_is_secret_is_not_sent(far: Far, judge: Say) -> None:
    secret, mail = "ghp_" + "a1B2" * 9, "zoe@example.com"
    run(
        [row(f"my key is {secret}"), row(f"write to {mail}", "account"), PARCEL],
        judging(far, gates={"secrets": "warn", "pii": "redact"}),
    )
    told = "\n".join(asked(far))
    assert len(far.asked) == 3 and secret not in told and mail not in told
    assert "[GITHUB_TOKEN_1]" in told and "[EMAIL_1]" in told
    assert secret not in TRANSCRIPT.read_text(encoding="utf-8") and mail not in TRANSCRIPT.read_text(encoding="utf-8")


def test_a_build_after_another_asks_about_new_rows_alone_and_comes_to_the_same_bytes(far: Far, judge: Say) -> None:
    first = run(MINE, judging(far))
    assert len(far.asked) == 3
    again = run(MINE, judging(far))
    assert len(far.asked) == 3 and again["bytes"] == first["bytes"]
    turned = run(MINE[::-1], judging(far))
    assert turned["bytes"]["accepted.jsonl"] == first["bytes"]["accepted.jsonl"] and len(far.asked) == 3
    run([*MINE, row("a new one about my account", "account")], judging(far))
    assert len(far.asked) == 4
    run(MINE, judging(far, model="other"))
    assert len(far.asked) == 7, "another judge is asked about all of them"


def test_what_an_endpoint_said_before_it_went_down_is_kept(far: Far, judge: Say) -> None:
    many = [row(f"message number {n} says {n * n} things", "refund") for n in range(20)]
    answered: list[str] = []

    def some(question: str) -> Any:
        answered.append(question)
        return GOOD if len(answered) <= 10 else (503, {"error": "busy"})

    judge(some)
    with pytest.raises(UserError) as refused:
        run(many, judging(far, gates={"near": "off"}))
    assert refused.value.diagnostics[0].code == "T721" and "data.judge" in str(refused.value.diagnostics[0].help)
    kept = len(journal.Journal(TRANSCRIPT).known)
    assert kept == 10
    judge(lambda question: GOOD)
    before = len(far.asked)
    run(many, judging(far, gates={"near": "off"}))
    assert len(far.asked) - before == 10


@pytest.mark.parametrize("budget", [{"requests": 2}, {"tokens": 800}])
def test_rows_that_the_budget_leaves_out_are_used_and_counted(far: Far, judge: Say, budget: dict[str, int]) -> None:
    judge(lambda question: GOOD | {"correctness": 1})
    many = [row(f"message number {n} says {n * n} things", "refund") for n in range(20)]
    task = judging(far, gates={"near": "off"}, budget=budget)
    found = run(many, task)
    done = 2 if "requests" in budget else 8  # a wave of 8 is 880 tokens
    assert len(far.asked) == done == len(found["rejected"]) and len(found["texts"]) == 20 - done
    assert found["report"]["judge"]["not_asked"] == 20 - done
    assert found["warned"]["T897"].message.startswith(f"{20 - done} rows were not judged")
    assert run(many[::-1], task)["texts"] == found["texts"] and len(far.asked) == done


def test_what_gives_no_scores_is_said_so(far: Far, judge: Say) -> None:
    judge(lambda question: "A fine row!" if "parcel" in question else (413, {}) if "money" in question else GOOD)
    found = run(MINE, judging(far))
    assert {one["reason"] for one in found["rejected"]} == {"the judge gave no scores"}
    assert found["texts"] == {PASSWORD["text"]}


def test_what_a_person_decided_is_not_asked(far: Far, judge: Say) -> None:
    judge(lambda question: GOOD | {"safety": 1})
    task = judging(far, "warn", review={"flags": ["judge"], "share": 0})
    id = next(one["id"] for one in run(MINE, task)["review"] if "parcel" in one["input"]["text"])
    Path("data/review.jsonl").write_bytes(jsonl([{"id": id, "decision": "accept", "by": "ana"}]))
    found = run(MINE, task.replace('"warn"', '"reject"').replace('"judge"]', '"pii"]'), "data/review.jsonl")
    assert found["texts"] == {PARCEL["text"]} and found["report"]["judge"]["asked"] == 2


def test_a_prompt_of_the_workspace_is_used_and_one_that_cannot_be_is_refused(far: Far, judge: Say) -> None:
    Path("ask.jinja").write_text("Is {{ row.output }} right? {{ rubric | length }}", encoding="utf-8")
    run(MINE, judging(far, prompt="ask.jinja"), "ask.jinja")
    assert asked(far) == [f"Is {label} right? 7" for label in ("account", "refund", "shipping")]
    Path("ask.jinja").write_text("Is {{ example }} right?", encoding="utf-8")
    with pytest.raises(UserError) as refused:
        run(MINE, judging(far, prompt="ask.jinja"), "ask.jinja")
    assert refused.value.diagnostics[0].code == "T748" and "`example`" in refused.value.diagnostics[0].message


def test_without_its_key_nothing_is_sent(far: Far, judge: Say, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("FAR_KEY")
    with pytest.raises(UserError) as refused:
        run(MINE, judging(far))
    assert refused.value.diagnostics[0].code == "T720" and not far.asked


def test_rows_without_an_answer_to_give_are_not_judged(far: Far, judge: Say) -> None:
    task = judging(far).replace("type: label, schema: {enum: [account, refund, shipping]}", "type: text")
    task = task.replace("classification", "generation").replace("training: {", "training: {method: kto, ")
    rows = [{"text": f"question {n}", "completion": f"answer {n}", "label": n % 2 == 0} for n in range(4)]
    run(rows, task)
    assert len(far.asked) == 2 and all("answer 1" not in text and "answer 3" not in text for text in asked(far))


def test_looking_at_a_file_asks_nobody(far: Far, judge: Say) -> None:
    Path("task.yaml").write_text(judging(far, review={"share": 1.0}), encoding="utf-8")
    Path(ROWS).parent.mkdir(parents=True, exist_ok=True)
    Path(ROWS).write_bytes(jsonl(MINE))
    assert examine(Path(), [Path(ROWS)]).clean and not far.asked


def test_a_task_without_a_judge_has_no_word_of_one(far: Far) -> None:
    task = LABELS + f"data: {{sources: [{{path: {ROWS}}}]}}\n"
    plain = compiled(task, ROWS).plan["data"]
    assert not {"judge", "review"} & plain.params.keys() and set(plain.inputs) == {"files"}
    assert "judge" not in run(MINE, task)["report"] and not far.asked and not TRANSCRIPT.exists()
    asking = compiled(judging(far), ROWS).plan["data"]
    names = ("stages/row_judge.py", "stages/teacher.py", "stages/data_judge.jinja", "openai")
    said = [fingerprint(data.STAGE, one.made) for one in (plain, asking)]
    assert [name in said[0] for name in names] == [False] * 4 and [name in said[1] for name in names] == [True] * 4


def test_the_key_is_named_and_never_written(far: Far, judge: Say) -> None:
    found = run(MINE, judging(far))
    assert all(authorization == f"Bearer {KEY}" for _, authorization in far.asked)
    assert KEY.encode() not in b"".join(found["bytes"].values()) + TRANSCRIPT.read_bytes()
