"""What a task.yaml, or a file beside it, may not do to the machine that compiles it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from compiler.parse import ParseError
from stages.diagnostics import Diagnostic, Span
from stages.wording import render, tame
from tests.compiling import MINIMAL, ROOT, ROWS, compiled, refused
from tunec.checking import check_file
from tunec.compiling import compile_workspace

SECRET = "hunter2-hunter2"
ROW = '{"text": "a", "output": {"people": "2", "time": "7"}}\n'


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A workspace on disk with one file of rows, which is the working folder."""
    (tmp_path / "data" / "raw").mkdir(parents=True)
    (tmp_path / ROWS).write_text(ROW, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def checked(folder: Path, text: str, capsys: pytest.CaptureFixture[str]) -> tuple[int, str]:
    """The exit code of `tunec check` and what it prints, in all its formats."""
    (folder / "task.yaml").write_text(text, encoding="utf-8")
    codes = {check_file(folder / "task.yaml", format) for format in ("text", "json", "github")}
    said = capsys.readouterr()
    (code,) = codes
    return code, said.out + said.err


# ---------------------------------------------------------------- objects, interpolations, tags


@pytest.mark.parametrize(
    "line",
    [
        "goal: {_target_: builtins.open, file: canary, mode: w}",
        "_target_: os.system",
        "baselines: {rule: {_target_: builtins.open, _args_: [canary, w]}}",
        "baselines: {rule: {people: {_target_: os.system, command: touch canary}}}",
        "data: {sources: [{path: data/raw/rows.jsonl, _target_: pathlib.Path.touch}]}",
        "goal: !!python/object/apply:os.system [touch canary]",
        "goal: !!python/name:os.system",
        "goal: !!python/object/new:subprocess.Popen [[touch, canary]]",
        "goal: !!python/module:os",
        "goal: !include canary",
        "goal: ${oc.env:SECRET}",
        "goal: ${oc.create:{_target_: os.system}}",
        "goal: ${hydra:runtime.cwd}",
        "<<: {goal: x}",
    ],
)
def test_nothing_is_built_read_or_run_out_of_a_task(
    line: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, said = checked(folder, f"{MINIMAL}{line}\n", capsys)
    assert code == 1 and any(f"[{refused}]" in said for refused in ("T005", "T006", "T009"))
    assert sorted(path.name for path in folder.iterdir()) == ["data", "task.yaml"]


def test_the_code_has_no_instantiate_and_no_unsafe_loader() -> None:
    """Fails when someone reaches for Hydra's instantiate, a full YAML loader, eval, pickle or a shell."""
    forbidden = (
        "instantiate(",
        "UnsafeLoader",
        "FullLoader",
        "yaml.unsafe",
        "shell=True",
        "pickle.load",
        "torch.load(",
        "os.system(",
    )
    for file in [*ROOT.glob("compiler/**/*.py"), *ROOT.glob("stages/**/*.py"), *ROOT.glob("tunec/**/*.py")]:
        text = file.read_text(encoding="utf-8")
        assert not [word for word in forbidden if word in text], file


@pytest.mark.parametrize(
    "written",
    [
        "${oc.env:TUNEC_TEST_SECRET}",
        "${TUNEC_TEST_SECRET}",
        "$TUNEC_TEST_SECRET",
        "$(echo $TUNEC_TEST_SECRET)",
        "{{ TUNEC_TEST_SECRET }}",
        "%TUNEC_TEST_SECRET%",
    ],
)
@pytest.mark.parametrize("key", ["goal", "system_prompt", "version"])
def test_a_secret_of_the_environment_reaches_no_output(
    key: str, written: str, folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TUNEC_TEST_SECRET", SECRET)
    _, said = checked(folder, f"{MINIMAL}{key}: '{written}'\n", capsys)
    assert SECRET not in said
    try:
        found = compile_workspace(folder, [])
    except Exception as error:
        assert SECRET not in str(error)
    else:
        assert SECRET not in found.dvc_yaml + found.params_yaml


# ---------------------------------------------------------------- shell

NASTY = [
    "$(touch canary)",
    "`touch canary`",
    "; touch canary",
    "x\ntouch canary",
    "a && touch canary",
    "| touch canary",
    "-h",
    "--upload-pack=x",
    "'; touch canary; '",
    '"; touch canary; "',
]


@pytest.mark.parametrize("name", NASTY)
def test_a_name_that_a_shell_would_obey_is_refused(name: str) -> None:
    tree = yaml.safe_load(MINIMAL)
    for key in (
        ["task_name"],
        ["training", "base_model"],
        ["task_type"],
        ["training", "method"],
        ["quantization", "formats", 0],
    ):
        spoilt = yaml.safe_dump(with_value(tree, key, name))
        assert refused(spoilt)


@pytest.mark.parametrize("name", NASTY)
def test_free_text_that_a_shell_would_obey_stays_out_of_every_command(name: str) -> None:
    tree = {**yaml.safe_load(MINIMAL), "goal": name, "system_prompt": name, "version": name, "non_goals": name}
    plain = commands(compiled().dvc_yaml)
    assert commands(compiled(yaml.safe_dump(tree)).dvc_yaml) == plain
    with_source = {**tree, "data": {"sources": [{"path": f"data/raw/{name.replace('/', '')}.jsonl"}]}}
    try:
        assert (
            commands(compiled(yaml.safe_dump(with_source), with_source["data"]["sources"][0]["path"]).dvc_yaml) == plain
        )
    except ParseError as error:
        assert {found.code for found in error.diagnostics} == {"T102"}


@pytest.mark.parametrize(
    "override",
    ["goal=$(touch canary)", "goal='; touch canary'", 'system_prompt="a\\nb; touch canary"', "version=v1 `id`"],
)
def test_an_override_that_a_shell_would_obey_stays_a_value(override: str) -> None:
    assert commands(compiled(overrides=[override]).dvc_yaml) == commands(compiled().dvc_yaml)


@pytest.mark.parametrize("override", ["$(touch canary)=1", "a;b=1", "a b=1", "=1", "a", "a.=1", "a\nb=1", "goal\n=1"])
def test_an_override_whose_key_is_no_key_is_refused(override: str) -> None:
    assert {found.code for found in refused(MINIMAL, overrides=[override])} == {"T201"}


def test_commands_have_one_of_two_forms() -> None:
    import re

    for command in commands(compiled().dvc_yaml):
        assert re.fullmatch(r"tunec (guard|run [a-z0-9_-]+)", command)


def commands(dvc_yaml: str) -> list[str]:
    return [stage["cmd"] for stage in yaml.safe_load(dvc_yaml)["stages"].values()]


def with_value(tree: object, path: list[object], value: str) -> object:
    if not path:
        return value
    key, *rest = path
    if isinstance(key, int):
        return [with_value(None, rest, value)]
    known = tree if isinstance(tree, dict) else {}
    return {**known, key: with_value(known.get(key), rest, value)}


# ---------------------------------------------------------------- paths

OUTSIDE = [
    "../secret.jsonl", "data/../../secret.jsonl", "/etc/passwd", "//etc/passwd", "~/secret.jsonl",
    "C:\\secret", "C:/secret", "\\\\host\\share",
    "data\\..\\..\\x", "data/raw/../../../x", "..", "../*", "/etc/*", "data/raw/nul", "aux.jsonl", "data/COM1", "con.csv",  # noqa: E501
    "data/\u202egnp.jsonl", "data/\u2066x.jsonl", "data/\u200bx.jsonl", "data/x\ny.jsonl", "data/x\x00y", "a" * 300,
]  # fmt: skip
NOWHERE = [
    "%2e%2e/secret.jsonl",
    "..%2fsecret",
    "%252e%252e/secret.jsonl",
    "file:///etc/passwd",
    "http://x/y.jsonl",
    "data/raw/.../x",
    "-rf",
]


@pytest.mark.parametrize("path", OUTSIDE)
def test_a_path_out_of_the_workspace_or_of_no_plain_name_is_refused(path: str, folder: Path) -> None:
    (folder.parent / "secret.jsonl").write_text(ROW, encoding="utf-8")
    for tree in (
        with_value(yaml.safe_load(MINIMAL), ["data", "sources", 0, "path"], path),
        {**yaml.safe_load(MINIMAL), "base_model": {"source": "gguf", "path": path, "package": None, "file": None}},
    ):
        assert "T102" in codes_on_disk(folder, yaml.safe_dump(tree))


@pytest.mark.parametrize("file", [path for path in OUTSIDE if "*" not in path])
def test_a_file_out_of_the_base_model_s_package_is_refused(file: str, folder: Path) -> None:
    tree = {**yaml.safe_load(MINIMAL), "base_model": {"file": file}}
    assert codes_on_disk(folder, yaml.safe_dump(tree)) == {"T102"}


@pytest.mark.parametrize(
    "name", ["os.path", "nope.sub", "../x", "/etc", ".", "", "a b", "a\n", "été", "x;touch canary"]
)
def test_a_package_or_repo_of_no_plain_name_is_refused(name: str, folder: Path) -> None:
    for base_model in ({"package": name}, {"source": "hub", "repo": name, "revision": "0" * 40}):
        tree = {**yaml.safe_load(MINIMAL), "base_model": base_model}
        assert codes_on_disk(folder, yaml.safe_dump(tree)) == {"T016"}


@pytest.mark.parametrize("path", NOWHERE)
def test_a_path_is_never_decoded(path: str, folder: Path) -> None:
    (folder.parent / "secret.jsonl").write_text(ROW, encoding="utf-8")
    found = codes_on_disk(
        folder, yaml.safe_dump(with_value(yaml.safe_load(MINIMAL), ["data", "sources", 0, "path"], path))
    )
    assert found and found <= {"T101", "T102"}


@pytest.mark.parametrize(
    ("link", "target", "pattern"),
    [
        ("data/link.jsonl", "../../secret.jsonl", "data/link.jsonl"),
        ("data/raw/link.jsonl", "../../../secret.jsonl", "data/raw/*"),
        ("data/out", "../..", "data/out/secret.jsonl"),
        ("data/out", "../..", "data/*/secret.jsonl"),
        ("data/out", "../..", "data/o*/secret.jsonl"),
        ("data/round", "round", "data/round"),
        ("data/round", "round", "data/round/x.jsonl"),
    ],
)
def test_a_link_out_of_the_workspace_is_refused_however_it_is_named(
    link: str, target: str, pattern: str, folder: Path
) -> None:
    (folder.parent / "secret.jsonl").write_text(ROW, encoding="utf-8")
    (folder / link).symlink_to(target)
    found = codes_on_disk(
        folder, yaml.safe_dump(with_value(yaml.safe_load(MINIMAL), ["data", "sources", 0, "path"], pattern))
    )
    assert found & {"T101", "T102"} and ("round" in pattern or "T102" in found)


def test_a_link_within_the_workspace_is_followed(folder: Path) -> None:
    (folder / "data" / "raw" / "again.jsonl").symlink_to("rows.jsonl")
    assert not codes_on_disk(folder, MINIMAL + "data: {sources: [{path: data/raw/again.jsonl}]}\n")


@pytest.mark.parametrize("name", ["${SECRET}.jsonl", "a\nb.jsonl", "\u202ebad.jsonl", "\x1b[31m.jsonl"])
def test_a_file_with_a_hostile_name_is_not_picked_up_by_a_pattern(name: str, folder: Path) -> None:
    (folder / "data" / "raw" / name).write_text(ROW, encoding="utf-8")
    assert codes_on_disk(folder, MINIMAL) == {"T102"}


def test_brackets_in_a_name_are_part_of_it(folder: Path) -> None:
    (folder / "data" / "raw" / "rows[1]?.jsonl").write_text(ROW, encoding="utf-8")
    assert not codes_on_disk(folder, MINIMAL + 'data: {sources: [{path: "data/raw/rows[1]?.jsonl"}]}\n')
    assert codes_on_disk(folder, MINIMAL + 'data: {sources: [{path: "data/raw/[r]ows.jsonl"}]}\n') == {"T101"}


def codes_on_disk(folder: Path, text: str) -> set[str]:
    from stages.diagnostics import UserError

    (folder / "task.yaml").write_text(text, encoding="utf-8")
    try:
        compile_workspace(folder, [])
    except UserError as error:
        return {found.code for found in error.diagnostics}
    return set()


# ---------------------------------------------------------------- what is shown


@pytest.mark.parametrize(
    "text",
    [
        "\x1b[31mred\x1b[0m",
        "\x1b]0;title\x07",
        "a\rb",
        "\x9b31m",
        "\u202eevil",
        "\u2066x\u2069",
        "\u200f",
        "\u061c",
        "a\x08b",
        "\x7f",
        "\u2028",
    ],
)
def test_no_terminal_escape_and_no_backward_text_is_shown(text: str) -> None:
    shown = tame(f"a{text}b")
    assert "\ufffd" in shown and not any(
        ord(c) < 32 or 0x7F <= ord(c) < 0xA0 or c in "\u202e\u2066\u2069\u200f\u061c\u2028" for c in shown
    )
    found = Diagnostic("T999", text, Span("task.yaml", 1, 1, 3), (text,), text)
    assert "\x1b" not in render(found, lambda span: text) and "\u202e" not in render(found, lambda span: text)


def test_ordinary_text_of_every_script_is_shown_as_it_is() -> None:
    for text in ("naïve café", "正面、負面", "שלום", "مرحبا", "👩‍👩‍👧", "a\tb"):
        assert tame(text) == text


def test_an_escape_in_a_task_is_not_sent_to_the_terminal(folder: Path) -> None:
    (folder / "task.yaml").write_text(MINIMAL.replace("slots", '"\\e[31m\\u202e"'), encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-m", "tunec", "check"],
        cwd=folder,
        capture_output=True,
        check=False,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert done.returncode == 1 and b"\x1b" not in done.stdout + done.stderr
