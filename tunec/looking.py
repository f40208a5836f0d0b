"""The plan of a folder. DVC and we work side by side: it is started first, what takes time to load comes after."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from tunec import dvc, dvc_lock, sealing
from tunec.alone import is_taken
from tunec.steps import Step

if TYPE_CHECKING:  # what finds nothing to do compiles nothing
    from compiler import Compiled


def look(root: Path, overrides: list[str], then: Callable[[list[str]], None]) -> list[Step]:
    """Compile and plan. then: what is to be asked of the names of all stages before.

    Where the guard's seal is whole, compiling would change nothing. Then DVC looks at once, and if it finds nothing to
    do either, that is the plan.
    """
    with dvc.started(root) as waiting:
        sealed = _sealed(root, overrides)
        answer = dvc.ask_status(waiting, dvc_lock.beside_a_build(root)) if sealed else None
        if sealed and answer:
            then(sealed)
            status = answer()
            if not status.changed.keys() - {dvc.GUARD_STAGE}:
                return [_cached(root, name) for name in sealed]
            answer = lambda: status  # noqa: E731
        from tunec.planning import steps

        with asked(root, overrides) as (compiled, texts):
            then([instance.name for instance in compiled.plan.instances])
            return steps(root, compiled, answer or dvc.ask_status(waiting, texts))


@contextmanager
def asked(root: Path, overrides: list[str]) -> Iterator[tuple[Compiled, Mapping[str, str]]]:
    """Compile what is asked about, with what DVC is to read in place of the files that stand there.

    A plan is a question: `dvc repro` would build what it wrote, and so would a build that runs meanwhile. Where nothing
    was built DVC has nothing to say, and needs no graph for it. Where one was built and its files are gone, they stand
    there as long as the question does; a build that begins meanwhile keeps them.
    """
    from tunec.compiling import compile_workspace, files, make_folder, refuse_elsewhere, write_if_changed

    compiled = compile_workspace(root, overrides)
    texts = files(compiled)
    refuse_elsewhere((root / dvc.GUARD_FILE).parent)
    there = {name: (root / name).read_text(encoding="utf-8") for name in texts if (root / name).is_file()}
    if not (root / "dvc.lock").is_file() and "dvc.yaml" not in there:
        yield compiled, {}
        return
    missing = [name for name in texts if name not in there]
    make_folder((root / dvc.GUARD_FILE).parent)
    try:
        for name in missing:
            write_if_changed(root / name, texts[name])
        others = {name: texts[name] for name, text in there.items() if text != texts[name]}
        yield compiled, others | dvc_lock.beside_a_build(root)
    finally:
        for name in missing if not is_taken(root) else ():
            (root / name).unlink(missing_ok=True)
        with suppress(OSError):
            (root / dvc.GUARD_FILE).parent.rmdir()  # where it held nothing else


def _sealed(root: Path, overrides: list[str]) -> list[str] | None:
    """The stages of dvc.yaml when it is what the task compiles to with these overrides; None when nobody knows."""
    if not sealing.intact(root):
        return None
    written, names = dvc.graph(root)
    return names if written == sorted(overrides) else None


def _cached(root: Path, name: str) -> Step:
    from stages.history import recall

    return Step(name, "cached", recall(root, name))
