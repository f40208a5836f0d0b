"""`tunec advise --deep`: the task's own training on parts of its rows, done once, asked dev alone."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import pytest

from stages.diagnostics import UserError
from tests.face.test_cost import tunec
from tests.once import once
from tests.tiny import tiny_model
from tunec import dvc
from tunec.advising import deep
from tunec.advising.curve import Curve, Point
from tunec.advising.trials import Studied, ended
from tunec.compiling import compile_workspace

TASK = """\
task_name: letters
task_type: classification
input_template: "{text}"
output_format: {type: label, schema: {enum: [a, b]}}
data: {sources: [{path: rows.jsonl}]}
splits: {ratios: {train: 0.7, dev: 0.15, test: 0.15}}
baselines: {base: false, prompted: false}
training: {base_model: models/tiny, adapter: full, prompt: none, epochs: 3, batch_size: 4, learning_rate: 2e-3}
quantization: {formats: [q8_0]}
evaluation: {resamples: 100, decoding: likelihood}
success_criteria: {threshold: 0.7}
"""


def made(to: Path) -> None:
    """130 rows of two labels that a word tells apart."""
    to.mkdir()
    draw = random.Random(0)
    said = {"a": "table", "b": "card"}
    words = ["Friday", "noon", "two", "home", "want", "new", "people", "please"]
    rows = [
        {"text": f"{said[label]} {' '.join(draw.choices(words, k=3))} {n}", "label": label}
        for n, label in enumerate("ab" * 65)
    ]
    (to / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    (to / "task.yaml").write_text(TASK, encoding="utf-8")
    tiny_model(to / "models" / "tiny")
    dvc.init(to)


@pytest.fixture
def folder(for_all_workers: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    import shutil

    monkeypatch.chdir(shutil.copytree(once(for_all_workers, "letters", made), tmp_path / "w"))
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    return Path()


@pytest.mark.slow
@pytest.mark.usefixtures("zygote")
def test_the_training_itself_is_measured_once(folder: Path) -> None:
    told, said = tunec(folder, "advise", "--measure", "--deep", "--json")
    advice = json.loads(told)
    curve = advice["deep"]
    sizes = [point["rows"] for point in curve["points"]]
    assert [len(point["values"]) for point in curve["points"]] == [2, 2, 2, 1] and sizes[-1] == curve["all"]["rows"]
    values = [point["value"] for point in curve["points"]]
    assert curve["model"] == "tiny-r16" and values[-1] > values[0] + 0.2 and curve["twice"]["rows"] == 2 * sizes[-1]
    for part in ("all", "twice"):
        assert 0 <= curve[part]["low"] <= curve[part]["value"] <= curve[part]["high"] <= 1
    assert curve["all"]["value"] == values[-1]
    assert "7 trainings on parts of the train rows, together 2.7 times the whole one" in said
    assert "✓ all" in said and not list(Path("build/advice").glob("*.rows.jsonl"))

    told, said = tunec(folder, "advise", "--deep", "success_criteria.threshold=0.2", "--json")
    assert "trainings" not in said  # another threshold trains nothing
    again = json.loads(told)
    assert again["deep"]["points"] == curve["points"]
    assert again["signals"]["tuned_reaches"]["value"] is True and "tuned_is_enough" in [
        reason["rule"] for reason in again["reasons"]
    ]

    max(Path("build/advice").glob("*.jsonl"), key=lambda file: file.stat().st_mtime).unlink()
    told, said = tunec(folder, "advise", "--deep")
    assert "a training on parts of the train rows" in said and "▸ all" in said and "draw" not in said
    assert f"tiny-r16, macro_f1, with {sizes[0]} rows: {values[0]:.3f}" in told


@pytest.fixture
def studied(folder: Path) -> Studied:
    compiled = compile_workspace(folder, [])
    train, predict = deep.both(compiled)
    lines = [b'{"n": %d}\n' % n for n in range(81)]
    return Studied(folder, compiled, train, predict, lines)


def test_two_draws_of_a_part_share_no_row_and_keep_their_order(studied: Studied) -> None:
    assert studied.sizes == [10, 20, 40, 81]
    for size in (10, 20, 40):
        first, second = (studied.part((size, draw)) for draw in (0, 1))
        assert len(first) == len(second) == size and not set(first) & set(second)
        assert first == [line for line in studied.rows if line in set(first)]
    assert studied.part((81, 0)) == studied.rows


def test_a_trial_reads_nothing_of_the_test_split(studied: Studied) -> None:
    trial = studied.trial((40, 1)).json()
    assert "test" not in json.dumps([trial["train"]["inputs"], trial["predict"]["inputs"]])


def test_what_a_trial_comes_from_is_its_name(studied: Studied) -> None:
    keys = {studied.trial(drawn).answers for drawn in ((40, 0), (40, 1), (81, 0))}
    slower = compile_workspace(Path(), ["training.learning_rate=1e-3"])
    other = Studied(Path(), slower, *deep.both(slower), studied.rows)
    keys.add(other.trial((81, 0)).answers)
    wider = compile_workspace(Path(), ["success_criteria.threshold=0.1", "evaluation.metrics=[accuracy]"])
    same = Studied(Path(), wider, *deep.both(wider), studied.rows)
    assert len(keys) == 4 and same.trial((81, 0)).answers in keys


def refused(folder: Path, *keys: str) -> str:
    compiled = compile_workspace(folder, list(keys))
    with pytest.raises(UserError) as error:
        deep.measured(folder, compiled, list(keys))
    return error.value.diagnostics[0].code


def built(studied: Studied, rows: int) -> None:
    """The train rows, as if they were built."""
    file = studied.root / str(studied.train.inputs["train"])
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text('{"n": 1}\n' * rows, encoding="utf-8")


def test_too_few_train_rows_are_refused(studied: Studied, monkeypatch: pytest.MonkeyPatch) -> None:
    built(studied, 39)
    monkeypatch.setattr(deep, "build", lambda *_: None)
    for path in studied.train.dependencies():
        (studied.root / path).mkdir(parents=True) if not (studied.root / path).exists() else None
    assert refused(studied.root) == "T940"


def test_advice_asks_no_teacher(folder: Path) -> None:
    text = Path("task.yaml").read_text(encoding="utf-8")
    teacher = "generate: {teacher: {endpoint: 'http://localhost:1/v1', model: m}, label: true}\n"
    Path("task.yaml").write_text(text + teacher, encoding="utf-8")
    assert refused(folder) == "T941"


def test_a_metric_that_is_no_share_makes_no_curve(folder: Path) -> None:
    compiled = compile_workspace(folder, [])
    criteria = compiled.task.success_criteria.model_copy(update={"primary_metric": "reward_margin"})
    other = compiled.task.model_copy(update={"success_criteria": criteria})
    with pytest.raises(UserError, match="reward_margin"):
        deep.shares(type("Compiled", (), {"task": other})())


@pytest.mark.parametrize(
    ("code", "said", "error"),
    [
        (-9, [], UserError),
        (1, ["RuntimeError: [enforce fail] not enough memory: you tried"], UserError),
        (1, ["KeyError: 'x'"], RuntimeError),
    ],
)
def test_a_killed_training_is_no_bug_of_ours_and_a_bug_is(code: int, said: list[str], error: type[Exception]) -> None:
    found = ended(code, said)
    assert isinstance(found, error)
    assert not isinstance(found, UserError) or found.diagnostics[0].code == "T943"


def curve(*values: tuple[float, ...]) -> Curve:
    return Curve(tuple(Point(10 * 2**n, of, 200) for n, of in enumerate(values)), 100)


def test_draws_that_lie_apart_make_what_was_measured_once_less_sure() -> None:
    near: Any = curve((0.50, 0.51), (0.60, 0.61), (0.7,)).at(40)
    far: Any = curve((0.40, 0.61), (0.50, 0.71), (0.7,)).at(40)
    assert far.high - far.low > near.high - near.low


def test_deep_alone_measures_as_well(monkeypatch: pytest.MonkeyPatch) -> None:
    """As the help says: who asks for the dear trainings has asked for the cheap ones."""
    from typer.testing import CliRunner

    from tunec.advising import advise
    from tunec.cli import app

    class Asked(Exception):
        pass

    def asked(*_: Any, measure: bool, deep: bool) -> None:
        raise Asked((measure, deep))

    monkeypatch.setattr(advise, "advise", asked)
    for words, switches in (([], (False, False)), (["--measure"], (True, False)), (["--deep"], (True, True))):
        assert CliRunner().invoke(app, ["advise", *words]).exception.args == (switches,)  # type: ignore[union-attr]
