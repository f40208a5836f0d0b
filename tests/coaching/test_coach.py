"""`tunec coach`: bad input, what is safe, the terminal, a model that reads."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from prompt_toolkit import PromptSession
from prompt_toolkit.input import create_pipe_input
from prompt_toolkit.output import DummyOutput

from compiler import compile_task
from compiler.parse import parse
from stages.diagnostics import UserError
from tests.face.test_cost import tunec
from tunec import coaching
from tunec.coaching import answers as answering
from tunec.coaching import reading_freely
from tunec.coaching.answers import Unclear, understood
from tunec.coaching.asking import ask
from tunec.coaching.coach import SESSION, Asked, Coached, coach, conclude
from tunec.coaching.questions import BY_ID, QUESTIONS
from tunec.coaching.words import LANGUAGES, words
from tunec.workspace import Disk

ROWS = "".join(f'{{"text": "the number {n}", "label": "{"ab"[n % 2]}"}}\n' for n in range(30))


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "rows.jsonl").write_text(ROWS, encoding="utf-8")
    return tmp_path


def refused(*files: str, answers: str | None = None, **how: Any) -> str:
    if answers is not None:
        Path("answers.yaml").write_text(answers, encoding="utf-8")
        how["answers"] = Path("answers.yaml")
    with pytest.raises(UserError) as found:
        coach(Path(), [Path(file) for file in files], Asked(**how), Path("task.yaml"))
    assert not Path("task.yaml").exists()
    assert all(one.help for one in found.value.diagnostics)
    return found.value.diagnostics[0].code


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("- a\n- b\n", "T840"),
        ("problm: x\n", "T841"),
        ("volume: many\n", "T842"),
        ("gpu: maybe\n", "T842"),
        ("gpu_host: -oProxyCommand=x\n", "T842"),
        ("threshold: 400\n", "T842"),
        ("lang: fr\n", "T842"),
        ("problem: [a, b]\n", "T842"),
        ("problem: &a x\ntoday: *a\n", "T005"),
        ("problem: !!python/name:os.system\n", "T006"),
    ],
)
def test_answers_that_are_none_are_refused_with_their_line(text: str, code: str, folder: Path) -> None:
    assert refused("rows.jsonl", answers=text) == code


def test_data_that_is_none_is_refused(folder: Path) -> None:
    (folder / "notes.docx").write_text("x", encoding="utf-8")
    (folder / "broken.jsonl").write_text("{no\n", encoding="utf-8")
    (folder / "empty.jsonl").write_text("", encoding="utf-8")
    for name in ("missing.jsonl", "notes.docx", "broken.jsonl", "empty.jsonl", "/etc/passwd"):
        assert refused(name, answers="") == "T844"
    assert refused() == "T844"


def test_a_link_out_of_the_folder_is_no_data(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    outside = tmp_path_factory.mktemp("outside") / "rows.jsonl"
    outside.write_text(ROWS, encoding="utf-8")
    (folder / "link.jsonl").symlink_to(outside)
    assert refused("link.jsonl", answers="") == "T844"


def test_nothing_is_overwritten_not_even_through_a_link(folder: Path) -> None:
    (folder / "task.yaml").symlink_to(folder / "elsewhere.yaml")
    with pytest.raises(UserError) as found:
        coach(Path(), [Path("rows.jsonl")], Asked(), Path("task.yaml"))
    assert found.value.diagnostics[0].code == "T843" and not (folder / "elsewhere.yaml").exists()
    assert "T843" in tunec(folder, "coach", "rows.jsonl", "--out", "../task.yaml", code=1)[1]


def test_a_second_task_leaves_the_first_its_summary(folder: Path) -> None:
    tunec(folder, "coach", "rows.jsonl")
    first = (folder / "task_summary.yaml").read_bytes()
    tunec(folder, "coach", "rows.jsonl", "--out", "other.yaml")
    assert (folder / "task_summary.yaml").read_bytes() == first and (folder / "other_summary.yaml").is_file()


def test_a_task_is_not_written_where_its_rows_are_not(folder: Path) -> None:
    (folder / "below").mkdir()
    assert "T843" in tunec(folder, "coach", "rows.jsonl", "--out", "below/task.yaml", code=1)[1]


def next_steps(told: str) -> list[str]:
    """The commands that the coach ends with."""
    return [line.partition(" #")[0].strip() for line in told.partition("Next:")[2].splitlines()[1:]]


@pytest.mark.parametrize(
    ("made", "first"),
    [
        ([], ["git init && dvc init"]),
        (["git init -q"], ["dvc init"]),
        (["git init -q .."], ["dvc init --subdir"]),
        (["git init -q", "dvc init -q"], []),
    ],
)
def test_the_coach_ends_with_what_works_in_this_folder(made: list[str], first: list[str], tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    (home / "rows.jsonl").write_text(ROWS, encoding="utf-8")
    for command in made:
        typed(home, command)
    steps = next_steps(tunec(home, "coach", "rows.jsonl", "--lang", "en")[0])
    assert steps == [*first, "tunec check", "tunec advise", "tunec build"]
    for command in first:
        assert command in tunec(home, "plan", code=1)[1]  # T401 names the same
        typed(home, command)
    tunec(home, "check")
    assert "never built" in tunec(home, "plan")[0]


def typed(folder: Path, command: str) -> None:
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    env = {**os.environ, "PATH": path, "DVC_NO_ANALYTICS": "1"}
    subprocess.run(["sh", "-c", command], cwd=folder, env=env, check=True, capture_output=True)


def test_a_task_of_another_name_is_renamed_before_it_is_built(folder: Path) -> None:
    steps = next_steps(tunec(folder, "coach", "rows.jsonl", "--lang", "en", "--out", "new.yaml")[0])
    assert "mv new.yaml task.yaml" in steps
    (folder / "new.yaml").rename(folder / "task.yaml")
    steps = next_steps(tunec(folder, "coach", "rows.jsonl", "--lang", "en", "--out", "new.yaml")[0])
    assert steps == ["tunec check new.yaml", "mv new.yaml DIR/task.yaml"]  # nothing here is overwritten
    tunec(folder, "check", "new.yaml")


@pytest.mark.parametrize(
    "answers",
    [
        "problem: x\n",
        "gpu: remote\ngpu_memory: 8\n",
        "task_type: policy\nnetwork: no\n",
        "instructions: " + 90 * "long ",
    ],
)
def test_the_coach_and_advise_reckon_the_memory_alike(answers: str, folder: Path) -> None:
    (folder / "answers.yaml").write_text(answers, encoding="utf-8")
    out, _ = tunec(folder, "coach", "rows.jsonl", "--answers", "answers.yaml", "--lang", "en", "--json")
    choice = json.loads(out)["choices"]["training.base_model"]
    ways = json.loads(tunec(folder, "advise", "--json")[0])["candidates"]
    memory = next(way["memory"] for way in ways if way["base_model"] == choice["value"])
    assert f"{memory / 1e9:.1f} GB" in choice["why"]


def test_long_rows_that_are_not_trained_on_take_no_memory_and_have_their_room(folder: Path) -> None:
    (folder / "train.jsonl").write_text(ROWS, encoding="utf-8")
    (folder / "test.jsonl").write_text(json.dumps({"text": "long " * 400, "label": "a"}) + "\n", encoding="utf-8")
    out, _ = tunec(folder, "coach", "train.jsonl", "test.jsonl", "--lang", "en", "--json")
    choices = json.loads(out)["choices"]
    assert choices["training.max_length"]["value"] > 800
    ways = json.loads(tunec(folder, "advise", "--json")[0])["candidates"]
    memory = next(way["memory"] for way in ways if way["base_model"] == choices["training.base_model"]["value"])
    assert f"{memory / 1e9:.1f} GB" in choices["training.base_model"]["why"]


@pytest.mark.parametrize(
    ("said", "code"), [("Spanish", "es"), ("Chinese", "zh-TW"), ("简体中文", "zh-CN"), ("pt_BR", "pt-BR"), ("fr", "fr")]
)
def test_a_language_is_understood_by_its_name(said: str, code: str, folder: Path) -> None:
    answers: dict[str, Any] = {"problem": "x", "language": said}
    case = conclude(Path(), None, answers, words("en"), Path("task.yaml")).case
    assert case.value("language") == code


def test_a_model_without_a_text_or_a_text_without_a_model_is_refused(folder: Path) -> None:
    assert refused("rows.jsonl", llm="http://127.0.0.1:1/v1") == "T849"
    assert refused("rows.jsonl", story=Path("rows.jsonl")) == "T849"


def test_rows_alone_are_enough_and_every_assumption_is_marked(folder: Path) -> None:
    out, _ = tunec(folder, "coach", "rows.jsonl", "--json")
    told = json.loads(out)
    text = Path("task.yaml").read_text(encoding="utf-8")
    assumed = [key for key, choice in told["choices"].items() if choice["ground"] == "assumed"]
    assert "success_criteria.threshold" in assumed and text.count("assumed:") == len(assumed)
    assert told["choices"]["output_format.schema"]["value"] == {"enum": ["a", "b"]}


def test_rows_without_answers_are_not_trained_on(folder: Path) -> None:
    (folder / "rows.jsonl").write_text('{"text": "one of them"}\n' * 5, encoding="utf-8")
    found = coach(Path(), [Path("rows.jsonl")], Asked(), Path("task.yaml"))
    assert found.case.value("data.sources") == [{"path": "data/labelled/rows.jsonl"}]
    assert "data/labelled/rows.jsonl" in found.told()


def test_a_threshold_in_percent_is_taken_without_a_word(folder: Path) -> None:
    Path("answers.yaml").write_text("threshold: 85%\nbaseline_score: 70％\n", encoding="utf-8")
    found = coach(Path(), [Path("rows.jsonl")], Asked(Path("answers.yaml")), Path("task.yaml"))
    assert found.case.value("success_criteria.threshold") == 0.85 and found.case.contradictions == []
    Path("answers.yaml").write_text("threshold: 85\n", encoding="utf-8")
    bare = coach(Path(), [Path("rows.jsonl")], Asked(Path("answers.yaml")), Path("bare.yaml"))
    assert bare.case.value("success_criteria.threshold") == 0.85
    assert [one.word for one in bare.case.contradictions] == ["percent"]


@pytest.mark.parametrize("problem", ["", "problem: Sort the mails of customers\n"])
def test_a_name_that_no_task_can_have_is_said_to_be_left_out(problem: str, folder: Path) -> None:
    Path("answers.yaml").write_text(f"lang: en\nname: 客服 分類\n{problem}", encoding="utf-8")
    found = coach(Path(), [Path("rows.jsonl")], Asked(Path("answers.yaml")), Path("task.yaml"))
    assert "客服 分類" in found.case.assumed()["task_name"]


@pytest.mark.parametrize(("many", "said"), [(1, "1 label in 46 rows;"), (2, "2 labels in 46 rows;")])
def test_labels_and_rows_are_counted(many: int, said: str, folder: Path) -> None:
    rows = "".join(f'{{"text": "the number {n}", "label": "{"ab"[n % many]}"}}\n' for n in range(46))
    (folder / "rows.jsonl").write_text(rows, encoding="utf-8")
    found = coach(Path(), [Path("rows.jsonl")], Asked(), Path("task.yaml"))
    assert found.case.choices["output_format.schema"].why.startswith(said)


NAMES = ("kind", "topic", "department", "queue", "type", "tag", "status", "team", "reason", "部門")


def mails(column: str, folder: Path) -> None:
    kinds = ("billing", "login", "delivery", "refund", "other")
    lines = [f"mail {n} says {'this and that ' * (n % 3)},{kinds[n % 5]}" for n in range(46)]
    (folder / "rows.csv").write_text("\n".join((f"mail,{column}", *lines)) + "\n", encoding="utf-8")


@pytest.mark.parametrize("column", NAMES)
def test_an_answer_of_no_known_name_is_told_by_its_few_values(column: str, folder: Path) -> None:
    mails(column, folder)
    found = coach(Path(), [Path("rows.csv")], Asked(), Path("task.yaml"))
    assert found.case.value("input_template") == "{mail}" and found.case.value("task_type") == "classification"
    assert found.case.value("data.sources") == [{"path": "rows.csv"}]
    assert found.case.choices["data.output"].value == column and found.case.choices["data.output"].ground == "assumed"
    assert "billing" in found.case.choices["data.output"].why
    tunec(folder, "check")


def test_labels_that_were_named_tell_their_column_for_sure(folder: Path) -> None:
    kinds = ("billing", "login", "delivery")
    lines = [f"mail {n},{kinds[n % 3]},{'ab'[n % 2]}" for n in range(30)]
    Path("rows.csv").write_text("\n".join(("mail,kind,half", *lines)) + "\n", encoding="utf-8")
    Path("answers.yaml").write_text("labels: billing, login, delivery\n", encoding="utf-8")
    found = coach(Path(), [Path("rows.csv")], Asked(Path("answers.yaml")), Path("task.yaml"))
    assert found.case.choices["data.output"].value == "kind" and found.case.choices["data.output"].ground == "data"
    Path("answers.yaml").write_text("answer_column: half\n", encoding="utf-8")
    named = coach(Path(), [Path("rows.csv")], Asked(Path("answers.yaml")), Path("named.yaml"))
    assert named.case.choices["data.output"].value == "half" and named.case.choices["data.output"].ground == "answer"
    assert named.case.value("output_format.schema") == {"enum": ["a", "b"]}
    tunec(folder, "check")


def test_the_column_of_answers_is_asked_for_where_its_name_does_not_tell(folder: Path) -> None:
    from tunec.coaching.asking import _open
    from tunec.observing import observe

    mails("kind", folder)
    question = BY_ID["answer_column"]
    assert _open(question, observe(folder, ["rows.csv"]), {})
    assert not _open(question, observe(folder, ["rows.jsonl"]), {}) and not _open(question, None, {})


def test_a_column_of_answers_that_no_row_has_is_told(folder: Path) -> None:
    Path("answers.yaml").write_text("answer_column: nowhere\n", encoding="utf-8")
    found = coach(Path(), [Path("rows.jsonl")], Asked(Path("answers.yaml")), Path("task.yaml"))
    assert [(one.word, "nowhere" in one.said) for one in found.case.contradictions] == [("inputs", True)]


def test_a_column_that_no_placeholder_can_name_is_renamed(folder: Path) -> None:
    rows = [{"客戶訊息": f"第{n}則訊息", "label": "ab"[n % 2]} for n in range(30)]
    (folder / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    found = coach(Path(), [Path("rows.jsonl")], Asked(), Path("task.yaml"))
    assert found.case.value("data.sources")[0]["map"] == {"text": "客戶訊息"}
    assert found.case.words.language == "zh-TW"


TEXTS = st.text(st.characters(codec="utf-8", exclude_categories=("Cs",)), max_size=60)


@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    said=st.fixed_dictionaries(
        {}, optional=dict.fromkeys(("problem", "domain", "instructions", "name", "non_goals"), TEXTS)
    )
)
def test_whatever_is_said_stands_in_the_task_as_a_value(said: dict[str, str], folder: Path) -> None:
    """Quotes, braces, colons, comments, line breaks: none of them is YAML, none a placeholder."""
    answers = {}
    for name, text in said.items():
        with contextlib.suppress(Unclear):
            if (answer := understood(BY_ID[name], text)) is not None:
                answers[name] = answer
    Path("task.yaml").unlink(missing_ok=True)
    found = conclude(Path(), None, answers, words("en"), Path("task.yaml"))
    tree = parse(found.text, "task.yaml")
    for name, key in (("problem", "goal"), ("domain", "domain"), ("instructions", "system_prompt")):
        if name in answers:
            node = tree.get(key)
            assert node is not None and node.plain() == answers[name]
    assert set(tree.value) <= {choice.partition(".")[0] for choice in found.case.choices}


def test_both_languages_say_the_same_things_with_the_same_values() -> None:
    import re

    def walk(texts: dict[str, Any], path: str = "") -> dict[str, set[str]]:
        found: dict[str, set[str]] = {}
        for key, text in texts.items():
            at = f"{path}{key}"
            found |= (
                walk(text, f"{at}.") if isinstance(text, dict) else {at: set(re.findall(r"\{(\w+)(?::\w+)?\}", text))}
            )
        return found

    english, chinese = (walk(dict(words(name).texts)) for name in LANGUAGES)
    assert english == chinese
    asked = {f"questions.{question.id}.{part}" for question in QUESTIONS for part in ("ask", "help")}
    assert asked <= english.keys()
    assert {f"choices.{q.id}.{name}" for q in QUESTIONS for name in q.choices} <= english.keys()


def test_no_simplified_character_stands_in_the_traditional_words() -> None:
    from tunec.observing.languages import _ONLY_SIMPLIFIED

    text = (Path(coaching.__file__).parent / "words" / "zh-TW.yaml").read_text(encoding="utf-8")
    assert not {sign for sign in text if sign in _ONLY_SIMPLIFIED}


# ---------------------------------------------------------------- contradictions, and what nobody answered


def coached(folder: Path, answers: str, *files: str) -> Coached:
    """What comes of these answers; of rows.jsonl, unless other files are named."""
    Path("answers.yaml").write_text(answers, encoding="utf-8")
    Path("task.yaml").unlink(missing_ok=True)
    return coach(Path(), [Path(file) for file in files], Asked(Path("answers.yaml")), Path("task.yaml"))


@pytest.mark.parametrize(
    ("answers", "word", "key", "stands"),
    [
        ("gpu: none\ngpu_memory: 8\n", "memory_without_gpu", "execution.type", "local"),
        ("changes: weekly\niterations: once\n", "changes_once", "versioning.retention", 1),
        ("pain: privacy\ndata_may_leave: yes\n", "privacy_leaves", "versioning.deploy_target", "local"),
        ("latency: 2\n", "hasty", "success_criteria.gates", {"latency_p95": 0.002}),
        ("baseline: none\nbaseline_score: 0.7\n", "baseline_none", "success_criteria.threshold", 0.75),
        ("data_may_leave: no\nbaseline: larger\n", "larger_leaves", "cost.data_may_leave", False),
        ("network: no\ndeploy: huggingface\n", "offline_hub", "versioning.deploy_target", "huggingface"),
        ("inputs: text, label\n", "inputs_answer", "input_template", "{text}"),
        ("fields: colour\n", "fields_missing", "output_format.type", "label"),
        ("network: no\nlanguage: zh-TW\n", "offline", "training.base_model", "smollm2-135m"),
    ],
)
def test_a_contradiction_is_named_and_something_stands(
    answers: str, word: str, key: str, stands: Any, folder: Path
) -> None:
    if word == "offline":  # of a language that the model of this machine does not speak
        (folder / "rows.jsonl").write_text(
            "".join(f'{{"text": "第{n}則訊息", "label": "{"ab"[n % 2]}"}}\n' for n in range(30)), encoding="utf-8"
        )
    found = coached(folder, f"lang: en\n{answers}", "rows.jsonl")
    assert [one.word for one in found.case.contradictions] == [word]
    assert found.case.value(key) == stands


def test_fields_that_were_named_are_held_against_those_of_the_rows(folder: Path) -> None:
    rows = "".join(f'{{"text": "for {n} at noon", "output": {{"people": "{n}"}}}}\n' for n in range(30))
    (folder / "rows.jsonl").write_text(rows, encoding="utf-8")
    found = coached(folder, "lang: en\nfields: people\n", "rows.jsonl")
    assert found.case.contradictions == []
    other = coached(folder, "lang: en\nfields: colour\n", "rows.jsonl")
    told = {one.word: one.said for one in other.case.contradictions}
    assert told.keys() == {"fields_missing", "fields_unknown"}
    assert "colour" in told["fields_missing"] and "people" in told["fields_unknown"]


@pytest.mark.parametrize(
    ("slip", "few", "told"),
    [
        ("late_delivry", 3, True),
        ("late_deliveryy", 3, True),
        ("late_delivrey", 3, True),
        ("late_dalivery", 3, True),
        ("late_delivry", 20, False),  # both are in use
        ("late_delivery2", 3, False),
        ("early_delivery", 3, False),
    ],
)
def test_a_label_that_is_a_letter_from_a_far_more_common_one_is_pointed_out(
    slip: str, few: int, told: bool, folder: Path
) -> None:
    labels = ["late_delivery"] * 30 + ["refund"] * 30 + [slip] * few
    rows = "".join(f'{{"text": "message number {n}", "label": "{one}"}}\n' for n, one in enumerate(labels))
    (folder / "rows.jsonl").write_text(rows, encoding="utf-8")
    found = coached(folder, "lang: en\n", "rows.jsonl").case
    said = [one.said for one in found.contradictions if one.word == "labels_near"]
    assert bool(said) is told and all(slip in one and "3 rows" in one and "late_delivery (30)" in one for one in said)
    assert slip in found.value("output_format.schema")["enum"]


def test_labels_of_a_task_that_writes_freely_are_a_contradiction_without_rows_too(folder: Path) -> None:
    found = coached(folder, "lang: en\ntask_type: generation\nlabels: a, b\n")
    assert [one.word for one in found.case.contradictions] == ["labels_free"]
    assert found.case.value("output_format.type") == "text"


@pytest.mark.parametrize(
    ("answers", "where", "word"),
    [("gpu_host: user@far\n", "remote_ssh", None), ("gpu: none\ngpu_host: user@far\n", "local", "host_without_gpu")],
)
def test_an_address_alone_speaks_of_a_gpu(answers: str, where: str, word: str | None, folder: Path) -> None:
    found = coached(folder, answers, "rows.jsonl")
    assert found.case.value("execution.type") == where
    assert [one.word for one in found.case.contradictions] == ([word] if word else [])


def test_a_memory_alone_speaks_of_a_gpu_in_this_machine_and_is_marked(folder: Path) -> None:
    found = coached(folder, "lang: en\ngpu_memory: 16\n", "rows.jsonl")
    assert "its memory was named" in found.case.assumed()["execution.type"]
    assert "16.0 GB" in found.case.choices["training.base_model"].why


def test_without_a_network_no_model_is_chosen_that_has_to_be_fetched(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))
    fetched = coached(folder, "lang: en\ngpu: remote\ngpu_memory: 24\n", "rows.jsonl").case.value
    assert fetched("training.base_model") != "smollm2-135m"
    answers = "lang: en\ngpu: remote\ngpu_memory: 24\nnetwork: no\n"
    here = coached(folder, answers, "rows.jsonl").case
    assert here.value("training.base_model") == "smollm2-135m" and here.contradictions == []
    assert "network" not in here.assumed() and "qwen" not in here.choices["training.base_model"].why
    out, _ = tunec(folder, "advise", "--answers", "answers.yaml", "--json", "--sweep")
    assert {
        one["training.base_model"] for one in yaml.safe_load(Path("conf/sweep/advised.yaml").read_text())["sweep"]
    } == {"smollm2-135m"}
    first, *others = json.loads(out)["candidates"]
    assert first["base_model"] == "smollm2-135m"
    assert all("would have to be fetched from the Hub, without a network" in one["drawbacks"] for one in others)


def test_a_model_that_was_fetched_before_needs_no_network(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    known = yaml.safe_load((Path(coaching.__file__).parents[2] / "conf/base_model/qwen2-5-0-5b.yaml").read_text())
    model = known["base_model"]
    held = tmp_path / "hub" / f"models--{model['repo'].replace('/', '--')}" / "snapshots" / model["revision"]
    held.mkdir(parents=True)
    (held / "config.json").touch()
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))
    found = coached(folder, "lang: en\ngpu: remote\nnetwork: no\n", "rows.jsonl").case
    assert found.value("training.base_model") == "qwen2-5-0-5b"
    assert "installed already" in found.choices["training.base_model"].why


def test_every_question_that_nobody_answered_is_a_marked_assumption(folder: Path) -> None:
    """A question is answered, shown by the rows, set by a table, or listed; the summary lists the same."""
    found = coached(folder, "lang: en\n", "rows.jsonl").case
    shown = {"task_type", "answer_column", "inputs", "output", "labels", "fields", "language", "rows", "metric"}
    shown |= {"example_input", "example_output", "gpu_memory", "gpu_host", "baseline_score"}
    keys = {"name": "task_name", "instructions": "system_prompt", "gpu": "execution.type"}
    keys |= {"threshold": "success_criteria.threshold", "iterations": "versioning.retention"}
    keys |= {"deploy": "versioning.deploy_target"}
    keys |= {name: f"versioning.{name}" for name in ("strategy", "retention")}
    assert {keys.get(q.id, q.id) for q in QUESTIONS if q.id not in shown} == found.assumed().keys()
    told = yaml.safe_load(Path("task_summary.yaml").read_text(encoding="utf-8"))["task_summary"]["assumptions"]
    assert {line.partition(":")[0] for line in told} == found.assumed().keys()


def test_a_gpu_of_which_nobody_said_how_large_it_is_is_assumed_to_have_24_gb(folder: Path) -> None:
    assert "24 GB" in coached(folder, "lang: en\ngpu: remote\n", "rows.jsonl").case.assumed()["gpu_memory"]
    assert "gpu_memory" not in coached(folder, "lang: en\ngpu: remote\ngpu_memory: 8\n", "rows.jsonl").case.assumed()


def test_a_baseline_that_no_build_measures_is_said_to_be_none(folder: Path) -> None:
    assert (
        "`rules or keywords`" in coached(folder, "lang: en\nbaseline: rule\n", "rows.jsonl").case.assumed()["baseline"]
    )
    assert "baseline" not in coached(folder, "lang: en\nbaseline: prompted\n", "rows.jsonl").case.assumed()


def test_the_row_that_is_shown_as_an_example_is_json(folder: Path) -> None:
    found = coached(folder, "lang: en\nlabels: a, b\n")
    shown = next(line for line in found.told().splitlines() if "data/raw/rows.jsonl" in line and "{" in line)
    assert json.loads(shown[shown.index("{") :]) == {"text": "…", "label": "a"}


def test_an_interview_in_chinese_has_no_english_help(folder: Path) -> None:
    (folder / "rows.jsonl").write_text(ROWS * 20, encoding="utf-8")
    _, told = tunec(folder, "coach", "rows.jsonl", "--lang", "zh-TW", "--answers", written("threshold: 85\nrows: 2\n"))
    helps = [line for line in told.splitlines() if "= help:" in line]
    assert len(helps) == 2 and all(chinese(line) for line in helps)
    _, told = tunec(
        folder, "coach", "rows.jsonl", "--answers", written("lang: zh-TW\nvolume: 很多\ngpu: x\nqx: 1\n"), code=1
    )
    assert told.count("[T84") == 3
    assert all(chinese(line) for line in told.splitlines() if line.startswith("error") or "= help" in line)


def written(answers: str) -> str:
    Path("other.yaml").write_text(answers, encoding="utf-8")
    Path("task.yaml").unlink(missing_ok=True)
    return "other.yaml"


def chinese(text: str) -> bool:
    return any("\u4e00" <= sign <= "\u9fff" for sign in text)


def test_what_is_no_answer_is_told_in_the_interviews_own_language() -> None:
    for said, id in (
        ("many", "volume"),
        ("perhaps", "network"),
        ("x", "gpu"),
        ("-x", "gpu_host"),
        ("900", "threshold"),
    ):
        with pytest.raises(Unclear) as why:
            understood(BY_ID[id], said)
        assert chinese(why.value.told(words("zh-TW"))) and not chinese(why.value.told(words("en")))


def test_a_number_with_a_unit_is_asked_for_and_bounded_with_it() -> None:
    page = (Path(__file__).parents[2] / "docs" / "coach.md").read_text(encoding="utf-8")
    for id, unit in (("gpu_memory", "GB"), ("latency", "ms")):
        for language in LANGUAGES:
            assert words(language).ask(BY_ID[id]).endswith(f"({unit})")
            with pytest.raises(Unclear) as why:
                understood(BY_ID[id], "100000000")
            assert f" {unit}" in why.value.told(words(language))
        assert f"| {words('en').ask(BY_ID[id])} |" in page


def test_choices_in_chinese_are_understood_by_the_words_that_people_use() -> None:
    said = "格式, 風格, 成本, 太貴, 速度, 太慢, 隱私, 知識"
    assert understood(BY_ID["pain"], said) == [
        *("format", "style", "cost", "latency", "privacy", "knowledge"),
    ]


def test_a_person_sees_balance_lengths_and_doubled_rows_before_the_first_question(folder: Path) -> None:
    from tunec.coaching.looked import looked
    from tunec.observing import observe

    (folder / "rows.jsonl").write_text(ROWS + '{"text": "the number 1", "label": "b"}\n', encoding="utf-8")
    seen = observe(folder, ["rows.jsonl"])
    told = looked(words("en"), seen)
    assert "2 labels in 31 rows; the rarest, a, has 15" in told
    assert f"the longest row has about {seen.tokens[0]} tokens" in told and "1 row said twice" in told


def test_without_a_terminal_it_is_told_as_well_and_what_could_not_be_read(folder: Path) -> None:
    (folder / "rows.jsonl").write_text(ROWS + '{"text": "cut o\n', encoding="utf-8")
    out, _ = tunec(folder, "coach", "rows.jsonl", "--lang", "en")
    assert "rows.jsonl: 31 rows; one label of a list; label; text; en; 2 labels in 30 rows" in out
    assert "1 line cannot be read, the first: rows.jsonl:31: " in out


# ---------------------------------------------------------------- in a terminal


def asked(typed: str, kept: Path, given: dict[str, Any] | None = None) -> dict[str, Any]:
    with create_pipe_input() as pipe:
        pipe.send_text(typed)
        session: Any = PromptSession(input=pipe, output=DummyOutput())
        return ask(words("en"), kept, None, given or {}, session)


def test_what_is_typed_is_kept_and_the_rest_is_left_open(tmp_path: Path) -> None:
    kept = tmp_path / SESSION
    answers = asked("Sort mails\r?\rBy hand\rcost, latency\r\x04", kept)
    assert answers == {"problem": "Sort mails", "today": "By hand", "pain": ["cost", "latency"]}
    assert answering.read(kept) == {"lang": "en", **answers}


def test_an_interview_goes_on_where_it_was_left(tmp_path: Path) -> None:
    kept = tmp_path / SESSION
    asked("Sort mails\r\x04", kept)
    answers = asked("By hand\r\x04", kept)
    assert answers == {"problem": "Sort mails", "today": "By hand"}


def test_ctrl_c_keeps_what_was_answered(tmp_path: Path) -> None:
    kept = tmp_path / SESSION
    with pytest.raises(KeyboardInterrupt):
        asked("Sort mails\r\x03", kept)
    assert answering.read(kept)["problem"] == "Sort mails"


def test_what_the_rows_show_is_not_asked(folder: Path) -> None:
    from tunec.coaching.asking import _open
    from tunec.observing import observe

    seen = observe(folder, ["rows.jsonl"])
    still = {question.id for question in QUESTIONS if _open(question, seen, {})}
    assert not still & {"task_type", "inputs", "output", "labels", "fields", "language", "rows", "example_input"}
    assert "gpu_host" not in still and "problem" in still
    assert _open(BY_ID["gpu_host"], seen, {"gpu": "remote"})
    for question, before, nothing, something in (
        ("gpu_memory", "gpu", "none", "local"),
        ("baseline_score", "baseline", "none", "rule"),
    ):
        assert not _open(BY_ID[question], seen, {before: nothing}) and not _open(BY_ID[question], seen, {})
        assert _open(BY_ID[question], seen, {before: something})


# ---------------------------------------------------------------- a model that reads


class Model:
    """Stands for an endpoint: what it was asked, and what it says."""

    def __init__(self, says: str) -> None:
        self.says, self.body = says, {}

    def asked(self, client: Any, body: dict[str, Any]) -> dict[str, Any]:
        self.body = body
        return {"text": self.says}

    def client(self) -> Any:
        return contextlib.closing(self)  # only `close` is asked of it

    def close(self) -> None:
        pass


def read_by(says: str, monkeypatch: pytest.MonkeyPatch) -> tuple[dict[str, Any], Model]:
    model = Model(says)
    model.client = lambda: model  # type: ignore[method-assign]
    monkeypatch.setattr(reading_freely, "Endpoint", lambda *given, **named: model)
    return reading_freely.read_freely("http://127.0.0.1:1/v1", "m", "my story", words("en")), model


def test_what_a_model_reads_is_held_to_the_questions(monkeypatch: pytest.MonkeyPatch) -> None:
    says = {"problem": "sort mails", "gpu": "a big one", "gpu_host": "-oProxyCommand=x", "volume": 5, "evil": "x"}
    answers, model = read_by(f"```json\n{json.dumps(says)}\n```", monkeypatch)
    assert answers == {"problem": "sort mails", "volume": 5}
    schema = model.body["response_format"]["json_schema"]["schema"]
    assert schema["additionalProperties"] is False and schema["properties"]["gpu"] == {
        "enum": ["none", "local", "remote"]
    }
    assert "my story" in model.body["messages"][1]["content"]


@pytest.mark.parametrize("says", ["I would say yes.", "[1]", '{"problem": 1', "[" * 100_000])
def test_a_model_that_gives_no_form_is_refused(says: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UserError) as found:
        read_by(says, monkeypatch)
    assert found.value.diagnostics[0].code == "T850"


def test_what_a_model_read_is_listed_as_its_reading_and_a_person_outdoes_it(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading_freely, "read_freely", lambda *given: {"problem": "theirs", "domain": "travel"})
    Path("answers.yaml").write_text("problem: mine\n", encoding="utf-8")
    Path("story.txt").write_text("a story", encoding="utf-8")
    how = Asked(answers=Path("answers.yaml"), story=Path("story.txt"), llm="http://127.0.0.1:1/v1")
    found = coach(Path(), [Path("rows.jsonl")], how, Path("task.yaml"))
    assert found.case.value("goal") == "mine" and found.case.read == {"domain"}
    told = yaml.safe_load(Path("task_summary.yaml").read_text(encoding="utf-8"))["task_summary"]["assumptions"]
    assert any(line.startswith("domain: by a model") for line in told)


def test_a_field_that_hurts_people_asks_for_an_expert(folder: Path) -> None:
    Path("answers.yaml").write_text("domain: 醫療\n", encoding="utf-8")
    found = coach(Path(), [Path("rows.jsonl")], Asked(Path("answers.yaml")), Path("task.yaml"))
    assert "expert_review" in found.told()
    compiled = compile_task(found.text, Disk(Path()))
    assert "T854" in {one.code for one in compiled.warnings}
