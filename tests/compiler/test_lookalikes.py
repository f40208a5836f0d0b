"""Words and texts that are true, false or a number elsewhere."""

from __future__ import annotations

import pytest

from compiler.lookalikes import number, truth
from compiler.parse import scalar


@pytest.mark.parametrize(
    ("text", "meant"), [("yes", True), ("ON", True), ("Y", True), ("True", True), ("no", False), ("Off", False)]
)
def test_a_word_for_true_or_false_is_known(text: str, meant: bool) -> None:
    assert truth(text) is meant


@pytest.mark.parametrize("text", ["", "none", "oui", "1", "yes and no", "n/a"])
def test_another_word_stands_for_neither(text: str) -> None:
    assert truth(text) is None


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("3", "3, without quotes"),
        (" 3", "3, without quotes"),
        ("two", "2"),
        ("Ten", "10"),
        ("1e-5", "1e-5, without quotes"),
        ("3:30", "one number, such as 210: only YAML 1.1 takes `3:30` for one, of base 60"),
        ("0o17", "15: only decimal numbers are read"),
        ("0x1F", "31: only decimal numbers are read"),
        ("-0x1f", "-31: only decimal numbers are read"),
        ("0b1010", "10: only decimal numbers are read"),
        ("010", "10, or 8 where an octal number is meant"),
        ("089", "89"),
        ("1_000", "1000"),
        ("1_000.5", "1000.5"),
        ("1,5", "1.5"),
        (",5", ".5"),
        ("1,000", "1000, or 1.000 where the comma is a decimal point"),
        ("1,000,000", "1000000"),
        ("1.000.000", "1000000"),
        ("1.000,5", "1000.5"),
        ("1 000", "1000"),
        ("1\u00a0000", "1000"),
        ("50%", "0.5"),
        ("1/4", "0.25"),
        ("2k", "2000"),
        ("0.6B", "600000000"),
        ("１２", "12"),
        ("−5", "-5"),
        ("1e999", "a finite number of at most 19 digits"),
        (".inf", "a finite number of at most 19 digits"),
        ("NaN", "a finite number of at most 19 digits"),
        ("9" * 25, "a finite number of at most 19 digits"),
    ],
)
def test_a_text_that_looks_like_a_number_is_written_as_one(text: str, written: str) -> None:
    assert number(text) == written


@pytest.mark.parametrize("text", [".5e3", "+7", "5.", "1e-5", "-0"])
def test_what_yaml_1_2_takes_for_a_number_is_one_without_quotes(text: str) -> None:
    assert isinstance(scalar(text), int | float) and number(text) == f"{text}, without quotes"


@pytest.mark.parametrize(
    "text",
    ["", "high", "1.2.3", "2026-11-21", "1/0", "3 apples", "--5", "e5", ".", "9" * 100_000, "v1", "true", "null"],
)
def test_another_text_looks_like_none(text: str) -> None:
    assert number(text) is None
