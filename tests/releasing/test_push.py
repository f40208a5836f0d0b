"""`tunec release push`: to the Hub's stand-in, to Ollama where it is, to DVC's remote; never what a licence forbids."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from unittest import mock

import pytest

from stages.rows import sha256
from tests.compiling import ROOT
from tests.once import once
from tests.releasing import hub
from tests.releasing.hub import TOKEN, Hub
from tests.releasing.small import PERSON, Done, Small, copy, flip
from tunec import dvc

FOLDER = "releases/tiny-slots-v1.1"


@pytest.fixture
def there() -> Iterator[Hub]:
    with hub.running() as found:
        yield found


def push(small: Small, there: Hub, *arguments: str, token: str = TOKEN) -> Done:
    """In a process of its own: huggingface_hub reads its address once."""
    about = {"HF_ENDPOINT": there.address, "HF_HUB_DISABLE_XET": "1", "HF_HOME": str(small.root.parent / "hf")}
    env = {**os.environ, **PERSON, **about, "HF_TOKEN": token, "PYTHONPATH": str(ROOT), "HF_HUB_OFFLINE": "0"}
    command = [sys.executable, "-m", "tunec", "release", "push", *arguments, "--to", "huggingface"]
    done = subprocess.run(command, cwd=small.root, env=env, capture_output=True, text=True, check=False)
    assert "Traceback" not in done.stderr and TOKEN not in done.stdout + done.stderr, done.stderr
    return Done(done.returncode, done.stdout, done.stderr)


FRONT = "---\n{}\nlibrary_name: gguf\ntags: [tunec]\n---\n"


def carded_with(small: Small, licence: str) -> None:
    """A release whose card has metadata, as the package stage writes it; cards of made-up builds have none."""
    small.build(card=FRONT.format(licence))
    small.release()


@pytest.fixture(scope="session")
def made_carded(made: Path, for_all_workers: Path) -> Path:
    return once(for_all_workers, "carded", lambda to: carded_with(copy(made, to), "license: apache-2.0"))


@pytest.fixture
def carded(made_carded: Path, tmp_path: Path) -> Small:
    return copy(made_carded, tmp_path / "w")


def test_a_release_is_pushed_as_a_commit_and_a_tag(carded: Small, there: Hub) -> None:
    done = push(carded, there)
    assert done.code == 0, done.said
    assert done.out.startswith("somebody/tiny-slots at v1, commit ")
    folder = carded.root / "releases/tiny-slots-v1"
    assert there.files == {path.name: path.read_bytes() for path in folder.iterdir()}
    assert there.commits == ["tiny-slots v1"] and list(there.tags) == ["v1"]
    assert "POST /api/validate-yaml" in there.asked


def test_a_second_push_of_a_release_changes_nothing(carded: Small, there: Hub) -> None:
    push(carded, there)
    done = push(carded, there, "--repo", "somebody/tiny-slots")
    assert done.code == 0 and "has v1 already; nothing was pushed" in done.out
    assert len(there.commits) == 1


def test_a_push_that_was_cut_off_before_the_tag_ends_the_same(carded: Small, there: Hub) -> None:
    there.broken["/tag/"] = (500, "out of order")
    assert push(carded, there, "v1").code == 1
    assert there.commits and not there.tags
    there.broken.clear()
    assert push(carded, there, "v1").code == 0
    assert list(there.tags) == ["v1"]


def test_files_of_an_earlier_release_do_not_stay(carded: Small, there: Hub) -> None:
    there.files["old.sig"] = b"of another release"
    push(carded, there)
    assert "old.sig" not in there.files


@pytest.mark.parametrize(
    ("broken", "token", "arguments", "code", "says"),
    [
        ({}, "hf_wrong", [], "T573", "does not let you in (401)"),
        ({"create": (403, "no rights here")}, TOKEN, [], "T573", "no rights here"),
        ({"create": (429, "too many")}, TOKEN, [], "T572", "the Hub refuses (429)"),
        ({"commit/main": (409, "somebody else")}, TOKEN, [], "T572", "somebody else"),
        ({}, TOKEN, ["--repo", "../etc"], "T571", "'../etc' is no name"),
        ({}, TOKEN, ["--repo", "-h"], "T571", "'-h' is no name"),
    ],
)
def test_what_the_hub_refuses_is_told_with_the_fix(
    broken: dict[str, tuple[int, str]],
    token: str,
    arguments: list[str],
    code: str,
    says: str,
    carded: Small,
    there: Hub,
) -> None:
    there.broken = broken
    done = push(carded, there, *arguments, token=token)
    assert done.code == 1 and f"error[{code}]" in done.err and says in done.err and " = help: " in done.err


def test_a_hub_that_is_not_there_is_told(carded: Small, there: Hub) -> None:
    there.address = "http://127.0.0.1:9"
    done = push(carded, there)
    assert "error[T572]: the Hub cannot be reached" in done.err


def test_a_card_without_metadata_is_not_pushed(released: Small, there: Hub) -> None:
    done = push(released, there)
    assert "error[T574]: the model card's metadata lacks `license`" in done.err and there.asked == []


def test_a_card_that_the_hub_does_not_take_is_told_in_its_words(small: Small, there: Hub) -> None:
    carded_with(small, "license: Not a word")
    done = push(small, there)
    assert "error[T574]: the Hub does not take the model card" in done.err and "must be one of" in done.err
    assert there.files == {}


def test_a_damaged_release_is_not_pushed(carded: Small, there: Hub) -> None:
    flip(carded.root / "releases/tiny-slots-v1/model.gguf", 99)
    done = push(carded, there)
    assert "error[T455]" in done.err and there.asked == []


def test_a_licence_that_changed_for_the_worse_since_stops_a_push(small: Small, there: Hub) -> None:
    """A release that was made before the data's licence was known cannot be made any more; nor pushed."""
    from tunec.releasing import licensing

    with mock.patch.object(licensing, "require_none_broken"):
        small.edit("path: data/raw/rows.jsonl", "path: data/raw/rows.jsonl\n      license: cc-by-nd-4.0")
        small.build()
        small.release()
    for target in ("huggingface", "ollama", "remote"):
        done = small.tunec("release", "push", "--to", target, code=1)
        assert done.err.startswith("error[T562]: giving tiny-slots-v1 away would break a licence")


