"""A build beside another one, and what stages tell while it runs."""

from __future__ import annotations

import fcntl
import io
import json
import threading
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from stages.diagnostics import Diagnostic, Span, UserError
from stages.engines.endpoint import Endpoint
from tests.executing.places import make
from tunec import building, dvc, dvc_lock
from tunec.alone import ALONE, alone, is_taken
from tunec.compiling import compile_here
from tunec.display import EVERY, Count, Display
from tunec.dvc import EVENTS, LOG
from tunec.looking import asked
from tunec.placing import placed


@pytest.fixture
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(dvc, "require_workspace", lambda root: None)
    return tmp_path


def test_a_second_build_is_refused_and_leaves_the_first_one_s_logs(workspace: Path) -> None:
    console = Console(file=io.StringIO())
    (workspace / ALONE).parent.mkdir(parents=True)
    (workspace / EVENTS).write_text('{"stage": "train"}\n', encoding="utf-8")
    with (workspace / ALONE).open("a+") as first:
        fcntl.flock(first, fcntl.LOCK_EX)
        first.write("4711")
        first.flush()
        with pytest.raises(UserError) as refused, building._shown(workspace, console):
            pass
        [found] = refused.value.diagnostics
        assert found.code == "T406" and "process 4711" in found.message and "`tunec plan`" in str(found.help)
        assert (workspace / EVENTS).read_text(encoding="utf-8") == '{"stage": "train"}\n'
    with building._shown(workspace, console):
        pass


def test_nothing_is_compiled_beside_a_build_of_another_process(tmp_path: Path) -> None:
    """Its stages read params.yaml as they begin: what is written meanwhile would be trained, or thrown away."""
    make(tmp_path)
    compile_here(tmp_path, [])
    before = (tmp_path / "params.yaml").read_bytes()
    lock = tmp_path / ALONE
    lock.parent.mkdir(parents=True, exist_ok=True)
    with lock.open("a+") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        with pytest.raises(UserError) as refused:
            compile_here(tmp_path, ["training.epochs=7"])
        assert [found.code for found in refused.value.diagnostics] == ["T406"]
        assert (tmp_path / "params.yaml").read_bytes() == before
        assert compile_here(tmp_path, [])[1] == [], "where nothing would change, there is nothing to wait for"
    with alone(tmp_path):
        assert compile_here(tmp_path, ["training.epochs=7"])[1], "the build itself compiles"


def test_who_only_looks_whether_a_build_runs_keeps_none_out(tmp_path: Path) -> None:
    """A plan beside it asks so, and holds the lock while it does."""
    with alone(tmp_path):
        pass
    with (tmp_path / ALONE).open() as looking:
        fcntl.flock(looking, fcntl.LOCK_SH)
        threading.Timer(0.02, fcntl.flock, [looking, fcntl.LOCK_UN]).start()
        with alone(tmp_path):
            assert is_taken(tmp_path)


def test_the_lock_of_a_build_that_was_killed_keeps_nobody_out(workspace: Path) -> None:
    lock = workspace / ALONE
    lock.parent.mkdir(parents=True)
    lock.write_text("4711", encoding="utf-8")
    with lock.open() as held:
        fcntl.flock(held, fcntl.LOCK_EX)
    with building._shown(workspace, Console(file=io.StringIO())) as display:
        assert not display.lines


def uncompiled(root: Path) -> None:
    make(root)
    for name in dvc.COMPILED:
        (root / name).unlink(missing_ok=True)


def test_a_plan_before_any_build_writes_nothing_that_a_build_beside_it_could_take_for_its_own(tmp_path: Path) -> None:
    uncompiled(tmp_path)
    before = sorted(tmp_path.rglob("*"))
    with asked(tmp_path, []) as (_, texts):
        assert not texts and sorted(tmp_path.rglob("*")) == before
        compile_here(tmp_path, [])
    assert all((tmp_path / name).is_file() for name in dvc.COMPILED)


def test_a_plan_lends_what_the_task_compiles_to_and_leaves_what_stands_there(tmp_path: Path) -> None:
    make(tmp_path)
    compile_here(tmp_path, [])
    before = {name: (tmp_path / name).read_text(encoding="utf-8") for name in dvc.COMPILED}
    with asked(tmp_path, ["training.epochs=7"]) as (compiled, texts):
        assert texts["params.yaml"] == compiled.params_yaml != before["params.yaml"]
    assert before == {name: (tmp_path / name).read_text(encoding="utf-8") for name in dvc.COMPILED}


