"""How task.yaml is read: YAML 1.2, and less of it than a YAML library would read."""

from __future__ import annotations

import time

import pytest

from compiler.parse import MAX_DEPTH, MAX_FOUND, ParseError, parse
from stages.diagnostics import Diagnostic, Span


def read(text: str) -> object:
    return parse(text, "task.yaml").plain()


def mistakes(text: str) -> list[Diagnostic]:
    with pytest.raises(ParseError) as refused:
        parse(text, "task.yaml")
    return refused.value.diagnostics


def codes(text: str) -> set[str]:
    return {found.code for found in mistakes(text)}


@pytest.mark.parametrize(
    ("written", "value"),
    [
        ("no", "no"),
        ("NO", "NO"),
        ("yes", "yes"),
        ("off", "off"),
        ("y", "y"),
        ("3:30", "3:30"),
        ("12:30:45", "12:30:45"),
        ("2026-11-21", "2026-11-21"),
        ("010", "010"),
        ("0o17", "0o17"),
        ("0x1F", "0x1F"),
        ("1_000", "1_000"),
        ("1.10", 1.1),
        ("1.2.3", "1.2.3"),
        ("1e-5", 1e-5),
        ("2E3", 2000.0),
        (".5", 0.5),
        ("5.", 5.0),
        ("-0", 0),
        ("+7", 7),
        ("1e999", "1e999"),
        (".inf", ".inf"),
        (".nan", ".nan"),
        ("12345678901234567890123", "12345678901234567890123"),
        ("true", True),
        ("FALSE", False),
        ("tRUE", "tRUE"),
        ("null", None),
        ("~", None),
        ("", None),
        ('"true"', "true"),
        ("'1'", "1"),
        ("=", "="),
    ],
)
def test_a_plain_scalar_is_what_yaml_1_2_says_and_otherwise_text(written: str, value: object) -> None:
    found = read(f"key: {written}\n")
    assert found == {"key": value}
    assert isinstance(found, dict) and type(found["key"]) is type(value)


def test_keys_are_words_as_they_are_written() -> None:
    assert read("1.10: a\ntrue: b\nno: c\n~: d\n010: e\n") == {
        "1.10": "a",
        "true": "b",
        "no": "c",
        "~": "d",
        "010": "e",
    }


def test_the_first_of_two_equal_keys_is_named_by_its_line() -> None:
    (found,) = mistakes("a: 1\nb:\n  c: 1\n  d: 2\n  c: 3\n")
    assert (found.code, found.span, found.notes) == ("T004", Span("task.yaml", 5, 3, 1), ("it stands first at line 3",))


def test_an_alias_bomb_is_refused_within_a_second() -> None:
    text = "a0: &a0 [x, x]\n" + "".join(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 40))
    start = time.monotonic()
    assert codes(text) == {"T005"}
    assert time.monotonic() - start < 1


@pytest.mark.parametrize("opening", ["[", "{a: ", "- ", "? ", "!!x [", "&x ["])
def test_a_thousand_levels_are_refused_without_a_crash(opening: str) -> None:
    assert codes("a:\n  " + opening * 1000) & {"T003", "T005", "T006", "T007"}


def test_as_many_levels_as_are_allowed_are_read() -> None:
    assert read("[" * MAX_DEPTH + "]" * MAX_DEPTH) is not None
    assert codes("[" * (MAX_DEPTH + 1) + "]" * (MAX_DEPTH + 1)) == {"T007"}


def test_a_file_of_ten_megabytes_is_refused_unread() -> None:
    start = time.monotonic()
    (found,) = mistakes("# a comment\n" * 900_000)
    assert found.code == "T002" and "10,800,000 characters" in found.message
    assert time.monotonic() - start < 1


def test_a_file_full_of_mistakes_is_not_told_in_full() -> None:
    assert len(mistakes("a: 1\n" * 100_000)) == MAX_FOUND


def test_a_byte_order_mark_is_no_part_of_the_first_key() -> None:
    node = parse("\ufefftask_name: slots\n", "task.yaml")
    assert node.plain() == {"task_name": "slots"}
    assert node.value["task_name"].key == Span("task.yaml", 1, 1, 9)


@pytest.mark.parametrize("text", ["a:\n\tb: 1\n", "\ta: 1\n", "a: 1\n\tb: 2\n"])
def test_a_tab_as_indentation_is_named_as_such(text: str) -> None:
    (found,) = mistakes(text)
    assert found.code == "T003" and "tabs" in str(found.help)


@pytest.mark.parametrize(
    "text", ["a: ${HOME}", "a: '${oc.env:HOME}'", "${a}: 1", "a: [x, '${b}']", "a: |\n  x\n  ${b}\n", "a: \\${b}"]
)
def test_an_interpolation_is_refused_wherever_it_stands(text: str) -> None:
    assert "T009" in codes(text)


@pytest.mark.parametrize("text", ["_target_: os.system", "a: {_target_: x}", "a: [{b: {'_target_': x}}]"])
def test_an_object_to_build_is_refused_wherever_it_stands(text: str) -> None:
    assert "T009" in codes(text)


@pytest.mark.parametrize("text", ["", "\n\n", "# a comment", "---\n", "null", "\ufeff", "?", "? ", ":", "- "])
def test_what_is_hardly_yaml_is_read_or_refused(text: str) -> None:
    try:
        parse(text, "task.yaml")
    except ParseError as refused:
        assert refused.diagnostics


def test_bytes_of_the_command_line_that_are_no_utf8_are_refused() -> None:
    assert codes("a: \udcff") == {"T002"}


def test_columns_count_characters_not_bytes() -> None:
    node = parse("目標: {標籤: 正面}\n", "task.yaml").value["目標"].value["標籤"]
    assert (node.span, node.key) == (Span("task.yaml", 1, 10, 2), Span("task.yaml", 1, 6, 2))
