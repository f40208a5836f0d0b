"""`tunec release ...`: each command takes what it needs, looks or writes, and prints."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from stages.counting import counted

if TYPE_CHECKING:
    from tunec.git import Repository
    from tunec.releasing.shelf import Shelf

app = typer.Typer(
    name="release",
    help="Release what was built: a git tag, a changelog entry, a line of the registry, a folder. Refuses unless the "
    "verdict is ship, the tree clean, the build fresh and every byte what was measured.",
    invoke_without_command=True,
    add_completion=False,
)
ROOT = Path()
Name = Annotated[str, typer.Argument(help="A release, such as booking-slots-v2, or v2 for short.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Print the same, do nothing.")]


@app.callback()
def release(
    context: typer.Context,
    dry_run: DryRun = False,
    force: Annotated[
        str | None, typer.Option(metavar="REASON", help="Release against the verdict; the reason is recorded.")
    ] = None,
    number: Annotated[
        str | None, typer.Option("--as", metavar="VERSION", help="This version, such as 2.1, not the one proposed.")
    ] = None,
    sign: Annotated[
        Path | None, typer.Option(metavar="KEY", help="Sign it with this private key, a PEM file on an elliptic curve.")
    ] = None,
) -> None:
    """Release what was built."""
    if context.invoked_subcommand is not None:
        return
    from tunec.releasing import recording, wording
    from tunec.releasing.making import make
    from tunec.releasing.proposing import propose

    with _alone(writes=not dry_run) as repo:
        found = propose(ROOT, repo, number=number, force=force, key=sign)
        edit = recording.edit(repo, ROOT, found)
        if not dry_run:
            make(repo, ROOT, found.branch, found.parent, edit)
        _print(wording.summary(found, sorted(edit.files)))


@app.command("list")
def list_(as_json: AsJson = False) -> None:
    """Every release, newest first: its version, day, stage of life, verdict and what changed."""
    _, on_shelf = _shelf()
    held = [_row(one) for one in reversed(on_shelf.releases)]
    if as_json:
        print(json.dumps(held, indent=2, ensure_ascii=False))
        return
    for row in held:
        state = f"{row['stage']}, pruned" if row["pruned"] else row["stage"]
        forced = f", forced: {row['forced']}" if row["forced"] else ""
        _print([f"{row['release']:<32} {row['date']}  {state:<12} {row['verdict'].replace('_', ' ')}{forced}"])
        _print(f"    {why}" for why in row["why"][:3])
    if not held:
        print("no releases yet; `tunec release` makes one")


@app.command()
def get(
    name: Name, out: Annotated[Path | None, typer.Option(help="The folder to make; default: releases/NAME.")] = None
) -> None:
    """Bring the files of a release, byte for byte, out of DVC's cache or remote."""
    from tunec.releasing import fetching

    with _alone() as repo:
        folder, was_there = fetching.get(repo, ROOT, _shelf()[1].find(name), out)
    print(f"{folder.as_posix()} {'is there already, whole' if was_there else 'holds the files of the release'}")


@app.command()
def diff(
    old: Annotated[str, typer.Argument(help="The older release.")],
    new: Annotated[str, typer.Argument(help="The newer release.")],
    as_json: AsJson = False,
) -> None:
    """What changed from one release to another: keys, data, figures on the same rows, rows fixed and broken, size."""
    from tunec.releasing import comparing

    repo, on_shelf = _shelf()
    found = comparing.difference(repo, ROOT, on_shelf.find(old), on_shelf.find(new))
    if as_json:
        print(json.dumps(found, indent=2, ensure_ascii=False))
    else:
        _print(comparing.words(found))


@app.command()
def mark(
    name: Name, stage: Annotated[str, typer.Argument(help="candidate, deployed or archived.")], dry_run: DryRun = False
) -> None:
    """Write down a release's stage of life. What is deployed is never pruned; its files are brought, and the commands
    that take it to its place are printed.
    """
    from tunec.releasing import marking

    with _alone(writes=not dry_run) as repo:
        _print(marking.mark(repo, ROOT, name, stage, dry_run=dry_run))


