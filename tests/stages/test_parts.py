"""A run that was cut off: parts that were done are not asked again, and the answers are what they would have been."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from stages import checkpoints, parts, progress
from stages.answers import Answer
from stages.chat import Piece, Prompt
from stages.predicting import Answered, timed

PROMPTS = [Prompt(str(n), (Piece(f"row {n}"),)) for n in range(10)]


class Engine:
    """Answers with the prompt and the part that it was asked in; fails once it has given so many."""

    def __init__(self, fails_after: int = 99) -> None:
        self.asked: list[list[str]] = []
        self.left = fails_after

    def __call__(self, part: Sequence[Prompt]) -> Iterator[Answer]:
        self.asked.append([prompt.id for prompt in part])
        for count, prompt in enumerate(part, start=1):
            if not self.left:
                raise KeyboardInterrupt
            self.left -= 1
            progress.tell(count, len(part), progress.ANSWERED)
            text = f"{prompt.text} of {len(part)}"
            yield Answer(prompt.id, text, None, 2, "stop", confidence=0.5)


@pytest.fixture
def kept(tmp_path: Path) -> Iterator[Path]:
    checkpoints.keep_at(lambda: tmp_path / "key")
    yield tmp_path / "key" / parts.FILE
    checkpoints.keep_at(None)


def answers(engine: Engine, prompts: Sequence[Prompt] = PROMPTS, about: object = "q8_0") -> list[Answer]:
    return list(parts.in_parts(prompts, 4, engine, about))


@pytest.mark.parametrize("after", range(10))
def test_what_was_answered_is_not_asked_again_wherever_it_was_cut_off(after: int, kept: Path) -> None:
    whole = answers(Engine(), about="another")
    with pytest.raises(KeyboardInterrupt):
        answers(Engine(after))
    second = Engine()
    assert answers(second) == whole
    assert len(second.asked) == 3 - min(2, after // 4), "whole parts alone are kept, and never the last"


def test_another_system_or_another_prompt_is_asked_anew(kept: Path) -> None:
    answers(Engine())
    for engine, given in ((Engine(), {"about": "f16"}), (Engine(), {"prompts": [*reversed(PROMPTS)]})):
        answers(engine, **given)  # type: ignore[arg-type]
        assert len(engine.asked) == 3


def test_a_line_that_was_cut_off_is_asked_anew(kept: Path) -> None:
    whole = answers(Engine())
    kept.write_bytes(kept.read_bytes()[:-20])
    engine = Engine()
    assert answers(engine) == whole and len(engine.asked) == 2


def test_few_prompts_and_stages_run_by_hand_keep_nothing(kept: Path) -> None:
    answers(Engine(), PROMPTS[:4])
    assert not kept.exists()
    checkpoints.keep_at(None)
    assert len(answers(Engine())) == 10 and not kept.exists()


def test_progress_is_that_of_the_whole(kept: Path) -> None:
    heard: list[tuple[int, int | None]] = []
    with progress.overheard(lambda done, total, note: heard.append((done, total))):
        answers(Engine())
    assert heard == [(count, 10) for count in range(1, 11)]


def test_the_speed_is_that_of_the_rows_that_were_answered_now(kept: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(KeyboardInterrupt):
        answers(Engine(9))
    clock = iter(range(100))
    monkeypatch.setattr("stages.predicting.perf_counter", lambda: float(next(clock)))
    found = timed(lambda: answers(Engine()))
    assert found.moments == (1.0, 2.0) and found.speed["rows_per_second"] == 1.0
    assert found.speed["tokens_per_second"] == 2.0


def test_nothing_that_was_told_means_the_whole_time() -> None:
    found = Answered([Answer("a", "x", None, 3, "stop")] * 4, seconds=2.0)
    assert found.speed == {"rows_per_second": 2.0, "tokens_per_second": 6.0}


def test_parts_grow_with_the_sequences() -> None:
    assert [parts.size(count) for count in (1, 16, 32, 64)] == [128, 128, 256, 512]
