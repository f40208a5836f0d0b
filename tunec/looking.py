"""The plan of a folder. DVC and we work side by side: it is started first, what takes time to load comes after."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from tunec import dvc, sealing
from tunec.steps import Step


def look(root: Path, overrides: list[str], then: Callable[[list[str]], None]) -> list[Step]:
    """Compile and plan. then: what is to be asked of the names of all stages before.

    Where the guard's seal is whole, compiling would change nothing. Then DVC looks at once, and if it finds nothing to
    do either, that is the plan.
    """
    with dvc.started(root) as waiting:
        sealed = _sealed(root, overrides)
        answer = dvc.ask_status(waiting) if sealed else None
        if sealed and answer:
            then(sealed)
            status = answer()
            if not status.changed.keys() - {dvc.GUARD_STAGE}:
                return [_cached(root, name) for name in sealed]
            answer = lambda: status  # noqa: E731
        from tunec.compiling import compile_here
        from tunec.planning import steps

        with asked_only(root, always=bool(overrides)):
            compiled, _ = compile_here(root, overrides)
            then([instance.name for instance in compiled.plan.instances])
            return steps(root, compiled, answer or dvc.ask_status(waiting))


@contextmanager
def asked_only(root: Path, *, always: bool) -> Iterator[None]:
    """A plan with other keys is a question: what it compiles is taken back, or `dvc repro` would build it."""
    kept = {name: path.read_bytes() for name in dvc.COMPILED if (path := root / name).is_file()}
    try:
        yield
    finally:
        if always:
            for name in dvc.COMPILED:
                if name in kept:
                    (root / name).write_bytes(kept[name])
                elif (root / name).is_file():
                    (root / name).unlink()


def _sealed(root: Path, overrides: list[str]) -> list[str] | None:
    """The stages of dvc.yaml when it is what the task compiles to with these overrides; None when nobody knows."""
    if not sealing.intact(root):
        return None
    written, names = dvc.graph(root)
    return names if written == sorted(overrides) else None


def _cached(root: Path, name: str) -> Step:
    from stages.history import recall

    return Step(name, "cached", recall(root, name))