@app.command()
def push(
    name: Annotated[str | None, typer.Argument(help="A release, such as v2; default: the newest.")] = None,
    to: Annotated[
        str | None,
        typer.Option(metavar="TARGET", help="huggingface, ollama, remote, api or local; default: its deploy_target."),
    ] = None,
    repo: Annotated[
        str | None, typer.Option(metavar="OWNER/NAME", help="On the Hub; default: the task, of whoever is logged in.")
    ] = None,
) -> None:
    """Take a release to its place: the Hugging Face Hub, Ollama or DVC's remote. Verified first; a licence that
    forbids it stops it.
    """
    from tunec.releasing import pushing

    with _alone() as repository:
        on_shelf = _shelf()[1]
        _print(pushing.push(repository, ROOT, on_shelf, on_shelf.meant(name), to, repo))


@app.command()
def prune(dry_run: DryRun = False) -> None:
    """Remove the files of releases that `versioning.retention` does not keep: from releases/, DVC's cache and remote.

    Tags, commits and the registry stay.
    """
    from tunec.compiling import compile_workspace
    from tunec.guard import recorded_overrides
    from tunec.releasing import pruning

    with _alone(writes=not dry_run) as repo:
        retention = compile_workspace(ROOT, recorded_overrides(ROOT)).task.versioning.retention
        found = pruning.plan(repo, ROOT, retention)
        _print(pruning.words(found, retention))
        if not dry_run:
            pruning.prune(repo, ROOT, found)


def verify(what: str | None, *, mend: bool, rebuild: bool, key: Path | None, as_json: bool) -> bool:
    """`tunec verify`; whether all is as it was written."""
    from tunec.releasing import rebuilding, verifying

    if mend:
        _print(f"removed {path}, which was damaged" for path in verifying.mend(ROOT))
    checked = _checked(what, key)
    if rebuild:
        repo, on_shelf = _shelf()
        checked.add(rebuilding.rebuild(repo, ROOT, on_shelf.find(what or "")))
    if as_json:
        print(json.dumps([d.plain() for d in checked.found], indent=2, ensure_ascii=False))
    else:
        _print(_told(checked.found))
        print(
            f"{counted(checked.files, 'file')}, {checked.bytes / 1e6:.1f} MB: "
            + ("all as written" if checked.whole else "damaged")
            + (f"; {checked.absent} more are not here to be looked at" if checked.absent else "")
        )
    return bool(checked.whole)


def _checked(what: str | None, key: Path | None) -> Any:
    from stages.diagnostics import fail
    from tunec.releasing import verifying

    if what is None and key:
        help = f"name one: `tunec verify RELEASE --key {key}`"
        raise fail("T465", "--key asks for a release: the build that stands here is not signed", help=help)
    if what is None:
        return verifying.workspace(ROOT)
    if Path(what).is_dir():
        return verifying.folder(Path(what), key)
    repo, on_shelf = _shelf()
    return verifying.release(repo, ROOT, on_shelf.find(what), on_shelf.texts, key)


def _told(found: Iterable[Any]) -> Iterator[str]:
    from stages.wording import render

    return (render(diagnostic) for diagnostic in found)


@contextmanager
def _alone(*, writes: bool = True) -> Iterator[Repository]:
    """One command at a time; what was cut off before is finished or undone first, by a command that writes."""
    from tunec import git
    from tunec.releasing import journal

    repo = git.repository(ROOT)
    with journal.alone(repo):
        if not writes:
            journal.require_none(repo)
        elif told := journal.recover(repo):
            print(told)
        yield repo


def _shelf() -> tuple[Repository, Shelf]:
    from tunec import git
    from tunec.releasing import shelf

    repo = git.repository(ROOT)
    return repo, shelf.read(repo, git.head(repo))


def _row(one: Any) -> dict[str, Any]:
    return {"why": [], "forced": None, **one.line, "stage": one.stage, "pruned": one.pruned}


def _print(lines: Iterable[str]) -> None:
    """What comes out of a registry or a manifest is shown, never obeyed."""
    from stages.wording import tame

    for line in lines:
        print(tame(line))
