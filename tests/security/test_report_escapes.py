"""What came out of a row, a model or a task is shown on the report's page, never obeyed."""

from __future__ import annotations

import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from stages import data_tables
from stages.report import STAGE, Outputs
from stages.rows import read_json, write_json, write_jsonl
from tests.stages.made_up_build import data_facts, flip, made_up, params

HOSTILE = (
    "<script>alert(1)</script>",
    "</style><script>alert(1)</script>",
    "<style>body{display:none}</style>",
    '"><img src=x onerror=alert(1)>',
    "' onmouseover='alert(1)",
    "<svg onload=alert(1)>",
    "</svg></div></main><iframe srcdoc='<script>alert(1)</script>'>",
    '<a href="javascript:alert(1)">free money</a>',
    "<!--",
    "<![CDATA[",
    "--></title><base href=//evil.example>",
    "<meta http-equiv=refresh content='0;url=//evil.example'>",
    "{{ 7 * 191 }}{% for x in range(9) %}pwned{% endfor %}${7*191}",
    "&lt;script&gt;alert(1)&lt;/script&gt;",
)
INVISIBLE = ("\u202eevil", "\u2066evil\u2069", "\x1b[2J", "\x00", "\x9b31m", "\x7f", "\r")


class Seen(HTMLParser):
    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str]] = []
        self.comments: list[str] = []
        self.text = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [(name, value or "") for name, value in attrs]

    def handle_data(self, data: str) -> None:
        self.text += data

    def handle_comment(self, data: str) -> None:
        self.comments.append(data)


def page(folder: Path, text: str) -> str:
    """The page of a build in which `text` stands wherever a row, a model or the task can bring text."""
    inputs = made_up(folder)
    row = flip(1, "f16 -> q5_k_m", False)
    rows: list[dict[str, Any]] = [
        {
            **row,
            "id": text,
            "input": {text: text, "text": [text]},
            "expected": {text: text},
            "before": text,
            "after": text,
        },
        {**row, "expected": text, "before": "{}", "after": text},
        {**row, "expected": {"a": text}, "before": '{"a": "b"}', "after": '{"a": 1}'},
    ]
    write_jsonl(inputs.flips, rows)
    verdict, choice = read_json(inputs.verdict), read_json(inputs.choice)
    verdict["gates"][0]["reason"] = text
    write_json(inputs.verdict, verdict)
    write_json(inputs.choice, {**choice, "reason": text})
    dev, test = read_json(inputs.dev), read_json(inputs.test)
    dev["systems"][text], test["systems"][text], test["ahead"][text] = (
        next(iter(split["systems"].values())) for split in (dev, test, dev)
    )
    test["ahead"][text] = test["ahead"]["rule"]
    write_json(inputs.dev, dev)
    write_json(inputs.test, test)
    assert inputs.cost is not None
    cost = read_json(inputs.cost)
    cost["paid"] = {part: {**paid, "title": text, "of": text} for part, paid in cost["paid"].items()}
    write_json(inputs.cost, cost)
    facts = read_json(inputs.data)
    facts |= {name: {text: 1} for name in ("labels", "languages", "tags", "licenses", "held")}
    facts["quotas"] = [{"by": text, "value": text, "min": 1, "max": None, "rows": 0, "missing": 1}]
    facts["near"]["first"] = [{"rows": 2, "ids": [text, text]}]
    write_json(inputs.data, facts)
    write_jsonl(inputs.leaks, [{"id": text, "of": text, "split": text, "how": text}])
    out = Outputs(folder / "report.html", folder / "report.json")
    given = params(goal=text, non_goals=text, version=text, task_name=text)
    STAGE.run(replace(inputs, baseline_speeds={}), given, out)
    assert read_json(out.table)["goal"] == text  # the table is data: what it holds is left as it is
    return out.page.read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Seen:
    return Seen(page(tmp_path_factory.mktemp("plain"), "harmless"))


def test_hostile_text_adds_no_tag_attribute_or_comment(plain: Seen, tmp_path: Path) -> None:
    """All of them in one text; and the page is then built of the very tags that a harmless one is built of."""
    everything = " ".join(HOSTILE)
    seen = Seen(page(tmp_path, everything))
    outside = ("text", "tspan")  # an SVG writes a long label in other pieces
    assert [tag for tag in seen.tags if tag not in outside] == [tag for tag in plain.tags if tag not in outside]
    assert {name for name, _ in seen.attributes} == {name for name, _ in plain.attributes}
    assert seen.comments == plain.comments
    assert not [value for name, value in seen.attributes if name == "href" and not value.startswith("#")]


@pytest.mark.parametrize("text", [HOSTILE[1], HOSTILE[3]])
def test_each_alone_adds_no_tag_either(plain: Seen, tmp_path: Path, text: str) -> None:
    assert Seen(page(tmp_path, text)).tags == plain.tags


def datas_own(text: str) -> str:
    """The page of a data stage in which `text` stands wherever a row, a file's name or the task can bring it."""
    gate = {"action": "reject", "rejected": 1, "flagged": 0}
    examples = [{"reason": text, "rows": 1, "examples": [f"{text}:1 ({text})"]}]
    return data_tables.page(
        {
            **data_facts(),
            **{name: {text: 1} for name in ("labels", "languages", "tags", "licenses", "held", "personal")},
            "quotas": [{"by": text, "value": text, "min": 1, "max": None, "rows": 0, "missing": 1}],
            "near": {"clusters": 1, "rows": 2, "largest": 2, "first": [{"rows": 2, "ids": [text]}]},
            "read": 2,
            "rejected": 1,
            "unanswered": 0,
            "files": {text: {"read": 2, "accepted": 1}},
            "gates": {text: gate | {"examples": examples}},
        }
    )


def test_the_datas_own_page_shows_hostile_text_and_obeys_none_of_it() -> None:
    seen, harmless = Seen(datas_own(" ".join(HOSTILE))), Seen(datas_own("harmless"))
    assert seen.tags == harmless.tags and seen.attributes == harmless.attributes and not seen.comments
    assert all(text in seen.text for text in HOSTILE)
    html = datas_own("a" + "".join(INVISIBLE) + "z" + "\ud800")
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]", html)


def test_hostile_text_is_still_there_to_be_read(tmp_path: Path) -> None:
    everything = "\n".join(HOSTILE)
    seen = Seen(page(tmp_path, everything))
    for text in HOSTILE:
        assert text in seen.text
    assert "1337" not in seen.text and "pwned" * 2 not in seen.text


def test_text_that_runs_backwards_or_hides_is_made_visible(tmp_path: Path) -> None:
    html = page(tmp_path, "a" + "".join(INVISIBLE) + "z")
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]", html)
    assert html.count("\ufffdevil") >= 6


def test_a_lone_surrogate_inside_an_answer_does_not_stop_the_report(tmp_path: Path) -> None:
    html = page(tmp_path, '{"a": "\\ud800"}')
    assert "ud800" in html


def test_dollar_signs_in_a_name_are_not_taken_for_a_formula(tmp_path: Path) -> None:
    assert "$\\frac{a$" in Seen(page(tmp_path, "$\\frac{a$")).text


def test_a_huge_answer_does_not_make_a_huge_page(tmp_path: Path) -> None:
    inputs = made_up(tmp_path)
    row = flip(1, "f16 -> q5_k_m", False)
    write_jsonl(inputs.flips, ({**row, "input": {"text": "x" * 10_000}, "after": "[" * 10_000} for _ in range(200)))
    out = Outputs(tmp_path / "report.html", tmp_path / "report.json")
    STAGE.run(inputs, params(), out)
    assert out.page.stat().st_size < 400_000