# ---------------------------------------------------------------- elsewhere


def test_without_ollama_its_commands_are_printed(released: Small) -> None:
    said = released.tunec("release", "push", "v1.1", "--to", "ollama", PATH=bare_path(released)).out
    assert "Ollama is not installed here" in said
    assert f"  ollama create tiny-slots:v1.1 -f {FOLDER}/Modelfile\n" in said
    assert f"  ollama create tiny-slots:latest -f {FOLDER}/Modelfile\n" in said


def test_with_ollama_they_are_run(released: Small) -> None:
    path = ollama(released, 'echo "$@" >> ran.txt')
    released.tunec("release", "push", "--to", "ollama", PATH=path)
    assert (released.root / "ran.txt").read_text(encoding="utf-8").splitlines() == [
        f"create tiny-slots:{tag} -f {FOLDER}/Modelfile" for tag in ("v1.1", "latest")
    ]


def test_what_ollama_refuses_is_told_in_its_words(released: Small) -> None:
    path = ollama(released, "echo 'Error: could not connect to a running Ollama instance' >&2; exit 1")
    done = released.tunec("release", "push", "--to", "ollama", code=1, PATH=path)
    assert done.err.startswith("error[T575]: `ollama create") and "could not connect" in done.err


def bare_path(small: Small) -> str:
    """A PATH with git alone."""
    place = small.root.parent / "bin"
    place.mkdir(exist_ok=True)
    link = place / "git"
    if not link.exists():
        link.symlink_to(str(shutil.which("git")))
    return str(place)


def ollama(small: Small, does: str) -> str:
    path = bare_path(small)
    program = Path(path) / "ollama"
    program.write_text(f"#!/bin/sh\n{does}\n", encoding="utf-8")
    program.chmod(0o755)
    return path


def test_without_a_remote_the_command_that_names_one_is_told(released: Small) -> None:
    done = released.tunec("release", "push", "--to", "remote", code=1)
    assert done.err.startswith("error[T570]") and "dvc remote add --default NAME s3://" in done.err


def test_a_release_can_be_had_from_the_remote_that_it_was_pushed_to(released: Small) -> None:
    with mock.patch.dict(os.environ, PERSON):
        dvc._run(released.root, "remote", "add", "--default", "there", str(released.root.parent / "remote"))
    released.commit()
    model = sha256(released.root / FOLDER / "model.gguf")
    said = released.tunec("release", "push", "v1.1", "--to", "remote").out
    assert "there holds the" in said and " 0 of them" not in said
    assert " 0 of them were new to it" in released.tunec("release", "push", "v1.1", "--to", "remote").out
    released.git("clean", "-xfdq", "releases", "build")
    shutil.rmtree(released.root / ".dvc/cache")
    released.tunec("release", "get", "v1.1")
    assert sha256(released.root / FOLDER / "model.gguf") == model
    assert released.tunec("verify", "v1.1").code == 0
    assert "error[T454]" in released.tunec("release", "push", "v1", "--to", "remote", code=1).err


@pytest.mark.parametrize(("target", "says"), [("api", "tunec serve tiny-slots-v1.1"), ("local", "tunec ask")])
def test_for_this_machine_the_one_command_is_printed(target: str, says: str, released: Small) -> None:
    assert says in released.tunec("release", "push", "--to", target).out


def test_a_target_that_there_is_not_is_refused(released: Small) -> None:
    done = released.tunec("release", "push", "--to", "hugingface", code=1)
    assert done.err.startswith("error[T576]") and "did you mean `huggingface`?" in done.err
