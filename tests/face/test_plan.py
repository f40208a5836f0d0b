"""What `tunec plan` and `tunec why` say of a workspace whose dvc.lock, history and run cache are made up."""

from __future__ import annotations

import contextlib
import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from compiler import Compiled
from compiler.emit import command, fingerprint_path
from compiler.plan import Instance
from stages import history
from tests.compiling import MINIMAL, ROWS
from tunec import dvc, outlook, shown
from tunec.changes import differences
from tunec.compiling import compile_workspace
from tunec.dvc_cache import Asked, Cache, hash_now
from tunec.guard import fingerprints
from tunec.planning import steps
from tunec.steps import Step

TRAIN = "train-smollm2-135m-r16"
AFTER_TRAIN = {
    "export-smollm2-135m-r16",
    "predict-smollm2-135m-r16-tuned",
    "select",
    "test",
    "score",
    "gate",
    "package",
}
TOOK = {seconds: history.Past((history.Ran("2026-11-21T19:31:03Z", seconds),)) for seconds in (1.0, 250.0)}


def named(text: str) -> dict[str, Any]:
    return {"hash": "md5", "md5": history.md5(text.encode())}


def asked_of(root: Path, instance: Instance, fingerprint: str) -> Asked:
    deps = {path: named(path) for path in instance.dependencies()}
    deps |= {path: found for path in deps if not path.startswith("build/") and (found := hash_now(root / path))}
    deps[fingerprint_path(instance.made.kind)] = named(fingerprint)
    params = {instance.name: json.loads(json.dumps(instance.params))} if instance.params else {}
    return Asked(command(instance), deps, params, list(instance.outputs.values()))


@dataclass
class Built:
    """A workspace as it would be after a build, as far as a plan looks at it."""

    root: Path
    lock: dict[str, Any] = field(default_factory=dict)
    changed: dict[str, list[Any]] = field(default_factory=dict)

    def compiled(self, overrides: list[str] | None = None) -> Compiled:
        return compile_workspace(self.root, overrides or [])

    def settle(self) -> None:
        """Every stage has just run: its part of dvc.lock, its outputs in the cache, its history."""
        compiled = self.compiled()
        code = fingerprints(compiled)
        for instance in compiled.plan.instances:
            asked = asked_of(self.root, instance, code[instance.made.kind])
            outs = [{"path": path, **named(path)} for path in sorted(asked.outs)]
            deps = [{"path": path, **found, "size": 1} for path, found in asked.deps.items()]
            self.lock[instance.name] = {"cmd": asked.cmd, "deps": deps, "params": {"params.yaml": asked.params}} | {
                "outs": outs
            }
            guard = self.root / fingerprint_path(instance.made.kind)
            guard.parent.mkdir(parents=True, exist_ok=True)
            guard.write_text(code[instance.made.kind], encoding="utf-8")
            sources = [Path(path) for path in asked.deps if not path.startswith("build/")]
            history.remember(self.root, instance.name, 10.0, sources, Path(fingerprint_path(instance.made.kind)))
            self.keep(asked)

    def keep(self, asked: Asked) -> None:
        """Into the run cache, with its outputs."""
        entry = self.cache / "runs" / asked.key[:2] / asked.key / "run"
        entry.parent.mkdir(parents=True, exist_ok=True)
        outs = [{"path": path, **named(path)} for path in asked.outs]
        entry.write_text(yaml.safe_dump({"cmd": asked.cmd, "outs": outs}), encoding="utf-8")
        for out in outs:
            file = self.cache / "files" / "md5" / out["md5"][:2] / out["md5"][2:]
            file.parent.mkdir(parents=True, exist_ok=True)
            file.touch()
            file.chmod(0o444)

    @property
    def cache(self) -> Path:
        return self.root / ".dvc" / "cache"

    def plan(self, overrides: list[str] | None = None) -> dict[str, Step]:
        (self.root / "dvc.lock").write_text(yaml.safe_dump({"stages": self.lock}), encoding="utf-8")
        told = dvc.Status(self.changed, self.cache)
        return {step.name: step for step in steps(self.root, self.compiled(overrides), lambda: told)}

    def edit(self, before: str, after: str) -> None:
        text = (self.root / "task.yaml").read_text(encoding="utf-8")
        assert before in text
        (self.root / "task.yaml").write_text(text.replace(before, after), encoding="utf-8")


@pytest.fixture
def built(tmp_path: Path) -> Built:
    (tmp_path / ROWS).parent.mkdir(parents=True)
    rows = ({"text": f"{n}", "output": {"people": "2", "time": "7"}} for n in range(812))
    (tmp_path / ROWS).write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    (tmp_path / "task.yaml").write_text(MINIMAL, encoding="utf-8")
    found = Built(tmp_path)
    found.settle()
    return found


