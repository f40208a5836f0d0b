"""`tunec data forget --where FIELD=VALUE`: a person's rows, and all that was made of them, leave the workspace.

The rows are taken out of the files of sources and of general rows, and with them those that were made from them: whose
column `parent` names one. What the build made of data goes from build/ and from DVC's cache, every object that a
release does not need and every one that holds such a row, whoever needs it. A model that was trained on the rows
remembers them: its release is named, for a person to withdraw. git's history is not rewritten: where the source is
tracked, that is said.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from compiler.plan import BUILD, Instance
from compiler.resolve import did_you_mean
from compiler.reviewing import USUAL
from stages import audit, decisions, journal
from stages.diagnostics import UserError, fail
from tunec import dvc_lock, dvc_store, git, lineage
from tunec.forgotten import Forgotten
from tunec.leaving_out import Unwritable, without
from tunec.releasing import shelf
from tunec.releasing.build import ROWS, UNANSWERED, cache_object, folder_list, locked

TRANSCRIPTS = Path(BUILD, "transcripts")
_STAY = {"audit", "guard", "logs", TRANSCRIPTS.name}
_PIECE = 1 << 20


def forget(root: Path, where: str, *, dry_run: bool) -> Forgotten:
    """Raises T615 for what is no FIELD=VALUE, T616 when no row has it, T617 for a file that cannot be written anew."""
    name, equals, value = where.partition("=")
    if not (name and equals and value):
        raise fail("T615", "that is no FIELD=VALUE", help="write it like --where customer=1234")
    from tunec.compiling import compile_workspace

    plan = compile_workspace(root, []).plan
    found, file = Forgotten(name), str(plan["data"].inputs.get("decisions", ""))
    groups = lineage.rows(plan, root / file if file else None)
    lineage.find(root, groups, name, value, found)
    found.unreadable = sorted({place for group in groups for place in group.unreadable(root, value)})
    if not found.rows:
        notes = tuple(f"{place} cannot be read, and holds the value" for place in found.unreadable)
        raise _no_row(name, lineage.columns(root, groups), notes)
    _said_of(root, file, groups[0], found)
    _derived(root, plan.instances, found)
    if not dry_run:
        _remove(root, found)
    return found


def _no_row(name: str, columns: set[str], notes: tuple[str, ...]) -> UserError:
    """Names columns, for they are nobody's, and no value."""
    known = sorted(columns)
    notes = (f"columns of the sources: {', '.join(known)}", *notes)
    if name in columns:
        message, help = f"no row of the sources has that value in `{name}`", "look at how the value is spelled there"
    else:
        message, help = f"no source has a column `{name}`", did_you_mean(name, known) or "name one of these columns"
    return fail("T616", message, notes=notes, help=help)


def _said_of(root: Path, file: str, own: lineage.Rows, found: Forgotten) -> None:
    """What persons and models said of rows. Of the latter all goes that is about a row which is there no more: it has
    the words of one that had another id, under another template or redaction, and nobody asks for it again.
    """
    if file and (many := decisions.about(root / file, found.ids)):
        found.decisions[file] = many
    if file != USUAL and (root / USUAL).is_file() and decisions.about(root / USUAL, found.ids):
        found.unread.append(USUAL)
    transcripts = sorted((root / TRANSCRIPTS).glob("*.jsonl"))
    found.staying = lineage.staying(root, own, found) if transcripts else set()
    found.answers = {path: journal.strays(path, found.staying) for path in transcripts}


# ---------------------------------------------------------------- what was made of them


def _derived(root: Path, instances: tuple[Instance, ...], found: Forgotten) -> None:
    lock = dvc_lock.stages(root)
    after = _after_data(instances, lock)
    found.outputs = _outputs(root, instances, after)
    cache = dvc_store.cache(root)
    found.shared = not cache.is_relative_to(root.resolve())
    kept = {md5 for name, stage in lock.items() if name not in after for md5 in _written(stage, cache)}
    repo = _repository(root)
    for release, commit in _releases(repo).items() if repo else ():
        own = locked(git.read(repo, commit, "dvc.lock")) if repo else {}
        if _holds_rows(own, cache, found.ids):
            found.releases.append(release)
        kept |= {md5 for stage in own.values() for md5 in _written(stage, cache)}
    mine = {md5 for name, stage in lock.items() if name in after for md5 in _written(stage, cache)}
    found.objects = sorted(path for path in _objects(cache) if _goes(path, cache, kept, mine, found))
    if repo:
        found.tracked = sorted(git.known(repo, sorted([*found.lines, *found.decisions])))


