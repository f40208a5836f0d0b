"""Run by test_killed.py in a process of its own: a release is killed at each thing that it does, in turn.

For every N a child forks off, makes the release and kills itself with SIGKILL just before the Nth thing that leaves a
trace: a process it starts, a file it opens to write, a rename, a removal, a folder. Then this process looks, recovers,
and looks again.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

from tunec import git
from tunec.releasing import journal
from tunec.releasing.making import Edit, Folder, make

NAME = "slots-v1"
BYTES = b"a model" * 1000
WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND


def main(folder: Path) -> None:
    seen = {"finished": 0, "undid": 0, "nothing": 0}
    for number in range(1, 500):
        root = folder / f"w{number}"
        prepare(root)
        child = os.fork()
        if child == 0:
            die_at(number)
            release(root)
            os._exit(0)
        killed = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL
        seen[look(root, killed)] += 1
        shutil.rmtree(root)
        if not killed:
            print(f"{number - 1} places; {seen}")
            return
    sys.exit("it never came to an end")


def prepare(root: Path) -> None:
    root.mkdir()
    run(root, "init", "--quiet", "--initial-branch=main")
    (root / "registry").mkdir()
    (root / "registry" / "releases.jsonl").write_text("old\n")
    (root / "source").write_bytes(BYTES)
    run(root, "add", "-A")
    run(root, "commit", "--quiet", "-m", "begin")


def release(root: Path) -> None:
    repo = git.repository(root)
    with journal.alone(repo):
        journal.recover(repo)
        files = {"registry/releases.jsonl": b"old\nnew\n", "CHANGELOG.md": b"# Changelog\n"}
        sha256 = hashlib.sha256(BYTES).hexdigest()
        edit = Edit(NAME, "Release\n", files, {NAME: "Release\n"}, None, Folder(NAME, {"m": (root / "source", sha256)}))
        make(repo, root, "refs/heads/main", str(git.head(repo)), edit)


def die_at(number: int) -> None:
    left = number

    def hook(event: str, arguments: tuple[Any, ...]) -> None:
        nonlocal left
        traced = event in ("subprocess.Popen", "os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.chmod")
        if traced or (event == "open" and isinstance(arguments[2], int) and arguments[2] & WRITES):
            left -= 1
            if left == 0:
                os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(hook)


def look(root: Path, killed: bool) -> str:
    """At no time a tag without its line or its files; after recovery everything or nothing; then it can be released."""
    tagged, moved, folder = facts(root)
    assert not tagged or folder, "a tag without its files"
    assert not tagged or run(root, "show", f"{NAME}:registry/releases.jsonl") == "old\nnew", "a tag without its line"
    repo = git.repository(root)
    with journal.alone(repo):
        told = journal.recover(repo)
    tagged, moved, folder = facts(root)
    assert tagged == moved == folder, f"half a release: tag {tagged}, branch {moved}, files {folder}"
    assert not run(root, "status", "--porcelain"), "the tree is not clean"
    assert not (root / "releases" / f".{NAME}.tmp").exists(), "files that were copied aside are left"
    assert not list((root / ".git").glob("tunec-[!r]*")), "something is left"
    assert not list((root / ".git").glob("tunec-release.json*")), "a note is left"
    assert killed or tagged, "it was not killed, and yet did nothing"
    if not tagged:
        release(root)
        assert facts(root) == (True, True, True)
    assert run(root, "fsck", "--no-dangling", "--strict") == ""
    return told.split()[0] if told else "nothing"


def facts(root: Path) -> tuple[bool, bool, bool]:
    tagged = bool(run(root, "tag", "--list"))
    moved = run(root, "rev-list", "--count", "main") == "2"
    file = root / "releases" / NAME / "m"
    return tagged, moved, file.is_file() and file.read_bytes() == BYTES


def run(root: Path, *arguments: str) -> str:
    done = subprocess.run(["git", *arguments], cwd=root, capture_output=True, text=True, check=True)
    return done.stdout.strip()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
