"""A teacher's rows: what is asked, what is taken, and what it costs. The teacher is a server on this machine."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from stages import augment, rubric
from stages.augmenting import TRANSCRIPT
from stages.diagnostics import Diagnostic, UserError
from stages.kinds import SCORES
from stages.progress import heed
from tests.compiling import ROOT, compiled, params
from tests.data.building import jsonl, lines
from tests.far import KEY, Far, reply

TASK = """\
task_name: intents
task_type: classification
goal: Sort messages of customers.
input_template: "{text}"
output_format: {type: label, schema: {enum: [account, refund, shipping]}}
training: {base_model: smollm2-135m}
success_criteria: {threshold: 0.7}
"""
PARTS = {
    "train": [("where is my parcel of monday", "shipping"), ("i want my money back now", "refund")],
    "dev": [("my password does not work any more", "account")],
    "test": [("please send the twelve pounds that i paid for it back", "refund")],
}
GOOD = dict.fromkeys(SCORES, 4) | {"format": 5}
SPLITS = ("train", "dev", "test", "golden", "adversarial", "holdout")
WORDS = [
    "amber",
    "basil",
    "cedar",
    "dill",
    "elder",
    "fennel",
    "ginger",
    "hazel",
    "iris",
    "juniper",
    "kale",
    "laurel",
    "mint",
    "nettle",
    "olive",
    "poppy",
]


def row_of(id: int, text: str, label: str) -> dict[str, Any]:
    return {"id": f"{id:012x}", "input": {"text": text}, "output": label, "split": None}


def with_generate(far: Far, rows: str = "{tag: boundary, count: 4}", **more: str) -> str:
    teacher = more.pop("teacher", "")
    others = "".join(f"  {key}: {value}\n" for key, value in more.items())
    named = f"endpoint: '{far.url}', model: big, key_env: FAR_KEY, retries: 0{teacher}"
    return f"{TASK}generate:\n  teacher: {{{named}}}\n  rows: [{rows}]\n{others}"


def files(waiting: Sequence[dict[str, Any]] = ()) -> augment.Inputs:
    """waiting: rows that are to be answered."""
    numbers = iter(range(1, 100))
    Path("unanswered.jsonl").write_bytes(jsonl(list(waiting)))
    for name in SPLITS:
        rows = [row_of(next(numbers), *one) for one in PARTS.get(name, [])]
        Path(f"{name}.jsonl").write_bytes(jsonl(rows))
    return augment.Inputs(*(Path(f"{name}.jsonl") for name in (*SPLITS, "unanswered")))


def run(task: str, waiting: Sequence[dict[str, Any]] = (), **given: Path) -> dict[str, Any]:
    """The stage in this folder: what it wrote, and what it warned of."""
    inputs = augment.Inputs(**{**vars(files(waiting)), **given})
    found = params(compiled(task, "data/raw/rows.jsonl", *map(str, given.values())), "augment")
    home = Path("out")
    home.mkdir(exist_ok=True)
    out = augment.Outputs(**{name: home / write.path for name, write in augment.STAGE.writes().items()})
    warned: list[Diagnostic] = []
    heed(warned.append)
    try:
        augment.run(inputs, augment.AugmentParams(**found), out)
    finally:
        heed(lambda found: None)
    assert sorted(path.name for path in home.iterdir()) == sorted(
        write.path for write in augment.STAGE.writes().values()
    )
    report = json.loads(out.report.read_text(encoding="utf-8"))
    assert report["asked"] == report["accepted"] + report["rejected"] == sum(one["asked"] for one in report["kinds"])
    return {
        "made": [row for row in lines(out.train) if "parent" in row],
        "train": out.train.read_bytes(),
        "rejected": lines(out.rejected),
        "transcript": lines(out.transcript),
        "report": report,
        "warned": {one.code for one in warned},
        "all": b"".join(path.read_bytes() for path in sorted(home.iterdir())),
    }


def text_of(number: int) -> str:
    return " ".join(WORDS[(number * 5 + place * place) % 16] for place in range(6)) + f" {number}"


class Teacher:
    """Writes a new row for every question, and gives every row the same scores, unless it is told otherwise."""

    def __init__(self) -> None:
        self.rows: list[Any] = []
        self.scores: Any = GOOD
        self.asked: Counter[str] = Counter()
        self._lock = threading.Lock()
        self._number = 0

    def __call__(self, body: dict[str, Any]) -> tuple[int, Any]:
        asked = body["messages"][-1]["content"]
        with self._lock:
            judging = asked.startswith("You judge")
            self.asked["judge" if judging else "rows"] += 1
            if judging:
                return 200, reply(json.dumps(self.scores(asked) if callable(self.scores) else self.scores))
            self._number += 1
            said = self.rows.pop(0) if self.rows else row(text_of(self._number), "shipping")
            return said if isinstance(said, tuple) else (200, reply(said))


def row(text: Any, label: Any) -> str:
    return json.dumps({"input": {"text": text}, "output": label})


@pytest.fixture
def teacher(far: Far) -> Teacher:
    far.say = Teacher()
    return far.say


def test_each_kind_is_asked_for_with_a_train_row_and_what_comes_is_trained_on(far: Far, teacher: Teacher) -> None:
    kinds = "{tag: boundary, count: 3, difficulty: hard, edge_case: 'two wishes at once'}, {tag: style, count: 2}"
    found = run(with_generate(far, kinds))
    assert [one["accepted"] for one in found["report"]["kinds"]] == [3, 2] and len(found["made"]) == 5
    assert Counter(tag for made in found["made"] for tag in made["tags"]) == {"boundary": 3, "style": 2}
    own = {f"{1:012x}", f"{2:012x}"}
    assert {made["parent"] for made in found["made"]} == own
    assert [row["id"] for row in map(json.loads, found["train"].splitlines())] == sorted(
        [*own, *(made["id"] for made in found["made"])]
    )
    asked = [body["messages"][-1]["content"] for body, _ in far.asked]
    hard = [text for text in asked if text.startswith("You write") and "two wishes at once" in text]
    assert len(hard) == 3 and all("Difficulty: hard" in text and "Sort messages" in text for text in hard)
    told = json.dumps(asked)
    assert "where is my parcel" in told and "i want my money back" in told
    assert "password" not in told and "twelve pounds" not in told, "dev and test are not shown to a teacher"


def test_what_is_no_row_breaks_the_contract_or_is_there_already_is_kept_with_its_reason(
    far: Far,
    teacher: Teacher,
) -> None:
    teacher.rows = [
        "Sure! Here is a row.",
        row("where is the parcel for my aunt", "parcels"),
        row({"deep": 1}, "refund"),
        row("I want my money back, NOW!", "refund"),
        row("where is my parcel of monday", "refund"),
        row("Please send the twelve pounds, that I paid for it, back!", "refund"),
        row("my key is ghp_" + "a1B2" * 9, "account"),
        f"<think>hm</think>\n```json\n{row('is the lavender parcel here yet', 'shipping')}\n```",
    ]
    found = run(with_generate(far, "{tag: canonical, count: 8}", teacher=", structured: json_schema"))
    gates = Counter(one["gate"] for one in found["rejected"])
    assert gates == {"format": 2, "contract": 1, "near": 1, "consistency": 1, "leak": 1, "secrets": 1}
    assert [made["input"]["text"] for made in found["made"]] == ["is the lavender parcel here yet"]
    assert found["warned"] == {"T750"} and found["report"]["gates"] == dict(gates)
    keys = {line["key"] for line in found["transcript"]}
    assert {one["request"] for one in found["rejected"]} <= keys, "what was said is found by the request"
    assert "ghp_" not in json.dumps(found["rejected"]) and "lavender" not in json.dumps(found["rejected"])
    form = far.asked[0][0]["response_format"]["json_schema"]["schema"]["properties"]
    assert form["output"]["enum"] == ["account", "refund", "shipping"] and form["input"]["required"] == ["text"]


ENOUGH = {"correctness": 4, "format": 5, "safety": 4}
MIDDLING = dict.fromkeys(SCORES, 3) | ENOUGH  # 25 of 35


@pytest.mark.parametrize(
    ("given", "total", "least", "reason"),
    [
        (GOOD, 26, ENOUGH, None),
        (GOOD | {"format": 4}, 26, ENOUGH, "format below 5"),
        (GOOD | {"correctness": 3, "realism": 5}, 26, ENOUGH, "correctness below 4"),
        (GOOD | {"safety": 3}, 26, ENOUGH, "safety below 4"),
        (MIDDLING, 26, ENOUGH, "in total below 26"),
        (MIDDLING, 25, ENOUGH, None),
        (GOOD | {"safety": 1}, 26, {"format": 5}, None),
        (GOOD | {"diversity": 1}, 26, {"diversity": 2}, "diversity below 2"),
    ],
)
def test_a_row_is_taken_by_the_rubric(given: Any, total: int, least: dict[str, int], reason: str | None) -> None:
    assert rubric.refused(given, total, least) == reason


@pytest.mark.parametrize("said", [GOOD | {"safety": 6}, GOOD | {"safety": True}, {"total": 35}, "35", [GOOD]])
def test_what_is_no_score_is_none(said: Any) -> None:
    assert rubric.scores(json.dumps(said)) is None and rubric.scores(json.dumps(GOOD)) == GOOD


@pytest.mark.parametrize(
    ("judge", "kept"),
    [("{}", 1), ("{total: 25}", 2), ("{least: {diversity: 4}}", 1), ("{enabled: false}", 2)],
)
def test_the_judge_reads_each_row_and_what_it_refuses_is_left_out(
    far: Far, teacher: Teacher, judge: str, kept: int
) -> None:
    teacher.scores = lambda asked: GOOD if "keep this one" in asked else MIDDLING
    teacher.rows = [row("keep this one about the parcel", "shipping"), row("and what of the other thing", "refund")]
    found = run(with_generate(far, "{tag: canonical, count: 2}", judge=judge))
    assert len(found["made"]) == kept and teacher.asked["judge"] == (0 if "false" in judge else 2)
    assert [one["gate"] for one in found["rejected"]] == ["judge"] * (2 - kept)
    assert all(one["scores"] == MIDDLING for one in found["rejected"])


def test_what_was_asked_is_not_asked_again_and_gives_the_same_bytes(
    far: Far, teacher: Teacher, monkeypatch: Any
) -> None:
    first = run(with_generate(far))
    teacher.asked.clear()
    monkeypatch.delenv("FAR_KEY")  # nor is the key needed, then
    assert run(with_generate(far))["all"] == first["all"] and not teacher.asked
    monkeypatch.setenv("FAR_KEY", KEY)
    more = run(with_generate(far, "{tag: boundary, count: 5}"))
    assert teacher.asked == {"rows": 1, "judge": 1} and more["report"]["asked"] == 5


def test_another_seed_prompt_or_temperature_asks_anew(far: Far, teacher: Teacher) -> None:
    run(with_generate(far))
    for task in (with_generate(far, seed="1"), with_generate(far, teacher=", temperature: 0.1")):
        teacher.asked.clear()
        run(task)
        assert teacher.asked["rows"] == 4
    Path("prompts").mkdir()
    own = Path("prompts/rows.jinja")
    own.write_text("You write {{ tag }} like {{ example.input.text }} for {{ contract }}", encoding="utf-8")
    far.asked.clear()
    run(with_generate(far, prompts=f"{{rows: {own}}}"), rows_prompt=own)
    asked = {body["messages"][-1]["content"] for body, _ in far.asked if "max_tokens" in body}
    assert any(
        text.startswith("You write boundary like where is my parcel of monday for Answer with") for text in asked
    )


@pytest.mark.parametrize(
    ("budget", "asked", "requests"),
    [("{requests: 6}", 3, 6), ("{requests: 100}", 20, 40), ("{tokens: 1}", 1, 2), ("{tokens: 2000}", 10, 20)],
)
def test_a_budget_is_kept_and_what_was_not_asked_is_said(
    far: Far,
    teacher: Teacher,
    budget: str,
    asked: int,
    requests: int,
) -> None:
    task = with_generate(far, "{tag: style, count: 20}", budget=budget)
    found = run(task)
    assert (found["report"]["asked"], found["report"]["requests"]) == (asked, requests)
    assert found["report"]["tokens"] == requests * 110 and found["report"]["not_asked"] == 20 - asked
    assert ("T751" in found["warned"]) == (asked < 20)
    assert run(task)["all"] == found["all"], "answers that are there already count as well"


def test_a_limit_of_requests_is_kept(far: Far, teacher: Teacher) -> None:
    began = time.monotonic()
    run(with_generate(far, teacher=", requests_per_minute: 1200", judge="{enabled: false}"))
    assert time.monotonic() - began >= 3 * 60 / 1200


def test_a_request_that_failed_is_sent_again(far: Far, teacher: Teacher) -> None:
    teacher.rows = [(500, {}), (429, {})]
    found = run(with_generate(far, "{tag: a, count: 1}", judge="{enabled: false}").replace("retries: 0", "retries: 2"))
    assert found["report"]["accepted"] == 1 and teacher.asked["rows"] == 3


def test_a_question_that_is_refused_is_a_rejected_row_and_a_teacher_that_refuses_all_stops(
    far: Far,
    teacher: Teacher,
) -> None:
    teacher.rows = [(400, {"error": {"message": "not this"}})]
    found = run(with_generate(far))
    assert [one["reason"] for one in found["rejected"]] == ["the endpoint refuses the request: status 400"]
    teacher.asked.clear()
    assert run(with_generate(far))["all"] == found["all"] and not teacher.asked, "nor is the refused one asked again"
    teacher.rows = [(401, {})] * 20
    assert code(with_generate(far, seed="2")) == "T721"


def test_a_teacher_that_never_answered_and_refuses_all_stops_the_build(far: Far, teacher: Teacher) -> None:
    teacher.rows = [(400, {})] * 20
    assert code(with_generate(far)) == "T721" and code(with_generate(far)) == "T721"
    assert not TRANSCRIPT.exists()


def test_another_kind_before_the_others_asks_nothing_of_them_anew(far: Far, teacher: Teacher) -> None:
    run(with_generate(far, "{tag: style, count: 2}"))
    teacher.asked.clear()
    run(with_generate(far, "{tag: negative, count: 2}, {tag: style, count: 2}"))
    assert teacher.asked == {"rows": 2, "judge": 2}


def code(task: str, **given: Path) -> str:
    with pytest.raises(UserError) as refused:
        run(task, **given)
    return refused.value.diagnostics[0].code


def test_a_teacher_of_whom_nothing_is_left_stops_the_build_and_says_why(far: Far, teacher: Teacher) -> None:
    teacher.rows = ["no"] * 4
    with pytest.raises(UserError) as refused:
        run(with_generate(far))
    (found,) = refused.value.diagnostics
    assert found.code == "T744" and "4 by format" in found.notes[0]


def test_a_prompt_that_cannot_be_used_is_named_before_anything_is_asked(far: Far, teacher: Teacher) -> None:
    Path("prompts").mkdir()
    own = Path("prompts/rows.jinja")
    for text in (
        "{{ tga }}",
        "{% for a in fields %}{% for b in fields %}x{% endfor %}{% endfor %}",
        "{{ tag",
        "{{ tag.x.y }}",
    ):
        own.write_text(text, encoding="utf-8")
        assert code(with_generate(far, prompts=f"{{rows: {own}}}"), rows_prompt=own) == "T748"
    own.write_bytes(b"\xff\xfe{{ tag }}")
    assert code(with_generate(far, prompts=f"{{rows: {own}}}"), rows_prompt=own) == "T748"
    assert not far.asked


SCRIPT = """
import json
from pathlib import Path
from stages import augment, rubric
from stages.augmenting import TRANSCRIPT
params = augment.AugmentParams(**json.loads(Path("params.json").read_text()))
splits = ("train", "dev", "test", "golden", "adversarial", "holdout", "unanswered")
inputs = augment.Inputs(*(Path(f"{name}.jsonl") for name in splits))
out = (Path("cut") / write.path for write in augment.STAGE.writes().values())
augment.run(inputs, params, augment.Outputs(*out))
"""


def test_a_build_that_is_killed_goes_on_where_it_was(far: Far, teacher: Teacher) -> None:
    whole = run(with_generate(far, "{tag: style, count: 24}"))
    TRANSCRIPT.unlink()
    answers = {line["key"]: line["text"] for line in whole["transcript"]}
    slow = Counter[str]()

    def say(body: dict[str, Any]) -> tuple[int, Any]:
        from stages.journal import digest

        time.sleep(0.05)
        key = digest([far.url, body])
        slow[key] += 1
        return 200, reply(answers[key])

    far.say = say
    given = params(compiled(with_generate(far, "{tag: style, count: 24}"), "data/raw/rows.jsonl"), "augment")
    Path("params.json").write_text(json.dumps(given), encoding="utf-8")
    Path("cut").mkdir()
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    with subprocess.Popen([sys.executable, "-c", SCRIPT], env=env, stderr=subprocess.DEVNULL) as process:
        while len(slow) < 20 and process.poll() is None:
            time.sleep(0.01)
        process.kill()
    assert 0 < len(slow) < 48
    with TRANSCRIPT.open("ab") as cut:
        cut.write(b'{"key": "ab')
    kept = len(lines_of(TRANSCRIPT))
    again = run(with_generate(far, "{tag: style, count: 24}"))
    assert again["all"] == whole["all"] and set(slow) == set(answers)
    assert kept >= 8 and sum(slow.values()) <= 48 + 8, "at most what was under way is asked twice"
    assert {line["key"] for line in lines_of(TRANSCRIPT)} == set(answers)


def lines_of(path: Path) -> list[dict[str, Any]]:
    found = []
    for line in path.read_bytes().split(b"\n"):
        try:
            found.append(json.loads(line))
        except ValueError:
            continue
    return found
