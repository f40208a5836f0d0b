"""What a release refuses: one diagnostic with the fix, and nothing written."""

from __future__ import annotations

import fcntl
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.releasing.small import PERSON, Small, flip, status

Break = Callable[[Small], None]
NOBODY = {key: "" for key in PERSON if "NAME" in key or "EMAIL" in key}


def edit(before: str, after: str, file: str = "task.yaml") -> Break:
    def broken(small: Small) -> None:
        small.edit(before, after, file)
        small.commit()

    return broken


def verdict(word: str) -> Break:
    return edit_output("build/gate/verdict.json", '"verdict": "ship"', f'"verdict": "{word}"')


def edit_output(file: str, before: str, after: str) -> Break:
    def broken(small: Small) -> None:
        text = (small.root / file).read_text(encoding="utf-8")
        assert before in text
        (small.root / file).chmod(0o644)
        (small.root / file).write_text(text.replace(before, after), encoding="utf-8")

    return broken


def nothing_built(small: Small) -> None:
    shutil.rmtree(small.root / "build")


def untracked(small: Small) -> None:
    (small.root / "notes.txt").write_text("mine", encoding="utf-8")


def lock_outside_git(small: Small) -> None:
    (small.root / ".gitignore").write_text("/build/\n/dvc.lock\n", encoding="utf-8")
    small.git("rm", "--quiet", "--cached", "dvc.lock")
    small.commit()


def detached(small: Small) -> None:
    small.git("checkout", "--quiet", "--detach")


def no_commit(small: Small) -> None:
    small.git("checkout", "--quiet", "--orphan", "fresh")


def no_git(small: Small) -> None:
    shutil.rmtree(small.root / ".git")


def no_dvc(small: Small) -> None:
    shutil.rmtree(small.root / ".dvc")


def more_rows(small: Small) -> None:
    with (small.root / "data/raw/rows.jsonl").open("a", encoding="utf-8") as rows:
        rows.write('{"text": "for 99", "output": {"people": "99", "time": "noon"}}\n')
    small.commit()


def flipped(name: str) -> Break:
    """DVC remembers what it hashed by times and size: it does not see this."""

    def broken(small: Small) -> None:
        status(small.root)
        flip(small.root / name, 1234)

    return broken


def missing_end(name: str) -> Break:
    def broken(small: Small) -> None:
        content = (small.root / name).read_bytes()
        (small.root / name).unlink()
        (small.root / name).write_bytes(content[:-9])

    return broken


def missing(name: str) -> Break:
    return lambda small: (small.root / name).unlink()


def tag_taken(small: Small) -> None:
    small.git("tag", "tiny-slots-v1")


def tag_taken_in_capitals(small: Small) -> None:
    """On a file system that knows no capitals, both would be one file."""
    small.git("tag", "Tiny-Slots-V1")


def registry_edited(small: Small) -> None:
    small.release()
    small.edit('"verdict": "ship"', '"verdict": "perfect"', "registry/releases.jsonl")
    with (small.root / "registry/releases.jsonl").open("a", encoding="utf-8") as file:
        file.write('{"release": "tiny-slots-v2", "previous": null}\n')
    small.commit()


def released_once(small: Small) -> None:
    small.release()


def built_anew(small: Small) -> None:
    for name in ("dvc.lock", ".tunec/dvc.lock"):
        with (small.root / name).open("a", encoding="utf-8") as lock:
            lock.write("# other times\n")


def registry_ignored(small: Small) -> None:
    (small.root / ".gitignore").write_text("/build/\n/registry/\n", encoding="utf-8")
    small.commit()


def registry_is_a_link(small: Small) -> None:
    outside = small.root.parent / "outside"
    outside.mkdir()
    (small.root / "registry").symlink_to(outside)
    small.commit()


def releases_is_a_link(small: Small) -> None:
    outside = small.root.parent / "outside"
    outside.mkdir()
    (small.root / "releases").symlink_to(outside)
    small.commit()


def folder_is_there(small: Small) -> None:
    (small.root / "releases" / "tiny-slots-v1").mkdir(parents=True)
    (small.root / "releases" / "tiny-slots-v1" / "mine").write_text("x", encoding="utf-8")
    (small.root / "releases" / ".gitignore").write_text("*\n", encoding="utf-8")


