"""Runs one stage as DVC asks for it: finds its inputs and parameters, gives it a place to write, and keeps the promises
that every stage makes. Outputs appear whole or not at all; the user's mistake is a diagnostic (exit 1), ours is not
(exit 70); a stage ends when the build that started it ends.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import shutil
import sys
import time
import traceback
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stages import checkpoints, history, progress
from stages.base import READ, Stage
from stages.catalog import members
from stages.diagnostics import Diagnostic, UserError, fail
from stages.ending import die_with_parents
from stages.exhausted import disk_is_full, memory_is_full
from stages.rows import dumps, read_yaml, sha256
from stages.wording import render

CHECKPOINTS = Path("build", ".checkpoints")
REPORT_TO = Path("build", ".report_to")  # who is told of training steps, a name a line
USER_ERROR, BUG = 1, 70


@dataclass(frozen=True)
class Work:
    """What is to be done for one instance: its stage, what dvc.yaml's `meta` says of it, its parameters as params.yaml
    holds them, and for each output the path, aside, at which it is to stand.
    """

    name: str
    stage: Stage
    meta: Mapping[str, Any]
    params: Mapping[str, Any]
    written: Mapping[str, Path]


def here(work: Work) -> None:
    """Do it in this process."""
    inputs = work.stage.inputs(**{field: _paths(given) for field, given in work.meta["inputs"].items()})
    params = work.stage.params(**{key: value for key, value in work.params.items() if key != READ})
    work.stage.run(inputs, params, work.stage.outputs(**work.written))


def main(name: str, do: Callable[[Work], None] = here) -> int:
    """Run the instance `name` of the workspace that is the working folder; returns the exit code. `do` does the work:
    here, or on another machine.
    """
    die_with_parents()
    tell = _events(name)
    progress.listen(_throttled(lambda done, total, note: tell({"done": done, "total": total, "note": note})))
    progress.heed(lambda found: _warned(tell, found))
    tell({"event": "start"})
    os.environ["TUNEC_RUN"] = name
    if REPORT_TO.is_file():
        os.environ.setdefault("TUNEC_REPORT_TO", ",".join(REPORT_TO.read_text(encoding="utf-8").split()))
    loading = time.process_time()  # what the start of this process took: no stage ends without it (a fork's is short)
    began = time.monotonic()
    try:
        run(name, do)
    except UserError as error:
        return _refused(tell, *error.diagnostics)
    except KeyboardInterrupt:
        return 130
    except Exception as error:
        found = _exhausted(error, name)
        return _refused(tell, found) if found else _bug(name, tell)
    seconds = time.monotonic() - began
    tell({"event": "ended", "seconds": seconds})
    _remember(name, loading + seconds)
    return 0


def run(name: str, do: Callable[[Work], None] = here) -> None:
    """Run an instance; raises what the stage raises. Its outputs are moved into place once all are written."""
    meta, given = asked = _asked(name)
    if not isinstance(meta, dict) or "stage" not in meta:
        known = "see the stages in dvc.yaml"
        raise fail("T382", f"there is no stage {name!r} in dvc.yaml", notes=(known,), help="run `tunec compile`")
    stage = members("stages", "STAGE", Stage)[meta["stage"]]
    aside = Path("build", ".tmp", name)
    shutil.rmtree(aside, ignore_errors=True)
    checkpoints.keep_at(lambda: CHECKPOINTS / name / _key(name, asked))
    try:
        written = {field: aside / write.path for field, write in stage.writes().items()}
        for path in written.values():
            path.parent.mkdir(parents=True, exist_ok=True)
        do(Work(name, stage, meta, given, written))
        if _asked(name) != asked:  # DVC would write down the new parameters beside what the old ones made
            help = "build again; while a build runs, edit task.yaml as you like, but do not compile it"
            raise fail("T384", f"dvc.yaml or params.yaml was written anew while {name} ran", help=help)
        _into_place(written, Path("build", name), aside)
        shutil.rmtree(CHECKPOINTS / name, ignore_errors=True)
    finally:
        checkpoints.keep_at(None)
        shutil.rmtree(aside, ignore_errors=True)


def _key(name: str, asked: Any) -> str:
    """Stands for all that an instance is given: parameters, the bytes of what it reads, its code and libraries."""
    reads = sorted(_section(Path("dvc.yaml"), "stages")[name]["deps"])
    given = [[path, _content(Path(path))] for path in reads]
    return hashlib.sha256(dumps([asked, given]).encode()).hexdigest()[:16]


def _content(path: Path) -> Any:
    if path.is_dir():
        return [[file.relative_to(path).as_posix(), sha256(file)] for file in sorted(path.rglob("*")) if file.is_file()]
    return sha256(path)


def _asked(name: str) -> tuple[Any, dict[str, Any]]:
    """What dvc.yaml and params.yaml ask of an instance now: its `meta`, and its parameters."""
    return _section(Path("dvc.yaml"), "stages").get(name, {}).get("meta"), _section(Path("params.yaml")).get(name) or {}


def _into_place(written: Mapping[str, Path], home: Path, aside: Path) -> None:
    missing = [field for field, path in written.items() if not path.exists()]
    if missing:
        raise RuntimeError(f"the stage did not write {', '.join(missing)}")
    for path in written.values():
        target = home / path.relative_to(aside)
        target.parent.mkdir(parents=True, exist_ok=True)
        if target.is_dir():
            shutil.rmtree(target)
        path.replace(target)


def _paths(given: Any) -> Any:
    """The plan's paths as Path objects: one, a tuple, or a dict by label."""
    if isinstance(given, dict):
        return {label: Path(path) for label, path in given.items()}
    return tuple(map(Path, given)) if isinstance(given, list) else Path(given)


