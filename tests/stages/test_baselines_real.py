"""Baselines that ask a model, and a judge: SmolLM2-135M in this process, and behind llama.cpp's own server."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from stages import baseline, prefer
from stages.answers import Answer, read_answers, write_answers
from stages.contract import Contract
from stages.rows import Row, read_json, read_jsonl, write_rows
from tests.stages.smollm import pinned, served, unpacked

INTENTS = Contract(type="label", schema_={"enum": ["card", "parcel", "refund"]})
TRAIN = {
    "card": ["my credit card was stolen", "please block my card", "the card does not work at the machine"],
    "parcel": ["where is my parcel", "the parcel has not arrived", "track my parcel from monday"],
    "refund": ["i want my money back", "please refund the order", "when is the refund paid out"],
}
TEST = {
    "card": ["somebody has stolen my credit card", "block the card now please"],
    "parcel": ["my parcel has not arrived yet", "where is the parcel"],
    "refund": ["please pay my money back", "the refund is not paid out"],
}
pytestmark = pytest.mark.real


def rows(said: dict[str, list[str]], name: str) -> list[Row]:
    texts = [(label, text) for label, those in said.items() for text in those]
    return [Row(f"{name}{n}", {"text": text}, label) for n, (label, text) in enumerate(texts)]


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A workspace: the pinned model, its f16 file, and the rows."""
    folder = tmp_path_factory.mktemp("real")
    pinned(folder / "model-smollm2-135m")
    unpacked(folder)
    write_rows(folder / "train.jsonl", rows(TRAIN, "t"))
    write_rows(folder / "test.jsonl", rows(TEST, "q"))
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        yield folder


@pytest.fixture(scope="module")
def url(home: Path) -> Iterator[str]:
    with served(home / "smollm2.gguf") as address:
        yield address


def asked(kind: str, options: Any, home: Path, out: Path, model: bool = True) -> tuple[list[Answer], dict[str, float]]:
    """A baseline's answers to the test rows, and what it says of its speed."""
    given = baseline.BaselineParams(
        baseline=kind,
        options=options,
        prompting={"input_template": "{text}", "system_prompt": "Name the customer's intent.", "mode": "contract"},
        contract=INTENTS,
        decoding={"max_new_tokens": 8, "sequences": 4},
    )
    base = home / "model-smollm2-135m" / "base" if model else None
    outputs = baseline.Outputs(out / "predictions.jsonl", out / "speed.json")
    baseline.run(baseline.Inputs(home / "test.jsonl", train=home / "train.jsonl", model=base), given, outputs)
    return list(read_answers(outputs.predictions, INTENTS.digest)), read_json(outputs.speed)


def right(found: list[Answer]) -> int:
    return sum(a.text == row.output for a, row in zip(found, rows(TEST, "q"), strict=True))


@pytest.mark.parametrize(("kind", "options", "least"), [("few_shot", {"k": 3}, 4), ("rag", {"k": 2}, 3)])
def test_examples_of_the_train_rows_help_a_small_model(
    kind: str, options: Any, least: int, home: Path, tmp_path: Path
) -> None:
    found, speed = asked(kind, options, home, tmp_path)
    assert all(answer.text in INTENTS.labels for answer in found), "under the contract's grammar"
    assert right(found) >= least and speed["rows_per_second"] > 0


def test_an_encoder_parts_subjects_by_its_hidden_states(home: Path, tmp_path: Path) -> None:
    found, _ = asked("encoder", True, home, tmp_path)
    assert right(found) >= 5 and all(answer.confidence and answer.confidence > 1 / 3 for answer in found)


def test_a_larger_model_is_a_file_of_the_workspace(home: Path, tmp_path: Path) -> None:
    found, _ = asked("larger", {"model": "smollm2.gguf"}, home, tmp_path, model=False)
    assert [answer.text for answer in found] == [a.text for a in asked("prompted", True, home, tmp_path)[0]]


def test_a_larger_model_is_an_endpoint_that_says_what_the_same_weights_say_here(
    url: str, home: Path, tmp_path: Path
) -> None:
    options = {"endpoint": url, "model": "smollm2", "price": {"input": 1.0, "output": 2.0}}
    found, speed = asked("larger", options, home, tmp_path, model=False)
    free = [answer.free for answer in asked("larger", {"model": "smollm2.gguf"}, home, tmp_path, model=False)[0]]
    alike = sum(str(there.text).startswith(str(here)[:8]) for there, here in zip(found, free, strict=True))
    assert alike >= len(found) - 1, "another batch rounds otherwise, and may turn a near tie"
    assert speed["cost_per_1000"] > 0 and all(answer.tokens for answer in found)


def test_a_judge_gives_verdicts_and_is_not_asked_twice(url: str, home: Path, tmp_path: Path) -> None:
    text = Contract(type="text", schema_=None)
    some = [Row(f"j{n}", {"text": t}, f"About: {t}.") for n, t in enumerate(("a lost card", "a late parcel"))]
    write_rows(tmp_path / "rows.jsonl", some)
    write_answers(tmp_path / "chosen.jsonl", (Answer(row.id, "xx xx xx", "xx xx xx", 3, "stop") for row in some))
    given = {"endpoint": url, "model": "smollm2", "key_env": None, "against": "reference", "rows": 9}
    given |= {"criteria": None, "max_tokens": 24, "timeout": 60.0, "requests_per_minute": None}
    given |= {"structured": "json_object", "goal": "Write a title.", "system_prompt": None, "contract": text}
    inputs = prefer.Inputs(tmp_path / "rows.jsonl", tmp_path / "chosen.jsonl", {})
    out = prefer.Outputs(*(tmp_path / name for name in ("p.jsonl", "t.jsonl", "r.json")))
    prefer.run(inputs, prefer.PreferParams(**given), out)  # type: ignore[arg-type]
    told = read_json(out.report)
    assert told["rows"] == told["won"] + told["tied"] + told["lost"] == 2 and told["unread"] == 0
    assert {line["url"] for line in read_jsonl(out.transcript)} == {url} and prefer.TRANSCRIPT.is_file()
    kept = out.transcript.read_bytes()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("stages.engines.endpoint.Endpoint.asked", lambda *_: pytest.fail("asked again"))
        prefer.run(inputs, prefer.PreferParams(**given), out)  # type: ignore[arg-type]
    assert out.transcript.read_bytes() == kept
