"""Everything that speaks to git. It runs as a process of its own, and no text reaches it unchecked.

A ref is always written in full (refs/tags/...), passes `git check-ref-format`, and reaches git through standard input
or after `--`; what a commit holds is asked for by the commit's hash.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from stages.diagnostics import fail

TAGS = "refs/tags/"
ABSENT = "0" * 40
OWN_INDEX = "tunec-index."
_OLD = 10  # seconds


@dataclass(frozen=True)
class Tag:
    """An annotated tag: its own hash, the commit that it names, what it calls itself, and its message."""

    oid: str
    commit: str
    name: str
    message: str


@dataclass(frozen=True)
class Repository:
    """A workspace in its git repository.

    top: the repository's folder. prefix: from there to the workspace, "" or "some/where/". folder: the git folder that
    all worktrees share.
    """

    top: Path
    prefix: str
    folder: Path

    def path(self, name: str) -> str:
        """A workspace path as git's trees have it."""
        return self.prefix + name


def repository(root: Path) -> Repository:
    """Raises T422 without git, T440 when the workspace lies in no repository."""
    if shutil.which("git") is None:
        raise fail("T422", "git is not installed", help="apt-get install git")
    found = _ask(root, "rev-parse", "--show-toplevel", "--show-prefix", "--git-common-dir")
    if found is None:
        help = "run `git init && git add -A && git commit -m begin` here; a release is a tag on a commit"
        raise fail("T440", "this folder is in no git repository", help=help)
    top, prefix, folder = found.split("\n")[:3]
    return Repository(Path(top), prefix, (root / folder).resolve())


# ---------------------------------------------------------------- looking


def branch(repo: Repository) -> str | None:
    """The branch that is checked out, in full; None when the head is detached."""
    return _line(repo.top, "symbolic-ref", "--quiet", "HEAD")


def head(repo: Repository) -> str | None:
    """The commit that is checked out; None before the first one."""
    return _line(repo.top, "rev-parse", "--verify", "--quiet", "HEAD")


def dirty(repo: Repository) -> list[str]:
    """The paths of the workspace that differ from the last commit, or are new and not ignored."""
    scope = [repo.prefix.rstrip("/") or "."]
    said = run(repo.top, "--literal-pathspecs", "status", "--porcelain=v1", "-z", "--no-renames", "--", *scope)
    return sorted(entry[3:] for entry in said.split("\0") if entry)


def known(repo: Repository, names: Sequence[str]) -> set[str]:
    """Those of these workspace files that git has in its index."""
    said = run(repo.top, "--literal-pathspecs", "ls-files", "-z", "--", *(repo.path(name) for name in names))
    return {path.removeprefix(repo.prefix) for path in said.split("\0") if path}


def ignored(repo: Repository, name: str) -> bool:
    """Whether git would never take this workspace file in."""
    return _ask(repo.top, "check-ignore", "--quiet", "--", repo.path(name)) is not None


def legal(ref: str) -> bool:
    """Whether git takes this as the full name of a ref."""
    return ref.startswith("refs/") and _ask(Path(), "check-ref-format", ref) is not None


def resolve(repo: Repository, ref: str) -> str | None:
    """The hash that a full ref stands for, an annotated tag's own; None when there is no such ref."""
    return _line(repo.top, "show-ref", "--verify", "--hash", "--", ref) if legal(ref) else None


def tagged(repo: Repository) -> dict[str, str]:
    """Every tag, annotated or not -> the commit that it stands for."""
    form = "--format=%(refname)%00%(objectname)%00%(*objectname)"
    lines = run(repo.top, "for-each-ref", form, "--", TAGS).splitlines()
    parts = (line.split("\0") for line in lines)
    return {name.removeprefix(TAGS): inner or own for name, own, inner in parts}


def tag(repo: Repository, name: str) -> Tag | None:
    """An annotated tag on a commit; None when there is none of this name."""
    oid = resolve(repo, TAGS + name)
    if oid is None or _line(repo.top, "cat-file", "-t", oid) != "tag":
        return None
    head, _, message = run(repo.top, "cat-file", "tag", oid).partition("\n\n")
    fields = dict(line.partition(" ")[::2] for line in head.splitlines())
    return Tag(oid, fields["object"], fields["tag"], message) if fields.get("type") == "commit" else None


def read(repo: Repository, commit: str, name: str) -> bytes | None:
    """A workspace file as a commit has it; None where it has none."""
    command = ["git", "cat-file", "blob", f"{commit}:{repo.path(name)}"]
    done = subprocess.run(command, cwd=repo.top, env=_environment(), capture_output=True, check=False)
    return done.stdout if done.returncode == 0 else None


def same_on_disk(repo: Repository, commit: str, name: str) -> bool:
    """Whether a workspace file on disk is what a commit has, line endings as git would store them; both may lack it."""
    path = repo.path(name)
    stored = _line(repo.top, "rev-parse", "--verify", "--quiet", f"{commit}:{path}")
    if not (repo.top / path).is_file():
        return stored is None and not (repo.top / path).exists()
    content = (repo.top / path).read_bytes()
    return stored == run(repo.top, "hash-object", "--stdin", f"--path={path}", stdin=content).strip()


def parents(repo: Repository, commit: str) -> list[str]:
    return run(repo.top, "rev-list", "--parents", "--max-count=1", commit, "--").split()[1:]


def contains(repo: Repository, later: str, earlier: str) -> bool:
    """Whether one commit is the other or comes after it."""
    return _ask(repo.top, "merge-base", "--is-ancestor", earlier, later) is not None


def changed(repo: Repository, before: str, after: str) -> list[str]:
    """The paths, from the repository's top, in which two commits differ."""
    said = run(repo.top, "diff-tree", "-r", "--no-renames", "--name-only", "-z", before, after, "--")
    return sorted(path for path in said.split("\0") if path)


