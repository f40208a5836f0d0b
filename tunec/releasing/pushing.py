"""`tunec release push`: take a release to its place, verified and with its licences looked at first."""

from __future__ import annotations

import shlex
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

from compiler.resolve import did_you_mean
from stages.counting import counted
from stages.diagnostics import UserError, fail
from stages.wording import tame
from tunec import dvc_store, git
from tunec.releasing import build, fetching, hub, licensing, proposing, pruning, targets, verifying
from tunec.releasing.shelf import Release, Shelf
from tunec.releasing.targets import FOLDER

_PUBLIC = ("huggingface",)  # where others can take it from


def push(
    repo: git.Repository, root: Path, on_shelf: Shelf, release: Release, to: str | None, name: str | None
) -> Iterator[str]:
    """to: a target; None: the one that the release was made for. name: of the repository on the Hub.

    Raises T460 to T463 and T565 when it is not what was released, T562 where a licence forbids it.
    """
    whole = proposing.manifest_of(repo, release)
    target = _target(to or str(whole["config"]["versioning"]["deploy_target"]))
    licensing.require_none_broken(whole, f"giving {release.name} away")
    if target == "remote":
        yield from _to_remote(repo, root, release)
        return
    fetching.get(repo, root, release)
    checked = verifying.release(repo, root, release, on_shelf.texts)
    if not checked.whole:
        raise UserError(*checked.found)
    parcel, folder = targets.parcel(whole), root / FOLDER / release.name
    if target == "huggingface":
        yield from hub.push(folder, parcel, name)
    elif target == "ollama":
        yield from _to_ollama(root, targets.ollama(parcel))
    else:
        yield f"{folder.as_posix()} is whole; nothing has to be pushed. Run"
        yield from (f"  {line}" for line in targets.commands(target, whole))


def _target(said: str) -> str:
    if said not in targets.TARGETS:
        help = did_you_mean(said, list(targets.TARGETS)) or f"choose one of {', '.join(targets.TARGETS)}"
        raise fail("T576", f"there is no target {said[:80]!a}", help=help)
    return said


def _to_ollama(root: Path, commands: list[list[str]]) -> Iterator[str]:
    """Run them where Ollama is, print them elsewhere. Raises T575 in Ollama's own words."""
    there = shutil.which("ollama")
    if there is None:
        yield "Ollama is not installed here. Where it is, run"
        yield from (f"  {shlex.join(words)}" for words in commands)
        return
    for words in commands:
        done = subprocess.run([there, *words[1:]], cwd=root, capture_output=True, text=True, check=False)
        if done.returncode:
            notes = tuple(tame(line) for line in (done.stdout + done.stderr).strip().splitlines()[-3:])
            raise fail(
                "T575", f"`{shlex.join(words)}` failed", notes=notes, help="mend what Ollama names; is it started?"
            )
        yield shlex.join(words)


def _to_remote(repo: git.Repository, root: Path, release: Release) -> Iterator[str]:
    """All that the release was built of, so that anybody who has the tag can bring it. Raises T570 without a remote."""
    remote = dvc_store.remote(root)
    if remote is None:
        help = "name one: `dvc remote add --default NAME s3://BUCKET/PATH` (or ssh://, gs://, a folder)"
        raise fail("T570", "DVC has no default remote to push to", help=help)
    cache = dvc_store.cache(root)
    objects = pruning.objects_of(repo, cache, release)
    held = {md5: build.cache_object(cache, md5) for md5 in objects}
    missing = [md5 for md5, path in held.items() if not path.is_file()]
    if missing:
        help = "`dvc fetch` brings them from another remote; `tunec verify NAME --rebuild` makes them anew"
        message = f"the cache lacks {counted(len(missing), 'file')} that {release.name} was built of"
        raise fail("T454", message, help=help)
    sent = dvc_store.send(root, held)
    yield f"{remote} holds the {counted(len(held), 'file')} of {release.name}; {sent} of them were new to it"
    yield "  git push --follow-tags"
