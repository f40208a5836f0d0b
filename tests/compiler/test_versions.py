"""How releases are named, and which names are refused."""

from __future__ import annotations

import re
import subprocess
from datetime import date

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from compiler import versions
from compiler.task import Versioning
from compiler.versions import GTO, bumped, illegal, name, problem, read_number, spelled

DAY = date(2025, 1, 7)
DEFAULT = "{task}-v{n}"

# (naming, strategy, number, which of its day, the name)
NAMES = [
    (DEFAULT, "semantic", (1, 0, 0), 1, "slots-v1"),
    (DEFAULT, "semantic", (2, 1, 0), 1, "slots-v2.1"),
    (DEFAULT, "semantic", (2, 1, 3), 1, "slots-v2.1.3"),
    (DEFAULT, "semantic", (2, 0, 3), 1, "slots-v2.0.3"),
    ("{task}@v{n}", "semantic", (1, 2, 0), 1, "slots@v1.2.0"),
    ("{task}-{date}-{n}", "semantic", (2, 0, 0), 1, "slots-2025-01-07-2"),
    (DEFAULT, "date", (3, 0, 0), 1, "slots-2025-01-07"),
    (DEFAULT, "date", (3, 0, 0), 2, "slots-2025-01-07.2"),
    ("{task}-{date}", "date", (3, 0, 0), 2, "slots-2025-01-07.2"),
    ("{n}", "date", (1, 0, 0), 1, "2025-01-07"),
    (DEFAULT, "hybrid", (2, 0, 0), 1, "slots-v2-20250107"),
    ("v{n}", "hybrid", (2, 1, 0), 1, "v2.1-20250107"),
    ("{task}-v{n}-on-{date}", "hybrid", (2, 0, 0), 1, "slots-v2-on-20250107"),
    ("{task}@v{n}", "hybrid", (2, 0, 0), 1, "slots@v2.0.0-20250107"),
]


@pytest.mark.parametrize(("naming", "strategy", "number", "again", "expected"), NAMES)
def test_a_release_is_named_as_its_strategy_says(
    naming: str, strategy: str, number: versions.Number, again: int, expected: str
) -> None:
    assert problem(naming, strategy, "slots") is None
    assert name(naming, strategy, "slots", number, DAY, again) == expected


@pytest.mark.parametrize(
    ("naming", "strategy", "why"),
    [
        ("{task}", "semantic", "same name"),
        ("{task}-{date}", "semantic", "same name"),
        ("{task}-{date}", "hybrid", "same name"),
        ("release", "date", "same name"),
        ("{task}-v{N}", "semantic", "no placeholder"),
        ("{task}-v{n}-{}", "semantic", "no placeholder"),
        ("{task}-v{n}-{n.__class__}", "semantic", "no placeholder"),
        ("-h{n}", "semantic", "begins with"),
        ("--upload-pack={n}", "semantic", "allowed"),
        (".{n}", "semantic", "begins with"),
        ("{task}..{n}", "semantic", "`..`"),
        ("{n}.lock", "semantic", "`..`"),
        ("{n}.", "semantic", "`..`"),
        ("{task} {n}", "semantic", "allowed"),
        ("{task}/{n}", "semantic", "allowed"),
        ("{task}\\{n}", "semantic", "allowed"),
        ("{task}:{n}", "semantic", "allowed"),
        ("{task}~{n}", "semantic", "allowed"),
        ("{task}^{n}", "semantic", "allowed"),
        ("{task}*{n}", "semantic", "allowed"),
        ("{n}{", "semantic", "allowed"),
        ("{n}\n", "semantic", "allowed"),
        ("$(touch x){n}", "semantic", "allowed"),
        ("{n}\u202egro", "semantic", "allowed"),
        ("{n}\u200b", "semantic", "allowed"),
        ("版本{n}", "semantic", "allowed"),
        ("{task}" * 30 + "{n}", "semantic", "longer"),
    ],
)
def test_a_naming_that_makes_no_name_is_refused_with_the_reason(naming: str, strategy: str, why: str) -> None:
    assert why in str(problem(naming, strategy, "slots"))


def test_gto_reads_no_task_that_ends_with_a_dash() -> None:
    assert "GTO" in str(problem("{task}@v{n}", "semantic", "slots-"))
    assert problem(DEFAULT, "semantic", "slots-") is None


def test_the_default_naming_is_fine_for_every_strategy() -> None:
    default = Versioning()
    assert (default.naming, default.strategy) == (DEFAULT, "semantic")
    assert [problem(default.naming, strategy) for strategy in ("semantic", "date", "hybrid")] == [None] * 3


def test_gto_reads_the_names_of_its_form() -> None:
    tag_re = pytest.importorskip("gto.constants").tag_re
    for naming, strategy, number, again, _ in NAMES:
        found = tag_re.match(name(naming, strategy, "slots", number, DAY, again))
        assert bool(found) is (GTO in naming)
        assert not found or found["artifact"] == "slots"


@settings(max_examples=40, deadline=None)
@given(st.text(max_size=30) | st.text("abc.-_@{}/ ~^:", max_size=12))
def test_what_is_a_name_is_a_legal_tag_of_git_and_never_an_option(text: str) -> None:
    if illegal(text) is None:
        assert re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._@-]*", text)
        assert subprocess.run(["git", "check-ref-format", f"refs/tags/{text}"], check=False).returncode == 0


@pytest.mark.parametrize(
    ("said", "number"),
    [("2", (2, 0, 0)), ("v2.1", (2, 1, 0)), ("2.1.3", (2, 1, 3)), ("0.1", (0, 1, 0))],
)
def test_a_number_is_read_as_people_write_it(said: str, number: versions.Number) -> None:
    assert read_number(said) == number


@pytest.mark.parametrize(
    "said", ["", "v", "-h", "--help", "1.2.3.4", "01", "1.", "²", "1 ", "1\n", "1e3", "2025-01-07"]
)
def test_what_is_no_number_is_none(said: str) -> None:
    assert read_number(said) is None


@given(st.tuples(*[st.integers(0, 99)] * 3), st.sampled_from(["major", "minor", "patch"]))
def test_the_next_number_is_later_and_is_read_back_as_it_is_written(
    number: versions.Number, level: versions.Level
) -> None:
    following = bumped(number, level)
    assert following > number
    assert read_number(spelled(following)) == following
