"""A release's stage of life: candidate, deployed, archived. One line in registry/marks.jsonl, and GTO's tag where the
release's name is GTO's.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from compiler.resolve import did_you_mean
from stages.diagnostics import fail
from tunec import git
from tunec.dates import today
from tunec.releasing import fetching, proposing, registry, shelf, wording
from tunec.releasing.making import Edit, make
from tunec.releasing.shelf import DEPLOYED, STAGES, Release


def mark(repo: git.Repository, root: Path, name: str, stage: str, *, dry_run: bool = False) -> Iterator[str]:
    """Yields what a person reads. Raises T453 and T459 for a release or a stage that is none."""
    if stage not in STAGES:
        help = did_you_mean(stage, list(STAGES)) or f"choose one of {', '.join(STAGES)}"
        raise fail("T459", f"there is no stage of life {stage[:80]!a}", help=help)
    branch, parent = proposing.standing(repo)
    on_shelf = shelf.read(repo, parent)
    release = on_shelf.find(name)
    if stage == DEPLOYED and not dry_run:
        fetching.get(repo, root, release)
    if release.stage == stage:
        yield f"{release.name} is {stage} already"
    else:
        yield f"{release.name}: {release.stage} -> {stage}"
        text = shelf.marked(on_shelf, release.name, stage, today())
        what = f"{release.name} is {stage}"
        at = git.tagged(repo).get(release.name)
        edit = Edit(what, f"{what}\n", {registry.MARKS: text}, _gto(repo, release, stage), at)
        if not dry_run:
            git.identity(repo)
            make(repo, root, branch, parent, edit)
    if stage == DEPLOYED:
        yield from _commands(repo, release)


def _commands(repo: git.Repository, release: Release) -> Iterator[str]:
    whole = proposing.manifest_of(repo, release)
    yield from wording.next_commands(whole, str(whole["config"]["versioning"]["deploy_target"]))


def _gto(repo: git.Repository, release: Release, stage: str) -> dict[str, str]:
    """`task#deployed#3`: GTO's assignment, on the release's own commit there; only of names that GTO reads."""
    task = str(release.line["task"])
    if not release.name.startswith(f"{task}@v"):
        return {}
    counts = [tag.rpartition("#")[2] for tag in git.tagged(repo) if tag.startswith(f"{task}#")]
    following = 1 + max((int(count) for count in counts if count.isascii() and count.isdigit()), default=0)
    return {f"{task}#{stage}#{following}": f"{release.name} is {stage}\n"}
