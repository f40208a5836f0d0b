"""What would be released, under which name and why, or why nothing may be. Nothing is written here."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

from compiler import Compiled, versions
from compiler.domains import high_stakes
from compiler.task import Task
from compiler.versions import Number
from stages.counting import counted
from stages.diagnostics import UserError, fail
from stages.rows import read_json
from stages.wording import tame
from tunec import dvc, dvc_lock, dvc_store, git
from tunec.compiling import compile_workspace, files
from tunec.dates import today
from tunec.guard import recorded_overrides
from tunec.planning import steps
from tunec.releasing import build, licensing, manifest, registry, shelf, signing
from tunec.releasing.change_log import with_log
from tunec.releasing.changes import Change, changes, level
from tunec.releasing.shelf import Release, Shelf
from tunec.releasing.targets import FOLDER
from tunec.steps import Step

_NAMED = 5  # stale stages that are named

CHANGELOG = "CHANGELOG.md"
_REASON = 200  # characters


@dataclass(frozen=True)
class Proposal:
    """A release that may be made. `manifest` says what it is; `found` what changed since `last`."""

    branch: str
    parent: str
    name: str
    number: Number
    day: date
    task: Task
    shelf: Shelf
    found: tuple[Change, ...]
    manifest: dict[str, Any]
    key: Path | None = None

    @property
    def last(self) -> Release | None:
        return self.shelf.last


def propose(
    root: Path,
    repo: git.Repository,
    *,
    number: str | None = None,
    force: str | None = None,
    key: Path | None = None,
) -> Proposal:
    """number: the version that a person wants instead of ours. force: why a verdict other than ship is released.

    key: the private key to sign with. Raises T441 to T450, T456, T458, T467, T468, T562 to T564 and T858, each before
    anything is written.
    """
    forced = _reason(force)
    signature = _signed(key)
    dvc.require_workspace(root)
    branch, parent = standing(repo)
    verdict = _verdict(root, forced)
    git.identity(repo)
    _clean(repo)
    compiled = _compiled(root)
    task = compiled.task
    on_shelf = shelf.read(repo, parent)
    _fresh(root, compiled)
    gathered = manifest.gather(root, dvc_lock.of_the_graph(root), dvc_store.cache(root), compiled)
    licensing.require_none_broken(gathered, "this release")
    _reviewed(task)
    found = _changes(repo, on_shelf, gathered)
    if on_shelf.last and not found and number is None:
        help = "change something, or name a version: `tunec release --as 2.1`"
        raise fail("T458", f"nothing changed since {on_shelf.last.name}", help=help)
    day = today()
    chosen = _number(number, on_shelf, found)
    name = _free_name(repo, task, chosen, day, explicit=number is not None)
    _takes_our_files(repo, root, name)
    whole = {
        "release": name,
        "task": task.task_name,
        "version": versions.full(chosen),
        "date": day.isoformat(),
        "commit": parent,
        "forced": forced if verdict != "ship" else None,
        "signature": signature,
        **gathered,
    }
    if on_shelf.last:
        card = (root / build.PACKAGE / manifest.CARD).read_text(encoding="utf-8")
        before, primary = manifest_of(repo, on_shelf.last), task.success_criteria.primary_metric
        whole = manifest.with_card(whole, with_log(card, before, whole, found, primary))
    papers = manifest.with_papers(whole)
    return Proposal(branch, parent, name, chosen, day, task, on_shelf, tuple(found), papers, key)


def standing(repo: git.Repository) -> tuple[str, str]:
    """The branch and the commit that a release goes on. Raises T448 off a branch, T449 before the first commit."""
    branch = git.branch(repo)
    if branch is None:
        help = "go to a branch first: `git switch main`, or `git switch -c NAME` to begin one here"
        raise fail("T448", "git's head is detached: no branch would hold the release", help=help)
    parent = git.head(repo)
    if parent is None:
        raise fail("T449", "there is no commit yet", help="run `git add -A && git commit -m begin`")
    return branch, parent


# ---------------------------------------------------------------- what must hold


def _reason(force: str | None) -> str | None:
    """On one line, and nothing hidden in it: it stands in the tag, the registry and the changelog."""
    if force is None:
        return None
    reason = " ".join(tame(force).split())
    if not reason or len(reason) > _REASON:
        help = f'say in at most {_REASON} characters why: `tunec release --force "for the demo on Friday"`'
        raise fail("T468", "--force needs a reason", help=help)
    return reason


def _signed(key: Path | None) -> dict[str, str] | None:
    """Who signs, for the manifest. Raises T563 and T564."""
    if key is None:
        return None
    public = signing.public(key)
    return {"key": signing.fingerprint(public), "public_key": public}


def _verdict(root: Path, forced: str | None) -> str:
    """Raises T441 when nothing was judged, T442 when the verdict is not ship and nobody forces it."""
    package = root / build.PACKAGE / manifest.PACKED
    if not (root / build.VERDICT).is_file() or not package.is_file():
        raise fail("T441", "there is no verdict: nothing was built here to the end", help="run `tunec build`")
    try:
        found = read_json(root / build.VERDICT)
    except ValueError:
        help = "run `tunec verify --mend`, then `tunec build`"
        raise fail("T441", f"{build.VERDICT} cannot be read", help=help) from None
    if found["verdict"] != "ship" and forced is None:
        notes = tuple(f"{g['gate']}: {g['reason']}" for g in found["gates"] if g["status"] != "pass")
        help = 'mend the model (`tunec report` shows where), or take it upon you: `tunec release --force "REASON"`'
        raise fail("T442", f"the verdict is {found['verdict'].replace('_', ' ')}", notes=notes, help=help)
    return str(found["verdict"])


def _reviewed(task: Task) -> None:
    """Raises T858 in a field where a wrong answer hurts people and nobody who knows it has looked. No force helps."""
    field = high_stakes(task.domain)
    if field and task.expert_review is None:
        help = "let an expert review it, then write `expert_review: {by: NAME, on: 2026-01-31}` and build again"
        raise fail("T858", f"`{tame(str(task.domain))}` is {field}, and no expert has reviewed this task", help=help)


def _clean(repo: git.Repository) -> None:
    """Raises T443 when a commit would not hold what was built."""
    paths = git.dirty(repo)
    locks = [path.removeprefix(repo.prefix) for path in paths]
    if locks and set(locks) <= set(dvc.LOCKS):
        raise _built_and_not_committed(locks)
    if paths:
        more = (f"and {len(paths) - 5} more",) if len(paths) > 5 else ()
        help = "commit them (`git add -A && git commit`), or put what is no part of it into .gitignore"
        raise fail("T443", "the working tree is not clean", notes=(*map(tame, paths[:5]), *more), help=help)
    held = git.known(repo, manifest.COMPILED)
    for name in manifest.COMPILED:
        if name not in held:
            raise fail("T443", f"{name} is not in git", help=f"take it out of .gitignore, then `git add {name}`")


def _built_and_not_committed(locks: list[str]) -> UserError:
    """A release names the commit that it was built at, so it does not commit that itself."""
    note = f"{locks[0]} names every file of the build; each build writes it anew, for the times it measured are others"
    help = f'commit it: `git add {" ".join(locks)} && git commit -m "What was built"`'
    return fail("T443", f"what was built is not committed: {locks[0]}", notes=(note,), help=help)


def _compiled(root: Path) -> Compiled:
    """What the task compiles to. Raises T444 when that is not what was built."""
    compiled = compile_workspace(root, recorded_overrides(root))
    for name, text in files(compiled).items():
        if not (root / name).is_file() or (root / name).read_text(encoding="utf-8") != text:
            help = "run `tunec build`, then commit what it wrote (`git add -A && git commit`)"
            raise fail("T444", f"{name} is not what task.yaml compiles to", help=help)
    return compiled


def _fresh(root: Path, compiled: Compiled) -> None:
    """Raises T444 when a stage would run."""
    with dvc.started(root) as waiting:
        stale = [step for step in steps(root, compiled, dvc.ask_status(waiting)) if step.state != "cached"]
    if stale:
        notes = tuple(f"{step.name}: {'; '.join(step.reasons) or _after(step)}" for step in stale[:_NAMED])
        notes += (f"and {len(stale) - _NAMED} more",) if len(stale) > _NAMED else ()
        help = "run `tunec build`, then commit dvc.lock"
        raise fail("T444", f"the build is stale: {counted(len(stale), 'stage')} would run", notes=notes, help=help)


def _after(step: Step) -> str:
    return f"after {', '.join(step.latest)}" if step.latest else "it was never run"


def _takes_our_files(repo: git.Repository, root: Path, name: str) -> None:
    """Raises T467 when what a release writes would not reach git or leave the workspace, T455 when it is there."""
    for file in (CHANGELOG, registry.RELEASES, registry.manifest_path(name)):
        if git.ignored(repo, file):
            raise fail("T467", f"git ignores {file}, which a release writes", help="take it out of .gitignore")
        if any((root / part).is_symlink() for part in (file, *map(str, Path(file).parents))):
            raise fail("T467", f"{file} is a link", help="put the file itself there")
    if (root / FOLDER).is_symlink():
        raise fail("T467", f"{FOLDER} is a link", help="put a folder there")
    if (root / FOLDER / name).exists():
        help = f"move it away: it is no release that the registry knows (`rm -r {FOLDER}/{name}`)"
        raise fail("T455", f"{FOLDER}/{name} is there already", help=help)


# ---------------------------------------------------------------- what it is called


def _changes(repo: git.Repository, on_shelf: Shelf, gathered: dict[str, Any]) -> list[Change]:
    last = on_shelf.last
    if last is None:
        return []
    before = manifest_of(repo, last)
    return changes(before, gathered)


def manifest_of(repo: git.Repository, release: Release) -> dict[str, Any]:
    """A release's manifest as its tag holds it. Raises T462 when the tag is gone or names something else."""
    tag = git.tag(repo, release.name)
    path = registry.manifest_path(release.name)
    text = git.read(repo, tag.commit, path) if tag else None
    if text is None or hashlib.sha256(text).hexdigest() != release.line.get("manifest"):
        help = f"`tunec verify {release.name}` says what is wrong; `git fetch --tags` brings tags that were not fetched"
        raise fail("T462", f"the tag {release.name} does not hold what the registry says", help=help)
    return manifest.opened(text, path)


