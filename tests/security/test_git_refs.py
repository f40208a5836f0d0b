"""No text of a user, a task or a repository becomes an option of git, a ref that hides what it is, or a path."""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path

import pytest

from stages.diagnostics import UserError
from tests.often import often
from tests.releasing.conftest import made, made_thrice, released, small  # noqa: F401 - fixtures
from tests.releasing.small import Small
from tunec import git
from tunec.releasing import build, manifest, registry, shelf

HOSTILE = [
    "-h",
    "--help",
    "--upload-pack=touch canary",
    "--output=canary",
    "-c core.pager=touch canary",
    "v1 v2",
    "v1\nrefs/heads/main",
    "v1\0",
    "..",
    "../../canary",
    "v1..v2",
    "v1.lock",
    "v1@{1}",
    "@",
    ".hidden",
    "a/b",
    "a:b",
    "a~1",
    "a^{commit}",
    "a*",
    "[a]",
    "\\a",
    "$(touch canary)",
    "`touch canary`",
    ";touch canary",
    "v1\u202egro",
    "v1\u200b",
    "v1\u2066",
    "ｖ１",
    "é",
    "x" * 101,
    "",
]


OFTEN = ("--help", "--output=canary", "v1\nrefs/heads/main", "v1\0", "../../canary", "a^{commit}", "$(touch canary)")