def stale(plan: dict[str, Step]) -> dict[str, list[str]]:
    """The reasons that lie in the stages themselves."""
    return {name: list(step.reasons) for name, step in plan.items() if step.reasons}


# ---------------------------------------------------------------- states and reasons


def test_after_a_build_every_stage_is_cached(built: Built) -> None:
    assert {step.state for step in built.plan().values()} == {"cached"}


def test_a_key_that_changed_is_named_in_full_with_the_line_that_sets_it(built: Built) -> None:
    built.edit("  base_model: smollm2-135m", "  base_model: smollm2-135m\n  learning_rate: 1e-4")
    plan = built.plan()
    why = ["training.learning_rate 1e-3 -> 1e-4 (task.yaml:11)"]
    assert stale(plan) == {TRAIN: why, "papers": why}
    assert {name for name, step in plan.items() if step.state == "run"} >= {TRAIN} | AFTER_TRAIN
    assert plan["data"].state == "cached"
    assert plan["export-smollm2-135m-r16"].why() == [f"after {TRAIN}"]


def test_a_key_that_was_taken_out_is_set_by_the_preset_again(built: Built) -> None:
    built.edit("  base_model: smollm2-135m", "  base_model: smollm2-135m\n  lora: {alpha: 64}")
    built.settle()
    built.edit("\n  lora: {alpha: 64}", "")
    (reason,) = stale(built.plan())[TRAIN]
    assert reason.startswith("training.lora.alpha 64 -> 32 (conf/defaults.yaml:")


def test_a_key_of_the_command_line_and_one_that_the_schema_sets_say_so(built: Built) -> None:
    assert stale(built.plan(["splits.seed=3"])) == {"splits": ["splits.seed 0 -> 3 (<command line>)"]}
    built.edit("training:", "splits: {seed: 5}\ntraining:")
    built.settle()
    built.edit("splits: {seed: 5}\n", "")
    assert stale(built.plan()) == {"splits": ["splits.seed 5 -> 0 (default)"]}


def test_a_key_that_several_stages_read_is_told_of_each_and_the_schema_part_by_part(built: Built) -> None:
    built.edit("    time: {type: string}", "    time: {type: string, maxLength: 9}")  # in the shorthand
    told = stale(built.plan())
    assert told["data"] == ["output_format.schema.time.maxLength nothing -> 9 (task.yaml:8)"]
    assert told[TRAIN] == told["data"]


def test_a_source_that_changed_is_told_with_its_rows_before_and_now(built: Built) -> None:
    with (built.root / ROWS).open("a", encoding="utf-8") as rows:
        rows.write("{}\n{}\n{}\n")
    built.changed = {"data": [{"changed deps": {ROWS: "modified"}}]}
    assert stale(built.plan()) == {"data": [f"{ROWS} changed (812 -> 815 rows)"]}
    shutil.rmtree(built.root / history.FOLDER)
    assert stale(built.plan()) == {"data": [f"{ROWS} changed"]}


def test_a_library_or_a_module_that_changed_is_named(built: Built, monkeypatch: pytest.MonkeyPatch) -> None:
    text = fingerprints(built.compiled())["train-sft-lora"]
    trl = next(line for line in text.splitlines() if line.startswith("trl "))
    module = next(line for line in text.splitlines() if line.startswith("stages/train.py "))
    now = text.replace(trl, "trl 99.0").replace(module, "stages/train.py 0123456789abcdef")
    monkeypatch.setattr(
        "tunec.planning.fingerprints", lambda compiled: fingerprints(compiled) | {"train-sft-lora": now}
    )
    plan = built.plan()
    assert stale(plan) == {TRAIN: ["stages/train.py changed", f"{trl} -> 99.0"]}
    (built.root / fingerprint_path("train-sft-lora")).write_text(
        now, encoding="utf-8"
    )  # as a build leaves it that is stopped
    assert stale(built.plan()) == stale(plan)
    shutil.rmtree(built.root / history.FOLDER)
    assert stale(built.plan()) == {TRAIN: ["the code or a library of train-sft-lora changed"]}


def test_a_stage_that_was_never_built_says_just_that(built: Built) -> None:
    del built.lock[TRAIN]
    shutil.rmtree(built.cache)
    plan = built.plan()
    assert (plan[TRAIN].state, plan[TRAIN].why()) == ("run", ["never built"])


