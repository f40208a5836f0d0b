"""`tunec verify` names what is not as it was written: the file, and the byte."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.releasing.small import Small, copy, flip

RELEASE = "releases/tiny-slots-v1.1"
# A file of each kind that a release is made of, or was made from.
IN_THE_FOLDER = [
    "model.gguf",
    "Modelfile",
    "README.md",
    "contract.json",
    "manifest.json",
    "release.json",
    "bom.json",
    "provenance.json",
]
IN_THE_CACHE = {
    "accepted rows": "build/data/accepted.jsonl",
    "rejected rows": "build/data/rejected.jsonl",
    "report of the data": "build/data/report.json",
    "train split": "build/splits/train.jsonl",
    "dev split": "build/splits/dev.jsonl",
    "test split": "build/splits/test.jsonl",
    "base model": "build/model-base/base/part.bin",
    "adapter": "build/train-base-r16/adapter/part.bin",
    "training curve": "build/train-base-r16/curve.csv",
    "merged weights": "build/export-base-r16/merged/part.bin",
    "f16 GGUF": "build/export-base-r16/model-f16.gguf",
    "q8_0 GGUF": "build/quantize-base-r16-q8_0/model.gguf",
    "dev answers": "build/predict-base-r16-q8_0/predictions.jsonl",
    "speed": "build/test/speed.json",
    "test answers": "build/test/chosen.jsonl",
    "baseline's answers": "build/baseline-majority/predictions.jsonl",
    "choice": "build/select/choice.json",
    "scores": "build/score/scores.json",
    "flip list": "build/score/flips.jsonl",
    "verdict": "build/gate/verdict.json",
    "page": "build/report/report.html",
    "table": "build/report/report.json",
    "packed model": "build/package/model.gguf",
}
IN_GIT = [f"registry/{name}.jsonl" for name in ("releases", "runs", "datasets")] + [
    "registry/manifests/tiny-slots-v1.1.json"
]


def kinds() -> Iterator[tuple[str, Callable[[Small], Path], str]]:
    """(kind, where the file is, what the message must name)"""
    for name in IN_THE_FOLDER:
        yield f"the released {name}", lambda s, n=name: s.root / RELEASE / n, f"{RELEASE}/{name}"
    for kind, path in IN_THE_CACHE.items():
        yield f"the cached {kind}", lambda s, p=path: cached(s, p), f"the cache's copy of {path}"
    for path in IN_GIT:
        yield path, lambda s, p=path: s.root / p, path


def cached(small: Small, path: str) -> Path:
    """The cache's object of an output, cut off from the workspace's link to it."""
    whole = json.loads((small.root / RELEASE / "release.json").read_text(encoding="utf-8"))
    md5 = whole["build"][path]["md5"]
    held = small.root / ".dvc/cache/files/md5" / md5[:2] / md5[2:]
    assert held.is_file(), path
    return held


def test_a_whole_release_verifies(released: Small) -> None:
    for name in ("v1", "v1.0.1", "v1.1"):
        assert "all as written" in released.tunec("verify", name).out
    assert "all as written" in released.tunec("verify").out


@pytest.mark.parametrize(("where", "named"), [kind[1:] for kind in kinds()], ids=[kind[0] for kind in kinds()])
def test_a_flipped_byte_in_any_kind_of_file_is_named(
    where: Callable[[Small], Path], named: str, released: Small
) -> None:
    at, was = flip(where(released), 1_013)
    done = released.tunec("verify", "v1.1", code=1)
    if named.endswith(".jsonl") and named.startswith("registry/"):
        assert re.search(rf"error\[T463\]: {re.escape(named)}, line \d was edited", done.out), done.out
    else:
        assert (
            f"error[T460]: {named} is not what was written: byte {at} is 0x{was ^ 0x20:02x}, was 0x{was:02x}"
            in done.out
        )


def test_there_are_more_than_twenty_kinds() -> None:
    assert len(list(kinds())) >= 30


@pytest.mark.parametrize("at", [0, 5_000, 35_000, 69_999])
def test_the_byte_is_named_wherever_it_is(at: int, released: Small) -> None:
    flip(released.root / RELEASE / "model.gguf", at)
    assert f"{RELEASE}/model.gguf is not what was written: byte {at} is" in released.tunec("verify", "v1.1", code=1).out


@pytest.mark.parametrize("name", [*IN_THE_FOLDER])
def test_a_missing_file_is_named(name: str, released: Small) -> None:
    (released.root / RELEASE / name).unlink()
    assert f"error[T461]: {RELEASE}/{name} is missing" in released.tunec("verify", "v1.1", code=1).out


@pytest.mark.parametrize("name", IN_GIT)
def test_a_missing_file_of_the_registry_is_named(name: str, released: Small) -> None:
    (released.root / name).unlink()
    assert f"error[T461]: {name} is missing" in released.tunec("verify", "v1.1", code=1).out


def test_a_file_that_became_a_link_is_named(released: Small) -> None:
    model = released.root / RELEASE / "model.gguf"
    model.rename(released.root / "elsewhere.gguf")
    model.symlink_to(released.root / "elsewhere.gguf")
    assert "model.gguf is a link" in released.tunec("verify", "v1.1", code=1).out


# ---------------------------------------------------------------- the tag


def to_the_next_commit(s: Small) -> None:
    s.commit("later")
    s.git("tag", "-d", "tiny-slots-v1.1")
    s.git("tag", "-a", "-m", message(s, "v1.1"), "tiny-slots-v1.1", "HEAD")


def to_the_commit_before(s: Small) -> None:
    text = message(s, "v1.1")
    s.git("tag", "-d", "tiny-slots-v1.1")
    s.git("tag", "-a", "-m", text, "tiny-slots-v1.1", "HEAD~1")


def to_another_release(s: Small) -> None:
    s.git("tag", "-f", "-a", "-m", "x", "tiny-slots-v1.1", "tiny-slots-v1^{commit}")


def without_a_message(s: Small) -> None:
    s.git("tag", "-f", "tiny-slots-v1.1", "HEAD")


def with_another_message(s: Small) -> None:
    s.git("tag", "-f", "-a", "-m", "it is fine", "tiny-slots-v1.1", "HEAD")


def to_a_forged_commit(s: Small) -> None:
    """The same parent, the same registry, and one thing more."""
    text = message(s, "v1.1")
    (s.root / "task.yaml").write_text("forged", encoding="utf-8")
    s.git("commit", "--quiet", "--amend", "-a", "--no-edit")
    s.git("tag", "-f", "-a", "-m", text, "tiny-slots-v1.1", "HEAD")


def removed(s: Small) -> None:
    s.git("tag", "-d", "tiny-slots-v1.1")


def swapped_with_another_tag_object(s: Small) -> None:
    s.git("update-ref", "refs/tags/tiny-slots-v1.1", "refs/tags/tiny-slots-v1")


def message(s: Small, name: str) -> str:
    return s.git("for-each-ref", "--format=%(contents)", f"refs/tags/tiny-slots-{name}")


@pytest.mark.parametrize(
    "move",
    [
        to_the_next_commit,
        to_the_commit_before,
        to_another_release,
        without_a_message,
        with_another_message,
        to_a_forged_commit,
        removed,
        swapped_with_another_tag_object,
    ],
)
def test_a_tag_that_was_moved_is_named(move: Callable[[Small], None], released: Small) -> None:
    move(released)
    done = released.tunec("verify", "v1.1", code=1)
    assert re.search(r"error\[T462\]: the (annotated )?tag tiny-slots-v1.1 (was moved|is gone)", done.out), done.out


def test_an_older_tag_that_was_made_again_is_known_by_the_release_after_it(released: Small) -> None:
    """The same commit and the same message: only the hash that the next release wrote down tells."""
    text = message(released, "v1")
    later = "2026-01-01T00:00:00+0000"
    import os
    from unittest import mock

    with mock.patch.dict(os.environ, {"GIT_COMMITTER_DATE": later}):
        released.git("tag", "-f", "-a", "-m", text, "tiny-slots-v1", "tiny-slots-v1^{commit}")
    done = released.tunec("verify", "v1", code=1)
    assert "T462" in done.out and "it is another tag than tiny-slots-v1.0.1 was made after" in done.out


# ---------------------------------------------------------------- the registry


@pytest.mark.parametrize("number", [1, 2, 3])
@pytest.mark.parametrize("committed", [False, True], ids=["on disk", "committed"])
def test_an_edited_line_of_the_registry_is_named(number: int, committed: bool, released: Small) -> None:
    file = released.root / "registry/releases.jsonl"
    lines = file.read_text(encoding="utf-8").splitlines(True)
    lines[number - 1] = lines[number - 1].replace('"ship"', '"SHIP"')
    file.write_text("".join(lines), encoding="utf-8")
    if committed:
        released.commit()
    said = released.tunec("verify", "v1.1", code=1).said
    assert re.search(rf"registry/releases.jsonl, line {number + 1 if 'T456' in said else number}\b", said), said


def test_a_mark_that_no_commit_holds_is_named(released: Small) -> None:
    released.tunec("release", "mark", "v1", "deployed")
    released.edit('"deployed"', '"archived"', "registry/marks.jsonl")
    assert "registry/marks.jsonl, line 1 was edited" in released.tunec("verify", "v1.1", code=1).out


# ---------------------------------------------------------------- folders


def test_a_folder_verifies_anywhere_without_git_and_dvc(released: Small, tmp_path: Path) -> None:
    alone = tmp_path / "downloaded"
    shutil.copytree(released.root / RELEASE, alone)
    elsewhere = Small(tmp_path)
    assert "9 files, 0.1 MB: all as written" in elsewhere.tunec("verify", "downloaded").out
    at, was = flip(alone / "model.gguf", 33_333)
    done = elsewhere.tunec("verify", "downloaded", code=1)
    assert (
        f"downloaded/model.gguf is not what was written: byte {at} is 0x{was ^ 0x20:02x}, was 0x{was:02x}" in done.out
    )


def test_a_folder_whose_manifest_was_edited_says_so(released: Small, tmp_path: Path) -> None:
    alone = tmp_path / "downloaded"
    shutil.copytree(released.root / RELEASE, alone)
    flip(alone / "release.json", 500)
    done = Small(tmp_path).tunec("verify", "downloaded", code=1)
    assert re.search(r"error\[T46[01]\]: downloaded/release.json", done.err), done.said


def test_a_package_verifies_by_its_own_hashes(small: Small) -> None:
    assert "6 files" in small.tunec("verify", "build/package").out
    flip(small.root / "build/package/model.gguf", 7)
    done = small.tunec("verify", "build/package", code=1)
    assert "build/package/model.gguf is not what was written" in done.out


def test_where_nothing_was_built_nothing_is_called_whole(small: Small) -> None:
    (small.root / "dvc.lock").unlink()
    assert small.tunec("verify", code=1).err.startswith("error[T465]: nothing was built here")


def test_what_a_person_brought_is_held_against_what_the_build_read(small: Small) -> None:
    assert "all as written" in small.tunec("verify").out
    flip(small.root / "data/raw/rows.jsonl", 3)
    done = small.tunec("verify", code=1)
    assert "error[T460]: data/raw/rows.jsonl is not what the build read" in done.out and "tunec build" in done.out
    (small.root / "data/raw/rows.jsonl").unlink()
    assert "error[T461]: data/raw/rows.jsonl is missing" in small.tunec("verify", code=1).out


def test_a_stage_that_the_graph_no_longer_has_is_no_part_of_the_build(small: Small) -> None:
    """DVC leaves it in dvc.lock, and its outputs may be long gone."""
    lock = small.root / "dvc.lock"
    gone = "  gone:\n    cmd: tunec run gone\n    outs:\n    - {path: build/gone, hash: md5, md5: 0cc175b9c0f1b6a8}\n"
    lock.write_text(lock.read_text() + gone)
    assert "all as written" in small.tunec("verify").out


def test_a_stale_build_names_what_runs_first_and_how_much_follows(small: Small) -> None:
    rows = small.root / "data/raw/rows.jsonl"
    rows.write_text(rows.read_text() + rows.read_text().replace("table", "seat"))
    small.commit("rows")
    said = small.tunec("release", code=1).err
    assert "= note: data: data/raw/rows.jsonl changed" in said and ": after " in said
    assert " more\n" in said and ": \n" not in said


def test_a_key_asks_for_a_release(small: Small) -> None:
    done = small.tunec("verify", "--key", "release.pub", code=1)
    assert done.err.startswith("error[T465]: --key asks for a release")


@pytest.mark.parametrize("what", ["data", "nowhere", "-h/", "v1"])
def test_what_holds_nothing_to_verify_is_refused(what: str, small: Small) -> None:
    done = small.tunec("verify", "--", what, code=1)
    assert re.search(r"error\[T(465|453)\]", done.err) and " = help: " in done.err


def test_the_found_is_printed_as_json_too(released: Small) -> None:
    flip(released.root / RELEASE / "model.gguf", 1)
    (found,) = json.loads(released.tunec("verify", "v1.1", "--json", code=1).out)
    assert found["code"] == "T460" and "byte 1 is" in found["message"]


def test_a_release_whose_folder_was_removed_is_named_unless_it_was_pruned(released: Small, tmp_path: Path) -> None:
    other = copy(released.root, tmp_path / "other")
    shutil.rmtree(released.root / RELEASE)
    assert f"{RELEASE}/model.gguf is missing" in released.tunec("verify", "v1.1", code=1).out
    other.edit("retention: 3", "retention: 1")
    other.commit()
    other.tunec("release", "prune")
    said = other.tunec("verify", "v1").out
    assert re.search(r"all as written; \d+ more are not here to be looked at", said)
    assert "more are not here" not in other.tunec("verify", "v1.1").out