@pytest.fixture
def spied(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A `git` that writes down its arguments, then is git."""
    import shutil

    real, home, log = shutil.which("git"), tmp_path / "bin", tmp_path / "git.log"
    home.mkdir()
    script = (
        f'#!/bin/sh\nfor a in "$@"; do printf "%s\\0" "$a" >> {log}; done\nprintf "\\n" >> {log}\nexec {real} "$@"\n'
    )
    (home / "git").write_text(script, encoding="utf-8")
    (home / "git").chmod(stat.S_IRWXU)
    monkeypatch.setenv("PATH", f"{home}{os.pathsep}{os.environ['PATH']}")
    return log


@pytest.mark.parametrize("name", often(HOSTILE, OFTEN), ids=ascii)
def test_a_hostile_name_reaches_git_from_no_command(name: str, released: Small, spied: Path) -> None:  # noqa: F811
    before = released.state()
    spied.unlink()
    if name and "\0" not in name:
        for command in (
            ["release", "get"],
            ["release", "diff", "v1"],
            ["verify"],
            ["release", "mark", name, "deployed"],
        ):
            arguments = [*command, "--", name] if command[-1] != "deployed" else ["release", "mark", "--", *command[2:]]
            released.tunec(*arguments, code=1)
    assert released.tunec("release", f"--as={name}", code=1).code == 1
    if name:
        assert name not in spied.read_text(encoding="utf-8").replace("\0", "\n").splitlines()
    assert released.state() == before
    assert not list(released.root.parent.rglob("canary"))


@pytest.mark.parametrize(
    "name", ["-h", "--upload-pack=touch canary", "..", "$(touch canary)", "v1\u202egro"], ids=ascii
)
def test_a_naming_that_is_hostile_makes_no_tag(name: str, small: Small) -> None:  # noqa: F811
    small.edit('naming: "{task}-v{n}"', f"naming: {json.dumps(name + '{n}')}")
    small.commit()
    assert small.tunec("release", code=1).err.startswith("error[T148]")
    assert small.names() == []
    assert not list(small.root.parent.rglob("canary"))


@pytest.mark.parametrize("name", [n for n in HOSTILE if n not in ("x" * 101, "@", "")], ids=ascii)
def test_a_hostile_name_in_a_registry_of_a_clone_is_refused(name: str) -> None:
    line = {
        "release": name,
        "version": "1.0.0",
        "task": "t",
        "date": "d",
        "commit": "c",
        "verdict": "v",
        "manifest": "m",
    }
    with pytest.raises(UserError) as refused:
        shelf._release(1, line, {})
    assert refused.value.diagnostics[0].code == "T456"


@pytest.mark.parametrize(
    "ref", ["-h", "--all", "refs/tags/..", "refs/tags/a b", "refs/tags/a\n", "refs/tags/@{", "tags"]
)
def test_a_ref_that_is_none_is_never_asked_for_nor_written(ref: str, tmp_path: Path, spied: Path) -> None:
    Small(tmp_path).git("init", "--quiet")
    repo = git.repository(tmp_path)
    spied.unlink()
    assert git.resolve(repo, ref) is None
    with pytest.raises(UserError):
        git.move(repo, {ref: (git.ABSENT, "1" * 40)}, "why")
    said = spied.read_text(encoding="utf-8") if spied.exists() else ""
    assert "show-ref" not in said and "update-ref" not in said


def test_every_ref_on_a_command_line_of_git_stands_in_full_and_after_two_dashes(small: Small, spied: Path) -> None:  # noqa: F811
    spied.unlink(missing_ok=True)
    small.release()
    small.tunec("verify", "v1")
    calls = [line.split("\0")[:-1] for line in spied.read_text(encoding="utf-8").splitlines()]
    naming = [call for call in calls if any("tiny-slots-v1" in word for word in call)]
    assert naming
    for call in naming:
        for number, word in enumerate(call):
            if "tiny-slots-v1" in word and call[0] != "check-ref-format":
                hashed = word.split(":")[0].split(",")[1:2] or [word.split(":")[0]]  # COMMIT:path or MODE,BLOB,path
                path = word.startswith("--path=registry/")
                why = word in ("tiny-slots-v1",) and call[number - 1] == "-m"  # the reflog's message
                assert "--" in call[:number] or all(len(h) == 40 for h in hashed) or path or why, call


@pytest.mark.parametrize("md5", ["../../../../canary", "a" * 31, "A" * 32, "/etc/passwd", "a" * 32 + "/..", ".dir", ""])
def test_a_hash_of_a_clones_lock_file_leads_nowhere_but_into_the_cache(md5: str, tmp_path: Path) -> None:
    """`tunec release prune` removes objects by the hashes that dvc.lock names at a tag."""
    with pytest.raises(UserError) as refused:
        build.cache_object(tmp_path, md5)
    assert refused.value.diagnostics[0].code == "T456"


@pytest.mark.parametrize("name", ["../canary", "/canary", "a/../../canary", "..\\canary", "C:canary", ".."])
@pytest.mark.parametrize("where", ["files", "build"])
def test_a_manifest_that_names_a_file_outside_its_folder_is_refused(name: str, where: str, released: Small) -> None:  # noqa: F811
    path = released.root / registry.manifest_path("tiny-slots-v1.1")
    whole = json.loads(path.read_text(encoding="utf-8"))
    whole[where][name] = next(iter(whole[where].values()))
    with pytest.raises(UserError) as refused:
        manifest.opened(manifest.sealed(whole), "release.json")
    assert "outside its folder" in refused.value.diagnostics[0].message


def test_a_task_of_a_clone_puts_nothing_into_the_commands_that_are_printed() -> None:
    from tunec.releasing.targets import TARGETS, commands

    nasty = "$(touch canary); `x` 'y\" &"
    contract = {"system_prompt": nasty, "schema": {"enum": [nasty]}, "input_template": nasty}
    config = {"output_format": {"schema": json.dumps(contract["schema"])}}
    import shlex

    for target in TARGETS:
        for line in commands(target, {"release": nasty, "task": nasty, "contract": contract, "config": config}):
            assert all(word in "".join(shlex.split(line)) for word in ("touch", "canary") if word in line)
            assert shlex.join(shlex.split(line)) == line


def test_what_a_registry_says_cannot_write_to_the_terminal(released: Small) -> None:  # noqa: F811
    released.edit('"why": []', '"why": ["\\u001b]0;owned\\u0007 \\u202e"]', "registry/releases.jsonl")
    text = (released.root / "registry/releases.jsonl").read_bytes().split(b"\n")[0] + b"\n"
    (released.root / "registry/releases.jsonl").write_bytes(text)
    released.commit()
    said = released.tunec("release", "list").out
    assert "owned" in said and not {"\x1b", "\x07", "\u202e"} & set(said)