def test_an_output_that_is_gone_is_restored_where_the_cache_has_it_and_made_anew_where_not(built: Built) -> None:
    out = "build/splits/dev.jsonl"
    built.changed = {"splits": [{"changed outs": {out: "deleted"}}]}
    plan = built.plan()
    assert (plan["splits"].state, stale(plan)) == ("restored", {"splits": [f"its output {out} is missing"]})
    assert plan[TRAIN].state == "cached"
    name = named(out)["md5"]
    (built.cache / "files" / "md5" / name[:2] / name[2:]).unlink()
    assert built.plan()["splits"].state == "run"


def test_an_output_in_the_cache_that_is_not_what_its_name_says_does_not_count(built: Built) -> None:
    out = "build/splits/dev.jsonl"
    name = named(out)["md5"]
    file = built.cache / "files" / "md5" / name[:2] / name[2:]
    file.chmod(0o644)
    file.write_text("something else", encoding="utf-8")
    built.changed = {"splits": [{"changed outs": {out: "modified"}}]}
    assert built.plan()["splits"].state == "run"


def test_a_value_that_was_there_before_is_restored_and_so_is_all_that_follows(built: Built) -> None:
    for value in ("0.6", "0.7"):
        built.edit("threshold: 0.7" if value == "0.6" else "threshold: 0.6", f"threshold: {value}")
        built.settle()
    built.edit("threshold: 0.7", "threshold: 0.6")
    plan = built.plan()
    assert {name for name, step in plan.items() if step.state == "restored"} == {"gate", "papers", "report"}
    assert not any(step.runs for step in plan.values())


def test_what_a_stage_reads_of_others_is_told_with_the_key_that_decides_it(built: Built) -> None:
    built.edit("success_criteria:", "baselines: {majority: false}\nsuccess_criteria:")
    plan = built.plan()
    assert "no longer reads baseline-majority (task.yaml:11)" in plan["score"].reasons
    assert "baseline-majority" not in plan


def test_a_graph_of_a_stopped_build_says_which_input_changed(built: Built) -> None:
    for entry in built.lock[TRAIN]["deps"]:
        if entry["path"] == "build/splits/train.jsonl":
            entry["md5"] = "0" * 32
    plan = built.plan()
    assert stale(plan) == {TRAIN: ["build/splits/train.jsonl changed"]}
    assert plan[TRAIN].state == "restored"
    shutil.rmtree(built.cache / "runs")
    assert built.plan()[TRAIN].state == "run"


# ---------------------------------------------------------------- words


def test_the_plan_lists_every_stage_and_what_it_takes(built: Built) -> None:
    built.edit("threshold: 0.7", "threshold: 0.6")
    found = list(built.plan().values())
    text = outlook.plan_text(found)
    lines = {line.split()[1]: line for line in text.splitlines() if line[:1] not in ("", " ") and "stages" not in line}
    assert lines["data"].split() == ["cached", "data", "unchanged"]
    assert lines["gate"].split(maxsplit=2)[2] == "about 10 s  success_criteria.threshold 0.7 -> 0.6 (task.yaml:12)"
    assert text.endswith(f"4 to run, {len(found) - 4} unchanged: about 40 s (from the last runs)")
    told = outlook.plan_json(found)
    assert (told["stale"], told["seconds"]) == (True, 40.0)


def test_how_long_is_told_only_where_it_is_known() -> None:
    known, unknown = Step("a", "run", TOOK[250.0], ("never built",)), Step("b", "run", reasons=("never built",))
    assert outlook.estimate([known]) == "about 4 min 10 s (from the last runs)"
    assert (
        outlook.estimate([known, unknown]) == "about 4 min 10 s (from the last runs), and b of which that is not known"
    )
    assert outlook.estimate([unknown]) == "how long is not known, it never ran"
    assert outlook.plan_json([known, unknown])["seconds"] is None


def test_why_walks_the_shortest_way_back_to_every_edit_once() -> None:
    edit, other = "training.epochs 1 -> 2 (task.yaml:9)", "data/raw/a.jsonl changed"
    found = [
        Step("data", "run", reasons=(other,)),
        Step("splits", "run", after=("data",)),
        Step("train", "run", reasons=(edit,), after=("splits",)),
        Step("report", "run", TOOK[1.0], (edit,), ("train", "splits")),
    ]
    assert outlook.why_text("report", found) == (
        f"report runs, about 1.0 s (from the last runs)\n├─ {edit}\n└─ after splits\n   └─ after data\n      └─ {other}"
    )
    assert [cause["way"] for cause in outlook.why_json("report", found)["causes"]] == [
        ["report"],
        ["report", "splits", "data"],
    ]


