"""`tunec data forget --where FIELD=VALUE`: a person's rows, and all that was made of them, leave the workspace.

The rows are taken out of the source files, and with them the rows that were made from them: those whose column `parent`
names one. What the build made of data goes from build/ and from DVC's cache, every object that a release does not need
and every one that holds such a row, whoever needs it. A model that was trained on the rows remembers them: its release
is named, for a person to withdraw. git's history is not rewritten: where the source is tracked, that is said.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from compiler.plan import Instance
from stages import audit, decisions, journal
from stages.data import DataParams
from stages.diagnostics import UserError, fail
from stages.judging_rows import Judge
from stages.likeness import said
from stages.making import Rejected, Source, named, to_row
from stages.readers import read
from stages.templating import placeholders
from tunec import dvc_lock, dvc_store, git
from tunec.forgotten import Forgotten
from tunec.leaving_out import Unwritable, without
from tunec.releasing import shelf
from tunec.releasing.build import ROWS, UNANSWERED, cache_object, folder_list, locked

PARENT = "parent"
_PIECE = 1 << 20


def forget(root: Path, where: str, *, dry_run: bool) -> Forgotten:
    """Raises T615 for what is no FIELD=VALUE, T616 when no row has it, T617 for a file that cannot be written anew."""
    name, equals, value = where.partition("=")
    if not (name and equals and value):
        raise fail("T615", "that is no FIELD=VALUE", help="write it like --where customer=1234")
    from tunec.compiling import compile_workspace

    plan = compile_workspace(root, []).plan
    found, file = Forgotten(name), str(plan["data"].inputs.get("decisions", ""))
    decided = root / file if file else None
    _find(root, DataParams(**plan["data"].params), decided, name, value, found)
    if not found.rows:
        raise fail("T616", f"no row of the sources has that value in `{name}`", help="look at the column's name")
    if decided and (many := decisions.about(decided, found.ids)):
        found.decisions[file] = many
    _derived(root, plan.instances, found)
    if not dry_run:
        _remove(root, found)
    return found


def _find(root: Path, params: DataParams, decided: Path | None, name: str, value: str, found: Forgotten) -> None:
    """The rows that have the value, then those that were made from them, and so on. decided: what persons decided."""
    wanted = tuple(sorted(placeholders(params.making.input_template)))
    look = Judge((), params.making, params.settings, decisions.read_decisions(decided) if decided else {})
    gone: set[str] = set()
    while True:
        before = found.rows
        for source in params.sources:
            for file in source.files:
                for line, raw, columns in _records(root / file, source):
                    mine = said(raw.get(name)) == value or said(columns.get(name)) == value
                    if mine or said(raw.get(PARENT)) in gone:
                        found.lines.setdefault(file, set()).add(line)
                        ids = _ids(columns, source, look, params, wanted)
                        gone |= {one for one in (*ids, said(raw.get("id"))) if one}
                        found.ids |= set(ids)
        if found.rows == before:
            return


def _records(path: Path, source: Source) -> Iterator[tuple[int, dict[str, Any], dict[str, Any]]]:
    for record in read(path, source.format, source.encoding):
        if record.fields is not None:
            try:
                yield record.line, record.fields, named(record.fields, source)
            except Rejected:
                yield record.line, record.fields, record.fields


def _ids(
    columns: dict[str, Any], source: Source, look: Judge, params: DataParams, wanted: tuple[str, ...]
) -> list[str]:
    """The row's id, and those that it has once personal data are taken out of it and a person has corrected it."""
    try:
        row = to_row(columns, source, params.making, wanted)
    except Rejected:
        return []
    return look.ids(row)


# ---------------------------------------------------------------- what was made of them


def _derived(root: Path, instances: tuple[Instance, ...], found: Forgotten) -> None:
    after = _after_data(instances)
    found.outputs = sorted({f"build/{name}" for name in after if (root / "build" / name).is_dir()})
    cache = dvc_store.cache(root)
    found.shared = not cache.is_relative_to(root.resolve())
    lock = dvc_lock.of_the_graph(root)
    kept = {md5 for name, stage in lock.items() if name not in after for md5 in _written(stage, cache)}
    repo = _repository(root)
    for release, commit in _releases(repo).items() if repo else ():
        own = locked(git.read(repo, commit, "dvc.lock")) if repo else {}
        if _holds_rows(own, cache, found.ids):
            found.releases.append(release)
        kept |= {md5 for stage in own.values() for md5 in _written(stage, cache)}
    mine = {md5 for name, stage in lock.items() if name in after for md5 in _written(stage, cache)}
    transcripts = (root / "build" / "transcripts").glob("*.jsonl")
    found.answers = {path: many for path in sorted(transcripts) if (many := journal.about(path, found.ids))}
    found.objects = sorted(path for path in _objects(cache) if _goes(path, cache, kept, mine, found))
    if repo:
        found.tracked = sorted(git.known(repo, sorted([*found.lines, *found.decisions])))


def _goes(path: Path, cache: Path, kept: set[str], mine: set[str], found: Forgotten) -> bool:
    md5 = path.parent.name + path.name
    if _mentions(path, found.ids):
        return True
    return md5 not in kept and (md5 in mine or not found.shared)


def _after_data(instances: tuple[Instance, ...]) -> set[str]:
    """`data`, and every stage that reads what it wrote, directly or not."""
    found = {"data"}
    for instance in instances:  # each stands after what it reads
        if any(path.split("/")[1] in found for path in instance.dependencies() if path.startswith("build/")):
            found.add(instance.name)
    return found


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
        journal.forget_rows(path, found.ids)
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