# What is wrong, how it came about, the arguments, the code, what the message or the notes say.
REFUSED: list[tuple[str, Break | None, list[str], str, str]] = [
    ("no git repository", no_git, [], "T440", "in no git repository"),
    ("no DVC", no_dvc, [], "T401", "no DVC workspace"),
    ("nothing built", nothing_built, [], "T441", "there is no verdict"),
    ("a verdict of half a file", missing_end("build/gate/verdict.json"), [], "T441", "cannot be read"),
    ("a gate failed", verdict("do_not_ship"), [], "T442", "the verdict is do not ship"),
    ("too few rows to tell", verdict("not_enough_evidence"), [], "T442", "the verdict is not enough evidence"),
    ("an edit that is not committed", lambda s: s.edit("goal:", "goal:  "), [], "T443", "task.yaml"),
    ("a file that git does not know", untracked, [], "T443", "notes.txt"),
    ("a build that is not committed", built_anew, [], "T443", "`git add .tunec/dvc.lock dvc.lock && git commit"),
    ("dvc.lock outside git", lock_outside_git, [], "T443", "dvc.lock is not in git"),
    ("a task that was not compiled", edit("threshold: 0.5", "threshold: 0.6"), [], "T444", "params.yaml is not what"),
    ("rows that were not built", more_rows, [], "T444", "data/raw/rows.jsonl changed"),
    ("a byte of the model", flipped("build/package/model.gguf"), [], "T445", "build/package/model.gguf"),
    ("a byte of a report", flipped("build/report/report.html"), [], "T445", "build/report/report.html"),
    ("a missing report", missing("build/report/report.html"), [], "T444", "build/report/report.html is missing"),
    ("a tag that is taken", tag_taken, [], "T446", "the tag tiny-slots-v1 is there already"),
    ("a tag that is taken in capitals", tag_taken_in_capitals, [], "T446", "is there already"),
    ("a naming that begins like an option", edit('"{task}-v{n}"', '"-h{n}"'), [], "T148", "begins with '-'"),
    ("a naming with two dots", edit('"{task}-v{n}"', '"{task}..{n}"'), [], "T148", "`..`"),
    ("a naming with a blank", edit('"{task}-v{n}"', '"{task} {n}"'), [], "T148", "it holds ' '"),
    ("a naming that runs backwards", edit('"{task}-v{n}"', '"{n}\\u202etxt"'), [], "T148", "it holds '\\u202e'"),
    ("a naming that never changes", edit('"{task}-v{n}"', '"{task}"'), [], "T148", "same name"),
    ("a version like an option", None, ["--as=-h"], "T447", "'-h' is no version"),
    ("a version with dots", None, ["--as", "1..2"], "T447", "'1..2' is no version"),
    ("a version with a blank", None, ["--as", "1 2"], "T447", "'1 2' is no version"),
    ("a version that runs backwards", None, ["--as", "1\u202e2"], "T447", "'1\\u202e2' is no version"),
    ("a version for a date", edit("strategy: semantic", "strategy: date"), ["--as", "2"], "T447", "take no version"),
    ("an earlier version", released_once, ["--as", "0.9"], "T447", "does not come after 1"),
    ("a detached head", detached, [], "T448", "detached"),
    ("no commit", no_commit, [], "T449", "no commit yet"),
    ("a registry that was edited", registry_edited, [], "T456", "registry/releases.jsonl, line 2"),
    ("nothing new", released_once, [], "T458", "nothing changed since tiny-slots-v1"),
    ("a registry that git ignores", registry_ignored, [], "T467", "git ignores registry/"),
    ("a registry elsewhere", registry_is_a_link, [], "T467", "is a link"),
    ("releases elsewhere", releases_is_a_link, [], "T467", "releases is a link"),
    ("a folder in the way", folder_is_there, [], "T455", "releases/tiny-slots-v1 is there already"),
    ("no reason", None, ["--force", ""], "T468", "--force needs a reason"),
    ("a reason of blanks", None, ["--force", " \n\t"], "T468", "--force needs a reason"),
    ("a reason without end", None, ["--force", "x" * 201], "T468", "--force needs a reason"),
]


@pytest.mark.parametrize(("broken", "arguments", "code", "says"), [r[1:] for r in REFUSED], ids=[r[0] for r in REFUSED])
def test_a_release_is_refused_with_the_reason_and_the_fix(
    broken: Break | None, arguments: list[str], code: str, says: str, small: Small
) -> None:
    if broken:
        broken(small)
    in_git = (small.root / ".git").exists()
    before = small.state() if in_git else None
    done = small.tunec("release", *arguments, code=1)
    assert done.err.startswith(f"error[{code}]: "), done.said
    assert done.err.count("error[") == 1 and " = help: " in done.err
    assert says in done.err
    assert done.out == ""
    assert not in_git or small.state() == before


def test_git_must_know_who_releases(small: Small) -> None:
    for key in ("user.name", "user.email"):
        small.git("config", "--unset", key, check=False)
    small.git("config", "user.useConfigOnly", "true")
    done = small.tunec("release", code=1, **NOBODY)
    assert done.err.startswith("error[T450]: git does not know who you are") and "git config user.name" in done.err


