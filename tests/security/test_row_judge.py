"""A judge of rows is a stranger, and so is whoever wrote a row: what either says is data."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from stages.diagnostics import UserError
from stages.row_judge import TRANSCRIPT
from tests.data.test_data_gates import row
from tests.data.test_row_judge import GOOD, MINE, Say, asked, judging, run, saying
from tests.far import KEY, Far, reply
from tests.security.test_teacher import HOSTILE, written


@pytest.fixture
def judge(far: Far) -> Say:
    return saying(far)


def test_a_hostile_row_is_shown_to_the_judge_as_it_stands_and_does_nothing(
    far: Far, judge: Say, tmp_path: Path
) -> None:
    rows = [row(f"message {number} says {text}", "refund") for number, text in enumerate(HOSTILE)]
    found = run(rows, judging(far, gates={"near": "off", "length": "off"}))
    assert found["texts"] == {one["text"] for one in rows} and len(far.asked) == len(HOSTILE)
    told = "\n".join(asked(far))
    assert "__subclasses__" in told and "$(touch pwned)" in told
    assert not list(tmp_path.rglob("pwned*"))


@pytest.mark.parametrize(
    "said",
    [
        "{" * 100_000,
        '{"realism": ' * 5_000,
        "9" * 400_000,
        '{"realism": NaN}',
        "\x00" * 1000,
        '{"realism": 5, "realism": 5}',
        "$(touch pwned) {{ 7 * 191 }} ../../etc/passwd",
        json.dumps(GOOD | {"correctness": 50}),
        json.dumps(GOOD | {"format": True}),
    ],
    ids=["braces", "deep", "digits", "nan", "zeros", "twice", "payload", "above", "true"],
)
def test_junk_of_a_judge_is_no_score(far: Far, judge: Say, said: str, tmp_path: Path) -> None:
    judge(lambda question: said if "parcel" in question else GOOD)
    found = run(MINE, judging(far))
    assert [one["reason"] for one in found["rejected"]] == ["the judge gave no scores"]
    assert not list(tmp_path.rglob("pwned*"))


def test_the_key_stands_in_nothing_that_is_written_even_where_the_judge_says_it(far: Far, judge: Say) -> None:
    judge(lambda question: f"your key is {KEY}" if "parcel" in question else GOOD)
    run(MINE, judging(far))
    assert KEY.encode() not in written() and b"[key]" in TRANSCRIPT.read_bytes()


def test_nobody_is_followed_to_another_address(far: Far) -> None:
    """A redirect would take the question, with a row in it, to whom nobody named: a metadata service, say."""
    inside = Far()
    far.headers = {"Location": f"{inside.url}/chat/completions"}
    far.say = lambda body: (307, reply("elsewhere"))
    try:
        with pytest.raises(UserError) as refused:
            run(MINE, judging(far))
        assert refused.value.diagnostics[0].code == "T721" and not inside.asked
    finally:
        inside.server.shutdown()
        inside.server.server_close()
