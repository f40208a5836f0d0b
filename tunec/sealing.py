"""A guard that has just said "fresh" need not compile again to say so once more.

Compiling is a pure function of the task's text, of what the workspace answers (presets, globs, a look into the data)
and of tunec's own code and libraries. So the guard writes down all of these, with what it found; when each is still the
same, the outcome is the same. Nothing here imports the compiler: that is what the time goes into.
"""

from __future__ import annotations

import hashlib
import json
import re
import sys
from collections.abc import Iterator, Mapping
from dataclasses import asdict, is_dataclass
from pathlib import Path
from typing import Any

SEAL = Path("build", ".guard.json")
FILES = ("task.yaml", "dvc.yaml", "params.yaml", ".tunec/dvc.yaml")
_OURS = ("compiler", "stages", "tunec")
_QUESTIONS = frozenset({"glob", "escapes", "peek", "labels", "presets"})  # what a Workspace answers
_WRITTEN = re.compile(r"build/guard/[A-Za-z0-9_][A-Za-z0-9_.-]*\.txt")


class Asked:
    """A workspace that writes down what it is asked and what it answers."""

    def __init__(self, workspace: Any) -> None:
        self._workspace = workspace
        self.answers: list[Any] = []

    def __getattr__(self, name: str) -> Any:
        def ask(*given: Any) -> Any:
            answer = getattr(self._workspace, name)(*given)
            if (said := [name, list(given), _digest(answer)]) not in self.answers:
                self.answers.append(said)
            return answer

        return ask


def seal(root: Path, answers: list[Any], written: Mapping[str, str]) -> None:
    """Write down what the guard found. `written`: the text of each file that it wrote below `root`."""
    found = {"ours": ours(), "files": _files(root), "answers": answers, "written": dict(written)}
    path = root / SEAL
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(found), encoding="utf-8")


def intact(root: Path) -> bool:
    """Whether nothing has changed since the seal; if so, what the guard wrote is written again (DVC took it away)."""
    from tunec.workspace import Disk

    try:
        found = json.loads((root / SEAL).read_text(encoding="utf-8"))
        same = found["ours"] == ours() and found["files"] == _files(root) and _is_modest(found)
        disk = Disk(root)
        if not same or any(_digest(getattr(disk, name)(*given)) != said for name, given, said in found["answers"]):
            return False
    except Exception:  # no seal, a broken one, or a workspace that cannot be read: then the guard looks, and says why
        return False
    write(root, found["written"])
    return True


def _is_modest(found: Any) -> bool:
    """Whether a seal asks and writes only what a guard does: anybody may have put it into the workspace."""
    asked = {name for name, _, _ in found["answers"]}
    return asked <= _QUESTIONS and all(_WRITTEN.fullmatch(name) for name in found["written"])


def write(root: Path, texts: Mapping[str, str]) -> None:
    """Texts by path below `root`."""
    for name, text in texts.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")


def ours() -> str:
    """tunec's code, Python, and the name and version of every distribution that is installed."""
    found = hashlib.sha256(sys.version.encode())
    for piece in (*_code(), *_installed()):
        found.update(piece)
    return found.hexdigest()


def _code() -> Iterator[bytes]:
    home = Path(__file__).parent.parent
    for package in _OURS:
        for file in sorted((home / package).rglob("*")):
            if file.suffix in (".py", ".jinja"):
                yield f"\0{file.relative_to(home).as_posix()}\0".encode()
                yield file.read_bytes()


def _installed() -> Iterator[bytes]:
    """A distribution's folder is called NAME-VERSION.dist-info; the first on the path counts, so their order does."""
    for place in sys.path:
        try:
            names = sorted(entry.name for entry in Path(place or ".").iterdir())
        except OSError:  # a zip file, or what is not there
            continue
        yield "\0".join(["", *(name for name in names if name.endswith((".dist-info", ".egg-info")))]).encode()


def _files(root: Path) -> list[str]:
    return [hashlib.sha256((root / name).read_bytes()).hexdigest() for name in FILES]


def _digest(answer: Any) -> str:
    return hashlib.sha256(json.dumps(_plain(answer), sort_keys=True).encode()).hexdigest()[:32]


def _plain(value: Any) -> Any:
    """An answer of a workspace as JSON."""
    if is_dataclass(value) and not isinstance(value, type):
        return _plain(asdict(value))
    if isinstance(value, Mapping):
        return {str(key): _plain(inner) for key, inner in value.items()}
    if isinstance(value, set | frozenset):
        return sorted(map(str, value))
    return [_plain(inner) for inner in value] if isinstance(value, list | tuple) else value