def _section(file: Path, key: str | None = None) -> dict[str, Any]:
    try:
        content = read_yaml(file) or {}
    except FileNotFoundError:
        raise fail("T383", f"{file} is not here", help="run `tunec compile` in the folder of task.yaml") from None
    return dict(content.get(key, {}) if key else content)


# ---------------------------------------------------------------- telling


def _events(name: str) -> Callable[[Mapping[str, Any]], None]:
    """Where events go: a build's event file, or lines on standard error for a bare `dvc repro`."""
    file = os.environ.get(progress.EVENTS_TO)

    def to_file(event: Mapping[str, Any]) -> None:
        line = json.dumps({"stage": name, "pid": os.getpid(), **event}, ensure_ascii=False) + "\n"
        with Path(str(file)).open("a", encoding="utf-8") as out:
            out.write(line)

    def to_stderr(event: Mapping[str, Any]) -> None:
        if "done" in event:
            of = f"/{event['total']}" if event["total"] else ""
            print(f"  {name}: {event['done']}{of} {event['note']}", file=sys.stderr, flush=True)

    return to_file if file else to_stderr


def _throttled(tell: progress.Listener) -> progress.Listener:
    """At most one event in a while; the first one, and the last one of a count, always."""
    pause = 0.2 if os.environ.get(progress.EVENTS_TO) else 10.0
    last = -math.inf

    def listener(done: int, total: int | None, note: str) -> None:
        nonlocal last
        if time.monotonic() - last >= pause or done == total:
            last = time.monotonic()
            tell(done, total, note)

    return listener


def _refused(tell: Callable[[Mapping[str, Any]], None], *found: Diagnostic) -> int:
    tell({"event": "refused", "diagnostics": [d.plain() for d in found]})
    print("\n".join(render(d) for d in found), file=sys.stderr)
    return BUG if any(d.code == "T999" for d in found) else USER_ERROR  # another machine tells of ours too


def _remember(name: str, seconds: float) -> None:
    """For the next plan. A stage that is done has not failed because this cannot be written."""
    with suppress(OSError, ValueError, UserError):
        reads = [Path(path) for path in _section(Path("dvc.yaml"), "stages")[name]["deps"]]
        sources = [path for path in reads if path.parts[0] != "build"]
        code = next((path for path in reads if path.parts[:2] == ("build", "guard")), None)
        history.remember(Path(), name, seconds, sources, code)


def _warned(tell: Callable[[Mapping[str, Any]], None], found: Diagnostic) -> None:
    tell({"event": "warned", "diagnostics": [found.plain()]})
    print(render(found), file=sys.stderr)


def _exhausted(error: Exception, name: str) -> Diagnostic | None:
    """A full disk or memory, and from where a training would go on; None for any other error."""
    kept = sorted((CHECKPOINTS / name).glob("*/step-*/manifest.json"))
    notes = (f"kept: {kept[-1].parent}, from which the next build goes on",) if kept else ()
    if memory_is_full(error):
        help = "close other programs, or choose a smaller base model, batch or max_length"
        return Diagnostic("T381", "the memory is full", notes=notes, help=help)
    if disk_is_full(error):
        help = "free some space (old builds: `dvc gc -w`) and build again; what is finished stays finished"
        return Diagnostic("T380", "the disk is full", notes=notes, help=help)
    return None


def _bug(name: str, tell: Callable[[Mapping[str, Any]], None]) -> int:
    """Our mistake: the traceback goes into a file, for the report that we ask for."""
    log = Path("build", "logs", f"{name}.traceback.txt")
    log.parent.mkdir(parents=True, exist_ok=True)
    log.write_text(traceback.format_exc(), encoding="utf-8")
    kind, error = sys.exc_info()[:2]
    message = f"tunec has a bug: {kind.__name__ if kind else 'Error'}: {error}"
    found = Diagnostic("T999", message[:500], help=f"please report it with {log}, which holds the traceback")
    tell({"event": "refused", "diagnostics": [found.plain()]})
    print(render(found), file=sys.stderr)
    return BUG