def test_why_says_of_a_stage_that_is_up_to_date_when_it_last_ran() -> None:
    step = Step("gate", "cached", history.Past((history.Ran("2026-11-21T19:31:03Z", 0.42),)))
    assert outlook.why_text("gate", [step]).endswith("those of its last run (2026-11-21 19:31 UTC, 0.4 s)")
    assert outlook.why_text("gate", [replace(step, past=history.Past())]).endswith("those of its last run")


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (2e-4, "2e-4"),
        (1.25e-5, "1.25e-5"),
        (0.05, "0.05"),
        (3.0, "3"),
        (1000000, "1000000"),
        (True, "true"),
        (None, "nothing"),
        (["q8_0", "q4_k_m"], "[q8_0, q4_k_m]"),
        ({"a": 0.5}, "{a: 0.5}"),
        ("two words", '"two words"'),
        ("\x1b[31m", '"\\u001b[31m"'),
        ("x" * 80, "x" * 57 + "..."),
    ],
)
def test_a_value_is_shown_as_a_person_writes_it(value: Any, words: str) -> None:
    assert shown.value(value) == words


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0.04, "0.0 s"), (9.96, "10 s"), (59.6, "1 min"), (250, "4 min 10 s"), (7500, "2 h 5 min"), (7200, "2 h")],
)
def test_a_time_is_shown_as_a_person_says_it(seconds: float, words: str) -> None:
    assert shown.duration(seconds) == words


def test_mappings_in_lists_are_compared_one_by_one() -> None:
    before, after = {"a": [{"b": 1}, {"b": 2}], "c": (1,)}, {"a": [{"b": 1}, {"b": 3}], "c": [1]}
    assert differences(before, after) == {("a", "1", "b"): (2, 3)}


# ---------------------------------------------------------------- history and the run cache


def test_the_history_keeps_the_last_runs_and_is_nothing_that_a_plan_can_stumble_over(tmp_path: Path) -> None:
    for seconds in range(12):
        history.remember(tmp_path, "gate", float(seconds), [], None)
    assert [run.seconds for run in history.recall(tmp_path, "gate").runs] == [float(n) for n in range(4, 12)]
    for junk in ("", "[]", '{"runs": 7}', '{"runs": [{"a": 1}], "rows": {}, "code": {}}'):
        (tmp_path / history.FOLDER / "gate.json").write_text(junk, encoding="utf-8")
        assert history.recall(tmp_path, "gate") == history.Past()


@pytest.mark.parametrize(
    ("name", "text", "rows"),
    [
        ("a.jsonl", "{}\n{}\n", 2),
        ("a.jsonl", "{}\n{}", 2),
        ("a.jsonl", "", 0),
        ("a.csv", 'text\n"two\nlines"\n', 1),
        ("a.parquet", "PAR1\n", None),
    ],
)
def test_rows_are_counted_where_lines_are_rows(name: str, text: str, rows: int | None, tmp_path: Path) -> None:
    (tmp_path / name).write_text(text, encoding="utf-8")
    assert history.look(tmp_path / name).rows == rows


def test_the_key_of_a_run_does_not_depend_on_sizes_nor_on_the_order_of_anything() -> None:
    hash = {"hash": "md5", "md5": "0" * 32}
    one = Asked("tunec run a", {"b": hash, "a": hash}, {"a": {"x": 1, "size": 2}}, ["o", "n"])
    other = Asked("tunec run a", {"a": {**hash, "nfiles": 3}, "b": hash}, {"a": {"size": 9, "x": 1}}, ["n", "o"])
    assert one.key == other.key != replace(one, cmd="tunec run b").key


def test_a_cache_with_broken_entries_restores_nothing(tmp_path: Path) -> None:
    asked = Asked("tunec run a", {}, {}, ["o"])
    folder = tmp_path / "runs" / asked.key[:2] / asked.key
    folder.mkdir(parents=True)
    for junk in ("[", "7", "outs: [7]", "outs: [{md5: x}]"):
        (folder / "run").write_text(junk, encoding="utf-8")
        assert Cache(tmp_path).run(asked) is None
    with contextlib.suppress(FileNotFoundError):
        (folder / "run").unlink()
    assert Cache(tmp_path).run(asked) is None


def written(root: Path) -> Callable[[str, str], None]:
    def write(name: str, text: str) -> None:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text, encoding="utf-8")

    return write


def test_a_folder_is_hashed_as_dvc_does(tmp_path: Path) -> None:
    """The value is what `dvc add` gave a folder of these two files."""
    write = written(tmp_path)
    write("d/b.txt", "b\n")
    write("d/a/c.txt", "c\n")
    assert hash_now(tmp_path / "d") == {"hash": "md5", "md5": FOLDER}


FOLDER = "07503bf759a86ea72f1349641570416c.dir"