def test_a_plan_without_compiled_files_takes_back_what_it_lent_unless_a_build_has_it_by_then(tmp_path: Path) -> None:
    uncompiled(tmp_path)
    (tmp_path / "dvc.lock").write_text(LOCK, encoding="utf-8")
    with asked(tmp_path, []):
        assert all((tmp_path / name).is_file() for name in dvc.COMPILED)
    assert not any((tmp_path / name).exists() for name in dvc.COMPILED)
    with alone(tmp_path), asked(tmp_path, []):
        assert compile_here(tmp_path, [])[1] == []
    assert all((tmp_path / name).is_file() for name in dvc.COMPILED)


LOCK = "schema: '2.0'\nstages:\n  data:\n    cmd: tunec run data\n  train:\n    cmd: tunec run train\n"


def test_a_lock_file_that_a_build_is_writing_is_read_when_it_is_whole(tmp_path: Path) -> None:
    """DVC writes it piece by piece; a plan beside it would call every stage new."""
    (tmp_path / ALONE).parent.mkdir(parents=True)
    half = LOCK[: LOCK.rindex("cmd: ")]
    (tmp_path / "dvc.lock").write_text(half, encoding="utf-8")
    assert dvc_lock.beside_a_build(tmp_path) == {}, "nobody writes it"
    with (tmp_path / ALONE).open("a+") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        later = threading.Timer(0.25, (tmp_path / "dvc.lock").write_text, [LOCK])
        later.start()
        assert dvc_lock.stages(tmp_path).keys() == {"data", "train"}
        later.join()
        assert dvc_lock.beside_a_build(tmp_path) == {"dvc.lock": LOCK}


