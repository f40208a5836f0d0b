"""Templates from outside: `input_template` in task.yaml, and the chat template in a model's files."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path

import pytest

from compiler.parse import ParseError
from stages.chat import ChatTemplate, user_message
from stages.chat_templates import own_template
from stages.diagnostics import UserError
from tests.compiling import MINIMAL, ROOT, compiled
from tests.security.payloads import CANARY, ENDLESS, IDIOMS, SHELL

SECRETS = ("<class", "<function", "<module", "<bound method", "__", "subclass", "root:")
MESSAGES = [{"role": "user", "content": "hello"}]


@pytest.fixture(autouse=True)
def empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Payloads name their canary by a relative path, so it would lie here."""
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize("payload", SHELL)
def test_a_payload_in_the_input_template_is_refused_before_it_is_rendered(payload: str) -> None:
    with pytest.raises(ParseError) as refused:
        compiled(MINIMAL.replace('"{text}"', json.dumps(payload)))
    assert {found.code for found in refused.value.diagnostics} == {"T108"}
    with pytest.raises(UserError):
        user_message(payload, {"text": "hello"})
    assert not Path(CANARY).exists()


@pytest.mark.parametrize("payload", SHELL)
def test_a_payload_in_a_chat_template_has_no_effect(payload: str) -> None:
    try:
        shown = ChatTemplate(payload, ()).render(MESSAGES)
    except UserError as refused:
        shown = refused.diagnostics[0].message.partition("'")[0]
    assert not [secret for secret in SECRETS if secret in shown]
    assert not Path(CANARY).exists()


@pytest.mark.parametrize("payload", [*SHELL, *ENDLESS])
def test_a_payload_in_the_task_s_own_chat_template_is_refused_before_any_row(payload: str, tmp_path: Path) -> None:
    file, start = tmp_path / "chat.jinja", time.monotonic()
    file.write_text(payload, encoding="utf-8")
    with pytest.raises(UserError) as refused:
        own_template("chat.jinja", file)
    assert [found.code for found in refused.value.diagnostics] == ["T801"]
    assert not Path(CANARY).exists() and time.monotonic() - start < 10


@pytest.mark.parametrize("payload", SHELL)
def test_a_payload_in_a_row_is_shown_as_it_stands(payload: str) -> None:
    assert user_message("{{ text }}", {"text": payload}) == payload
    assert user_message("{text}", {"text": payload}) == payload
    assert payload in ChatTemplate("{{ messages[0]['content'] }}", ()).render([{"role": "user", "content": payload}])
    assert not Path(CANARY).exists()


def test_a_chat_template_cannot_change_the_messages_that_it_is_given() -> None:
    with pytest.raises(UserError):
        ChatTemplate("{{ messages.append(messages[0]) }}", ()).render(MESSAGES)
    assert len(MESSAGES) == 1


@pytest.mark.parametrize("payload", ENDLESS)
def test_an_input_template_that_would_run_without_end_is_refused_at_once(payload: str) -> None:
    start = time.monotonic()
    with pytest.raises(ParseError) as refused:
        compiled(MINIMAL.replace('"{text}"', json.dumps(payload)))
    assert {found.code for found in refused.value.diagnostics} == {"T108"}
    assert time.monotonic() - start < 2


ITEMS = ["x"] * 100_000
LONG = {  # templates that say the row many times over
    "{% for x in items %}{{ text }}{% endfor %}": "characters of a row",
    "{{ items | join(text) }}": "characters of a row",
    "{{ items | join(items | join(text)) }}": "characters of a row",
    "{% for x in items %}{% if text | upper | title | lower == x %}{% endif %}{% endfor %}": "it took more than",
}


@pytest.mark.parametrize(("template", "said"), LONG.items())
def test_an_input_template_that_multiplies_the_row_is_stopped(template: str, said: str) -> None:
    start = time.monotonic()
    with pytest.raises(UserError) as refused:
        user_message(template, {"items": ITEMS, "text": "a b" * 10_000})
    (found,) = refused.value.diagnostics
    assert found.code == "T322" and said in found.message and found.help
    assert time.monotonic() - start < 2.5


def test_join_in_an_input_template_takes_what_it_takes_in_plain_jinja() -> None:
    fields = {"items": [{"a": {"b": 1}}, {"a": {"b": 2}}], "words": ["x", "y"]}
    shown = "{{ words | join }} {{ words | join(', ') }} {{ items | join('+', 'a.b') }}"
    assert user_message(shown, fields) == "xy x, y 1+2"


LIMITED = """
import resource, time
from pathlib import Path
resource.setrlimit(resource.RLIMIT_AS, (2_000_000_000, 2_000_000_000))
from stages.diagnostics import UserError
from stages.chat import ChatTemplate
from tests.security.payloads import ENDLESS
for number, payload in enumerate(ENDLESS):
    start = time.monotonic()
    try:
        length = len(ChatTemplate(payload, ()).render([{"role": "user", "content": "hello"}]))
        said = f"rendered {length}"
    except UserError as refused:
        said = refused.diagnostics[0].code
    print(number, said, round(time.monotonic() - start, 2), flush=True)
status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
print("peak", status["VmHWM"].split()[0])
"""


def test_a_chat_template_that_would_run_without_end_stops_within_two_seconds() -> None:
    """In a process of its own, that a payload may crash, with 2 GB of memory.

    The peak is read from /proc: `ru_maxrss` would count the pytest process that started this one.
    """
    done = subprocess.run(
        [sys.executable, "-c", LIMITED], cwd=ROOT, capture_output=True, text=True, timeout=120, check=False
    )
    *outcomes, (last, peak) = [line.split() for line in done.stdout.splitlines()] or [("", "")]
    assert len(outcomes) == len(ENDLESS), f"crashed at {ENDLESS[len(outcomes)]}: {done.stderr[-500:]}"
    assert last == "peak" and int(peak) < 400_000, "kB: no payload made a text of a gigabyte, not even for a moment"
    slow = {ENDLESS[int(number)]: seconds for number, *_, seconds in outcomes if float(seconds) > 2.5}
    assert not slow
    large = {
        ENDLESS[int(number)]: said for number, said, *rest in outcomes if said == "rendered" and int(rest[0]) > 10**7
    }
    assert not large


@pytest.mark.parametrize("template", IDIOMS)
def test_what_real_chat_templates_use_renders_as_in_plain_jinja(template: str) -> None:
    import jinja2

    env = jinja2.Environment(trim_blocks=True, lstrip_blocks=True, extensions=["jinja2.ext.loopcontrols"])  # noqa: S701
    env.filters["tojson"] = lambda value: json.dumps(value, ensure_ascii=False)
    plain = env.from_string(template).render(
        messages=MESSAGES, add_generation_prompt=True, bos_token="<s>", eos_token=""
    )
    assert ChatTemplate(template, (), bos_token="<s>").render(MESSAGES) == plain