def _goes(path: Path, cache: Path, kept: set[str], mine: set[str], found: Forgotten) -> bool:
    md5 = path.parent.name + path.name
    if _mentions(path, found.ids):
        return True
    return md5 not in kept and (md5 in mine or not found.shared)


def _outputs(root: Path, instances: tuple[Instance, ...], after: set[str]) -> list[str]:
    """The folders of build/ that may hold what comes from data: those of stages that the task had once, what a stage
    that was cut off left, and an export, too. A file that a stage reads is no output, wherever it lies.
    """
    brought = {_maker(path) for instance in instances for path in instance.dependencies()}
    stay = _STAY | (brought | {instance.name for instance in instances}) - after
    folders = (path for path in (root / BUILD).glob("*") if path.is_dir())
    return sorted(f"{BUILD}/{path.name}" for path in folders if path.name not in stay)


def _after_data(instances: tuple[Instance, ...], lock: dict[str, Any]) -> set[str]:
    """`data`, and every stage that reads what it wrote, directly or not; of those that the graph once had, too."""
    reads = {name: [str(dep.get("path")) for dep in stage.get("deps", ())] for name, stage in lock.items()}
    reads |= {instance.name: instance.dependencies() for instance in instances}
    found, more = set[str](), {"data"}
    while more:
        found |= more
        more = {name for name, paths in reads.items() if not found.isdisjoint(map(_maker, paths))} - found
    return found


def _maker(path: str) -> str:
    """The folder of build/ that a path lies in, which has the name of its stage; empty for one that lies elsewhere."""
    top, _, rest = path.partition("/")
    return rest.split("/")[0] if top == BUILD else ""


def _written(stage: dict[str, Any], cache: Path) -> Iterator[str]:
    for out in stage.get("outs", ()):
        md5 = str(out.get("md5", ""))
        if md5:
            yield md5
            yield from (folder_list(cache, md5) or {}).values() if md5.endswith(".dir") else ()


def _objects(cache: Path) -> Iterator[Path]:
    folder = cache / "files" / "md5"
    yield from (path for path in folder.glob("*/*") if path.is_file())


def _mentions(path: Path, ids: set[str]) -> bool:
    """Whether a file of rows or of predictions names one of these rows."""
    known = [f'"{id}"'.encode() for id in ids]
    with path.open("rb") as file:
        if file.read(1) not in (b"{", b"["):
            return False
        file.seek(0)
        before = b""
        while piece := file.read(_PIECE):
            text = before + piece
            if any(id in text for id in known):
                return True
            before = piece[-64:]
    return False


def _repository(root: Path) -> git.Repository | None:
    try:
        return git.repository(root)
    except UserError:  # no git, or no repository: then nothing was released
        return None


def _releases(repo: git.Repository) -> dict[str, str]:
    tags = git.tagged(repo)
    every = shelf.read(repo, git.head(repo)).releases
    return {release.name: tags[release.name] for release in every if release.name in tags}


def _holds_rows(lock: dict[str, Any], cache: Path, ids: set[str]) -> bool:
    """Whether the rows that a build accepted, or had answered, held one of these, as far as the cache has them."""
    outs = lock.get("data", {}).get("outs", ())
    paths = [cache_object(cache, str(out.get("md5"))) for out in outs if out.get("path") in (ROWS, UNANSWERED)]
    return any(path.is_file() and _mentions(path, ids) for path in paths)


# ---------------------------------------------------------------- removing


def _remove(root: Path, found: Forgotten) -> None:
    """Sources first: what is derived can be made again, and must not be made of these rows."""
    texts: dict[Path, Callable[[], None]] = {}
    for file, lines in sorted(found.lines.items()):
        try:
            texts[root / file] = without(root / file, lines)
        except Unwritable as why:
            told = ", ".join(map(str, sorted(lines)[:20]))
            help = f"take its rows out by hand: {told}; then say it again"
            raise fail("T617", f"{file} cannot be written anew: {why}", help=help) from None
    for replace in texts.values():
        replace()
    for output in found.outputs:
        shutil.rmtree(root / output, ignore_errors=True)
    for path in found.answers:
        journal.keep_rows(path, found.staying)
    for file in found.decisions:
        decisions.forget(root / file, found.ids)
    for path in found.objects:
        path.unlink(missing_ok=True)
    if not found.shared:
        shutil.rmtree(dvc_store.cache(root) / "runs", ignore_errors=True)
    _note(root, found)


def _note(root: Path, found: Forgotten) -> None:
    """In the audit log: how many rows and by which column; neither the value nor a row."""
    from contextlib import chdir

    with chdir(root):
        files = [Path(file) for file in sorted(found.lines)]
        audit.note(files, {}, {"forgotten": found.rows}, where=found.column, releases=found.releases)