def _number(said: str | None, on_shelf: Shelf, found: Sequence[Change]) -> Number:
    last = on_shelf.last
    if said is None:
        return versions.bumped(last.number, level(found)) if last else versions.FIRST
    number = versions.read_number(said)
    if number is None:
        raise fail("T447", f"{said[:80]!a} is no version", help="write a number, such as 2, 2.1 or 2.1.3")
    if last and number <= last.number:
        message = f"version {versions.spelled(number)} does not come after {versions.spelled(last.number)}"
        raise fail("T447", message, help="leave `--as` out, or name a later one")
    return number


def _free_name(repo: git.Repository, task: Task, number: Number, day: date, *, explicit: bool) -> str:
    """Raises T447 when git takes no such tag, T446 when it is there already."""
    naming, strategy = task.versioning.naming, task.versioning.strategy
    if explicit and strategy == "date":
        raise fail("T447", "releases that are named by their date take no version", help="leave `--as` out")
    taken = {name.lower() for name in git.tagged(repo)}
    for again in range(1, 1000 if strategy == "date" else 2):
        name = versions.name(naming, strategy, task.task_name, number, day, again)
        if versions.illegal(name) or not git.legal(git.TAGS + name):
            raise fail("T447", f"git takes no tag {name!a}", help="change `versioning.naming` or the task's name")
        if name.lower() not in taken:
            return name
    following = versions.spelled(versions.bumped(number, "minor"))
    help = f"name another version: `tunec release --as {following}`; tags are never moved or removed"
    raise fail("T446", f"the tag {name} is there already", help=help)