def test_half_a_line_of_a_stage_is_passed_over(tmp_path: Path) -> None:
    events = tmp_path / EVENTS
    events.parent.mkdir(parents=True)
    display = Display(Console(file=io.StringIO()), tmp_path)
    display.hear("running", "train")
    events.write_text('{"stage": "tr{"stage": "x"}\n{"stage": "train", "done": 3, "total": 4, "note": "half way"}\n')
    display.tick()
    assert display.lines["train"].note == "3/4  half way"
    with events.open("a", encoding="utf-8") as more:
        more.write('{"stage": "train", "done": 0, "total": null, "note": "loading"}\n')
    display.tick()
    assert display.lines["train"].note == "loading", "there is nothing to count yet"


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The time by which a display goes, to be set."""
    now = [100.0]
    monkeypatch.setattr("tunec.display.time.monotonic", lambda: now[0])
    return now


def began(display: Display, stage: str, clock: list[float]) -> None:
    display.hear("running", stage)
    display.lines[stage].started = display.lines[stage].printed = clock[0]


def test_a_log_has_a_line_of_a_long_stage_now_and_then_with_its_pace(tmp_path: Path, clock: list[float]) -> None:
    out = io.StringIO()
    display, predict = Display(Console(file=out, width=80, soft_wrap=True), tmp_path), "predict-smollm2-135m-r16-q4_k_m"

    def tell(seconds: float, done: int, total: int | None = 300) -> list[str]:
        """What is printed of a tick when that is told."""
        clock[0] = 100.0 + seconds
        event = {"stage": predict, "done": done, "total": total, "note": "rows answered"}
        with (tmp_path / EVENTS).open("a", encoding="utf-8") as events:
            events.write(json.dumps(event) + "\n")
        out.truncate(out.seek(0))
        display.tick()
        return out.getvalue().splitlines()

    (tmp_path / EVENTS).parent.mkdir(parents=True)
    began(display, predict, clock)
    assert tell(5, 10) == tell(EVERY - 1, 100) == [], "a stage that is soon done has its end alone"
    [line] = tell(EVERY, 110)
    assert line.split() == f"▸ {predict} 30.0 s 110/300 rows answered · 4.0/s · 48 s left".split(), "10 took no time"
    assert tell(EVERY + 1, 111) == [] and len(tell(2 * EVERY, 200)) == 1
    [line] = tell(3 * EVERY, 3, None)
    assert line.endswith(" 3  rows answered"), "of what nobody knows the end of, nobody knows how long it takes"
    display.hear("done", predict)
    out.truncate(out.seek(0))
    clock[0] += 2 * EVERY
    display.tick()
    assert out.getvalue() == ""


def test_a_terminal_has_no_lines_of_what_runs_beside_the_live_one(tmp_path: Path, clock: list[float]) -> None:
    out = io.StringIO()
    display = Display(Console(file=out, force_terminal=True, width=120), tmp_path)
    began(display, "train", clock)
    clock[0] += 5 * EVERY
    display.tick()
    assert out.getvalue() == ""


@pytest.mark.parametrize(
    ("done", "seconds", "note", "pace"),
    [
        (4, 20, "rows judged", "4/8  rows judged · 5.0 s each · 20 s left"),
        (8, 2, "rows judged", "8/8  rows judged · 4.0/s"),
        (4, 20, "loss 0.12 · 40 tok/s · 3 min left", "4/8  loss 0.12 · 40 tok/s · 3 min left"),
    ],
)
def test_how_fast_a_stage_goes_on_is_told_unless_it_does_so_itself(
    done: int, seconds: float, note: str, pace: str
) -> None:
    count = Count()
    count.to(0, 8, note, 10.0)
    assert count.to(done, 8, note, 10.0 + seconds) == pace


GENERATE = """\
generate:
  teacher: {endpoint: http://127.0.0.1:9/v1, model: m, key_env: NO_SUCH_KEY}
  rows: [{tag: boundary, count: 2}]
"""


@pytest.mark.parametrize(
    ("refuse", "line", "column"),
    [
        (lambda far: far.client(), 2, 65),  # T720, at key_env
        (lambda far: raised(far._down("cannot be reached")), 2, 23),  # T721, at endpoint
    ],
)
def test_a_stage_that_names_a_key_is_told_with_its_line(
    refuse: Any, line: int, column: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("NO_SUCH_KEY", raising=False)
    (tmp_path / "task.yaml").write_text(GENERATE, encoding="utf-8")
    far = Endpoint("http://127.0.0.1:9/v1", "m", "NO_SUCH_KEY", where="generate.teacher")
    with pytest.raises(UserError) as refused:
        refuse(far)
    events = tmp_path / EVENTS
    events.parent.mkdir(parents=True)
    told = {"stage": "augment", "event": "refused", "diagnostics": [d.plain() for d in refused.value.diagnostics]}
    events.write_text(json.dumps(told) + "\n", encoding="utf-8")
    display = Display(Console(file=io.StringIO()), tmp_path)
    display.tick()
    [found] = display.refused
    assert found.code in ("T720", "T721") and found.span == Span("task.yaml", line, column, found.span.length)


def raised(error: Exception) -> None:
    raise error


def test_a_key_that_a_preset_sets_is_told_at_the_nearest_that_task_yaml_has(tmp_path: Path) -> None:
    (tmp_path / "task.yaml").write_text(GENERATE, encoding="utf-8")
    found = Diagnostic("T721", "the endpoint cannot be reached", key="generate.judge.endpoint")
    assert placed(found, tmp_path).span == Span("task.yaml", 1, 1, 8)
    assert placed(found._replace(key="data.judge.endpoint"), tmp_path).span is None


def test_a_key_of_a_source_is_found_by_its_place_in_the_list(tmp_path: Path) -> None:
    sources = "data:\n  sources:\n    - {path: a.jsonl}\n    - {path: b.jsonl, role: test}\n"
    (tmp_path / "task.yaml").write_text(sources, encoding="utf-8")
    found = Diagnostic("T686", "no row is left for test", key="data.sources.1.role")
    assert placed(found, tmp_path).span == Span("task.yaml", 4, 29, 4)
    assert placed(found._replace(key="data.sources.0.role"), tmp_path).span == Span("task.yaml", 3, 7, 1)


@pytest.mark.parametrize("width", [80, 120])
def test_a_terminal_shows_how_far_a_stage_is_on_one_line(tmp_path: Path, width: int) -> None:
    out = io.StringIO()
    console = Console(file=out, force_terminal=True, width=width, color_system=None)
    display, name = Display(console, tmp_path), "train-smollm2-135m-r16"
    display.hear("running", name)
    display.lines[name].note = "120/754  loss 0.1234"
    console.print(display)
    [line] = out.getvalue().splitlines()
    assert line.startswith(f"▸ {name} ") and line.rstrip().endswith(" s  120/754  loss 0.1234")


@pytest.mark.parametrize(
    ("said", "code"),
    [
        ("ERROR: failed to transfer 'ea' - [Errno 28] No space left on device", "T380"),
        ("ERROR: Unable to acquire lock. Most likely another DVC process is running", "T406"),
        ("ERROR: '/w/build/data' is busy, it is being blocked by:", "T406"),
        ("ERROR: failed to reproduce 'train': failed to run: tunec run train, exited with -9", "T661"),
        ("ERROR: something else", "T405"),
    ],
)
def test_what_dvc_says_of_a_failure_becomes_what_a_person_can_do(said: str, code: str, tmp_path: Path) -> None:
    (tmp_path / LOG).parent.mkdir(parents=True)
    (tmp_path / LOG).write_text(f"Running stage 'train':\n{said}\n", encoding="utf-8")
    assert [found.code for found in building._failed(tmp_path).diagnostics] == [code]
    assert building._failed(tmp_path).diagnostics[0].notes or code == "T406"
