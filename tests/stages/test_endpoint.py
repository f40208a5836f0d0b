"""An endpoint as a larger model: answers, what is kept of them, and every way in which it can let one down."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest

from stages.answers import Answer
from stages.contract import Contract
from stages.diagnostics import UserError
from stages.engines.endpoint import PARTIAL, Endpoint, Messages
from tests.far import KEY, Far, reply

CONTRACT = Contract(type="json", schema_={"type": "object"})


def ask(far: Far, *texts: str, sequences: int = 1, **options: Any) -> list[Answer]:
    given = {"endpoint": far.url, "model": "big", "key_env": "FAR_KEY", **options}
    engine = Endpoint.of(given, CONTRACT)
    prompts = [Messages().prompt(str(n), "Be brief.", text) for n, text in enumerate(texts)]
    return list(engine.answer(prompts, max_new_tokens=16, sequences=sequences))


def refused(far: Far, *texts: str, **options: Any) -> UserError:
    with pytest.raises(UserError) as error:
        ask(far, *(texts or ("a",)), **options)
    return error.value


def test_answers_come_in_order_and_the_key_goes_in_the_header_alone(far: Far) -> None:
    found = ask(far, *"abcdefgh", sequences=4)
    assert [(a.id, a.text) for a in found] == [(str(n), f"you said {c}") for n, c in enumerate("abcdefgh")]
    body, authorization = far.asked[0]
    assert authorization == f"Bearer {KEY}" and KEY not in json.dumps(body)
    assert body["temperature"] == 0 and body["max_tokens"] == 16
    assert [m["role"] for m in body["messages"]] == ["system", "user"]
    assert not list(Path().rglob(f"{PARTIAL}/*.jsonl")), "nothing is left when all answers are there"


def test_a_contract_is_sent_along_where_it_is_asked_for(far: Far) -> None:
    ask(far, "a", structured=True)
    assert far.asked[0][0]["response_format"]["json_schema"]["schema"] == {"type": "object"}


def test_requests_have_their_cost(far: Far) -> None:
    engine = Endpoint.of({"endpoint": far.url, "model": "big", "price": {"input": 2.0, "output": 10.0}}, CONTRACT)
    list(engine.answer([Messages().prompt("1", None, "a")], max_new_tokens=4))
    assert engine.costs(1)["cost_per_1000"] == pytest.approx(1000 * (100 * 2 + 10 * 10) / 1e6)


def test_without_the_key_nothing_is_asked(far: Far, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("FAR_KEY")
    assert refused(far).diagnostics[0].code == "T720" and not far.asked


def test_an_endpoint_that_is_down_is_named(far: Far) -> None:
    far.server.shutdown()
    far.server.server_close()
    found = refused(far).diagnostics[0]
    assert found.code == "T721" and "cannot be reached" in found.message


def test_a_slow_endpoint_is_not_waited_for(far: Far, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("stages.engines.endpoint.TRIES", 1)

    def slow(body: Any) -> Any:
        time.sleep(2)
        return 200, reply("late")

    far.say = slow
    found = refused(far, timeout=1).diagnostics[0]
    assert found.code == "T721" and "within 1 s" in found.message


def test_an_endpoint_that_refuses_is_told_with_its_status_and_without_the_key(far: Far) -> None:
    far.say = lambda body: (401, {"error": {"message": f"bad key {KEY}"}})
    error = refused(far)
    assert "status 401" in str(error) and KEY not in repr(error.diagnostics)


@pytest.mark.parametrize(
    "junk",
    [b"<html>hello</html>", b"", {"choices": []}, {"choices": None}, reply(None), reply({"a": 1}), [1, 2], b"\xff\xfe"],
    ids=["html", "nothing", "no choice", "null", "no text", "an object", "a list", "bytes"],
)
def test_junk_is_told_and_is_no_bug_of_ours(far: Far, junk: Any) -> None:
    far.say = lambda body: (200, junk)
    assert refused(far).diagnostics[0].code == "T722"


def test_answers_that_came_are_not_asked_for_again(far: Far) -> None:
    def fails_at_c(body: Any) -> Any:
        text = body["messages"][-1]["content"]
        return (400, {}) if text == "c" else (200, reply(f"you said {text}"))

    far.say = fails_at_c
    refused(far, "a", "b", "c")
    kept = list(Path().rglob("*.jsonl"))
    assert kept and KEY not in kept[0].read_text(encoding="utf-8")
    far.asked.clear()
    far.say = lambda body: (200, reply("at last"))
    found = ask(far, "a", "b", "c")
    assert [a.text for a in found] == ["you said a", "you said b", "at last"] and len(far.asked) == 1


def test_a_journal_that_was_cut_off_is_read_up_to_there(far: Far) -> None:
    PARTIAL.mkdir(parents=True)
    far.say = lambda body: (400, {}) if body["messages"][-1]["content"] == "b" else (200, reply("one"))
    refused(far, "a", "b")
    (file,) = PARTIAL.glob("*.jsonl")
    file.write_bytes(file.read_bytes() + b'{"key": "ab')
    far.say = lambda body: (200, reply("two"))
    assert [a.text for a in ask(far, "a", "b")] == ["one", "two"]