def tips(repo: Repository) -> list[str]:
    """The commits that branches, remote branches and the head stand on."""
    said = run(repo.top, "for-each-ref", "--format=%(objectname)", "--", "refs/heads/", "refs/remotes/", "refs/stash")
    return sorted({*said.split(), *filter(None, [head(repo)])})


# ---------------------------------------------------------------- writing


def identity(repo: Repository) -> str:
    """Who commits, and when, as git writes it down. Raises T450 when git was never told."""
    found = _line(repo.top, "var", "GIT_COMMITTER_IDENT")
    if found is None or _line(repo.top, "var", "GIT_AUTHOR_IDENT") is None:
        help = "run `git config user.name NAME` and `git config user.email ADDRESS`"
        raise fail("T450", "git does not know who you are", help=help)
    return found


def user(folder: Path) -> str | None:
    """What git was told that the user is called; None where it was not, or is not there."""
    try:
        return _line(folder, "config", "user.name") or None
    except FileNotFoundError:
        return None


def commit(repo: Repository, parent: str, files: Mapping[str, bytes], message: str) -> str:
    """A commit of `parent` with these workspace files as given. No branch moves, no file on disk changes."""
    index = {"GIT_INDEX_FILE": str(repo.folder / f"{OWN_INDEX}{os.getpid()}")}
    try:
        run(repo.top, "read-tree", parent, extra=index)
        for name, content in sorted(files.items()):
            path = repo.path(name)
            oid = run(repo.top, "hash-object", "-w", "--stdin", f"--path={path}", stdin=content).strip()
            run(repo.top, "update-index", "--add", "--cacheinfo", f"100644,{oid},{path}", extra=index)
        tree = run(repo.top, "write-tree", extra=index).strip()
    finally:
        Path(index["GIT_INDEX_FILE"]).unlink(missing_ok=True)
    return run(repo.top, "commit-tree", tree, "-p", parent, "-F", "-", stdin=message.encode()).strip()


def tag_object(repo: Repository, name: str, commit: str, message: str) -> str:
    """An annotated tag that no ref names yet."""
    if not legal(TAGS + name):
        raise fail("T447", f"git takes no tag {name!a}", help="change `versioning.naming`")
    text = f"object {commit}\ntype commit\ntag {name}\ntagger {identity(repo)}\n\n{message}"
    return run(repo.top, "mktag", stdin=text.encode()).strip()


def move(repo: Repository, refs: Mapping[str, tuple[str, str]], why: str) -> None:
    """Set refs from one hash to another in one transaction: all of them, or none when one is not where it should be."""
    if not all(legal(ref) for ref in refs):
        raise fail("T447", f"git takes no ref {next(r for r in refs if not legal(r))!a}", help="rename it")
    lines = [f"update {ref} {new} {old}" for ref, (old, new) in sorted(refs.items())]
    text = "\n".join(["start", *lines, "prepare", "commit", ""])
    run(repo.top, "update-ref", "-m", why, "--stdin", stdin=text.encode())


def unlock(repo: Repository, own: Iterable[str], branch: str) -> None:
    """Remove what a killed git left behind: the locks of refs that nobody else writes, and a branch's when it is old.

    git holds one for some milliseconds.
    """
    for ref in own:
        (repo.folder / f"{ref}.lock").unlink(missing_ok=True)
    for path in (repo.folder / f"{branch}.lock", repo.folder / "HEAD.lock"):
        if path.is_file() and time.time() - path.stat().st_mtime > _OLD:
            path.unlink(missing_ok=True)


def show(repo: Repository, commit: str, names: Sequence[str]) -> None:
    """Make these workspace files on disk and in the index what a commit has."""
    run(repo.top, "--literal-pathspecs", "checkout", "--quiet", commit, "--", *(repo.path(name) for name in names))


# ---------------------------------------------------------------- the process


def run(folder: Path, *arguments: str, stdin: bytes = b"", extra: Mapping[str, str] | None = None) -> str:
    """What git prints. Raises T452 with git's own words when it fails."""
    done = _process(folder, arguments, stdin, extra)
    if done.returncode:
        notes = tuple(line for line in done.stderr.decode("utf-8", "replace").splitlines() if line.strip())[:5]
        what = next(word for word in arguments if not word.startswith("-"))
        raise fail("T452", f"`git {what}` failed", notes=notes, help="mend what git names above, then run it again")
    return os.fsdecode(done.stdout)


def _ask(folder: Path, *arguments: str) -> str | None:
    """What git prints, or None when it says no."""
    done = _process(folder, arguments, b"", None)
    return os.fsdecode(done.stdout) if done.returncode == 0 else None


def _line(folder: Path, *arguments: str) -> str | None:
    said = _ask(folder, *arguments)
    return said.strip() if said is not None else None


def _process(
    folder: Path, arguments: Sequence[str], stdin: bytes, extra: Mapping[str, str] | None
) -> subprocess.CompletedProcess[bytes]:
    env = {**_environment(), **(extra or {})}
    return subprocess.run(["git", *arguments], cwd=folder, env=env, input=stdin, capture_output=True, check=False)


def _environment() -> dict[str, str]:
    """A hook's GIT_DIR must not lead us elsewhere, and git must not ask, translate or refresh an index of its own."""
    kept = {
        key: value for key, value in os.environ.items() if key not in ("GIT_DIR", "GIT_INDEX_FILE", "GIT_WORK_TREE")
    }
    return {**kept, "LC_ALL": "C.UTF-8", "GIT_TERMINAL_PROMPT": "0", "GIT_OPTIONAL_LOCKS": "0"}