def test_without_git_the_package_that_has_it_is_named(small: Small) -> None:
    done = small.tunec("release", code=1, PATH="/nowhere")
    assert done.err.startswith("error[T422]: git is not installed")


def test_while_a_release_runs_another_waits_for_its_turn(small: Small) -> None:
    with (small.root / ".git" / "tunec-release.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert small.tunec("release", code=1).err.startswith("error[T451]")


def cut_off(small: Small, what: str, parent: str, commit: str, folder: str, files: list[str]) -> str:
    """The note that a killed release leaves."""
    place = {"root": str(small.root), "branch": "refs/heads/main", "parent": parent, "commit": commit}
    return json.dumps({"what": what, **place, "tags": {}, "folder": folder, "files": files})


def test_a_dry_run_leaves_what_was_cut_off_and_the_next_release_says_what_became_of_it(small: Small) -> None:
    note = small.root / ".git" / "tunec-release.json"
    head = small.git("rev-parse", "HEAD")
    note.write_text(cut_off(small, "tiny-slots-v1", head, "1" * 40, "", []), encoding="utf-8")
    assert small.tunec("release", "--dry-run", code=1).err.startswith("error[T466]: tiny-slots-v1 was cut off")
    assert note.is_file()
    assert small.release().out.startswith("undid tiny-slots-v1, which was cut off")


def test_an_edit_of_a_file_that_a_cut_off_release_has_still_to_write_is_not_lost(released: Small) -> None:
    """As if it were killed after the tag was set and before the changelog was written."""
    commit, parent = (released.git("rev-parse", ref) for ref in ("HEAD", "HEAD~1"))
    (released.root / "CHANGELOG.md").write_text("my own words\n", encoding="utf-8")
    note = released.root / ".git" / "tunec-release.json"
    told = cut_off(released, "tiny-slots-v1.1", parent, commit, "releases/tiny-slots-v1.1", ["CHANGELOG.md"])
    note.write_text(told, encoding="utf-8")
    done = released.tunec("release", code=1)
    assert done.err.startswith("error[T466]: CHANGELOG.md was edited after tiny-slots-v1.1 was cut off")
    assert (released.root / "CHANGELOG.md").read_text(encoding="utf-8") == "my own words\n"
    assert (released.root / "releases/tiny-slots-v1.1/model.gguf").is_file()


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (["get", "v9"], "T453", "there is no release 'v9'"),
        (["get", "tiny-slots-v1.2"], "T453", "did you mean"),
        (["get", "--", "-h"], "T453", "'-h'"),
        (["get", "../../etc"], "T453", "there is no release"),
        (["get", "$(touch x)"], "T453", "there is no release"),
        (["diff", "v1", "\u202e"], "T453", "'\\u202e'"),
        (["mark", "v1", "deploied"], "T459", "did you mean `deployed`?"),
        (["mark", "v9", "deployed"], "T453", "there is no release 'v9'"),
    ],
)
def test_a_release_or_a_stage_of_life_that_is_none_is_refused(
    arguments: list[str], code: str, says: str, released: Small
) -> None:
    before = released.state()
    done = released.tunec("release", *arguments, code=1)
    assert done.err.startswith(f"error[{code}]") and says in done.err and " = help: " in done.err
    assert released.state() == before


def test_a_failing_git_is_told_in_its_own_words_and_leaves_nothing_behind(small: Small) -> None:
    """A ref that another git holds: nothing moves, and the folder that was placed goes again."""
    lock = small.root / ".git" / "refs" / "heads" / "main.lock"
    lock.touch()
    before = small.state()
    done = small.tunec("release", code=1)
    assert done.err.startswith("error[T452]: `git update-ref` failed") and "main.lock" in done.err
    assert small.state() == before
    lock.unlink()
    small.release()


def test_no_file_of_a_release_can_be_written_to(small: Small) -> None:
    small.release()
    modes = {path.stat().st_mode & 0o222 for path in (small.root / "releases/tiny-slots-v1").iterdir()}
    assert modes == {0}


def test_a_hook_of_git_does_not_lead_a_release_elsewhere(small: Small, tmp_path: Path) -> None:
    """Inside a hook, git sets GIT_DIR and GIT_INDEX_FILE for whatever the hook runs."""
    other = tmp_path / "other"
    other.mkdir()
    Small(other).git("init", "--quiet")
    small.release(GIT_DIR=str(other / ".git"), GIT_INDEX_FILE=str(other / "index"), GIT_WORK_TREE=str(other))
    assert small.names() == ["tiny-slots-v1"]
    assert Small(other).names() == []
