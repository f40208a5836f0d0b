"""What of a workspace one stage needs elsewhere, and what of the answer is let in: a host may be wrong, or hostile."""

from __future__ import annotations

import re
import shutil
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stages.base_model import MANIFEST
from stages.diagnostics import Diagnostic, Span, UserError, fail
from stages.rows import read_json
from stages.runner import Work
from stages.wording import tame
from tunec.executing import recorded, ssh, wire
from tunec.executing.store import Entry, Listing, listing

_COMPILED = ("dvc.yaml", "params.yaml")
_PART = re.compile(r"[^/\0]+")


@dataclass(frozen=True)
class Parcel:
    """A stage as it is asked of a host. outputs: the paths that it is to write, files or folders. fingerprint: of its
    code and libraries here.
    """

    stage: str
    inputs: Listing
    files: Mapping[str, str]
    asks: Mapping[str, Any]
    fingerprint: str
    outputs: tuple[str, ...]

    @classmethod
    def of(cls, root: Path, work: Work) -> Parcel:
        """Raises T383 when the guard has not written the stage's fingerprint."""
        files = {name: (root / name).read_text(encoding="utf-8") for name in _COMPILED}
        read = _paths(work.meta["inputs"])
        inputs = listing(root, sorted({*read, *_weights(root, read)}), links=True)
        asks = {"meta": work.meta, "params": work.params}
        outputs = tuple(f"build/{work.name}/{write.path}" for write in work.stage.writes().values())
        return cls(work.name, inputs, files, asks, _fingerprint(root, work.name), outputs)

    def told(self) -> dict[str, Any]:
        """As the far side gets it."""
        return {**vars(self), "inputs": wire.packed(self.inputs)}

    def checked(self, host: ssh.Host, told: Any) -> dict[str, Entry]:
        """What a host says that the stage wrote. Raises T537 when that lies anywhere but where the stage writes, or is
        not all of it; Garbled."""
        found = wire.unpacked(told)
        if absent := [output for output in self.outputs if not any(_in(path, output) for path in found)]:
            raise unexpected(host, f"it does not send {absent[0]}")
        for path in found:
            parts = path.split("/")
            if ".." in parts or "." in parts or not all(map(_PART.fullmatch, parts)) or not self._writes(path):
                raise unexpected(host, f"it sends {path[:200]!r}, which {self.stage} does not write")
        return found

    def _writes(self, path: str) -> bool:
        return any(_in(path, output) for output in self.outputs)


def place(aside: Path, outputs: Mapping[str, Entry], work: Work) -> None:
    """Files by their hash -> the outputs at which the runner looks."""
    home = f"build/{work.name}/"
    names = {f"{home}{write.path}": work.written[field] for field, write in work.stage.writes().items()}
    left = Counter(entry.sha256 for entry in outputs.values())
    for path, entry in outputs.items():
        output = next(name for name in names if _in(path, name))
        to = names[output] / path[len(output) + 1 :] if path != output else names[output]
        to.parent.mkdir(parents=True, exist_ok=True)
        left[entry.sha256] -= 1
        if left[entry.sha256]:  # the same bytes are wanted once more
            shutil.copyfile(aside / entry.sha256, to)
        else:
            (aside / entry.sha256).replace(to)


def _in(path: str, output: str) -> bool:
    """Whether a path is this output, or lies in it."""
    return path == output or path.startswith(f"{output}/")


def refusal(host: ssh.Host, stage: str, refused: Any, word: Mapping[str, Any]) -> UserError:
    """Why a stage ended there. refused: the diagnostics that it told. Its traceback is kept here, as a local one is."""
    if isinstance(trace := word.get("traceback"), str):
        log = Path("build", "logs", f"{stage}.traceback.txt")
        log.parent.mkdir(parents=True, exist_ok=True)
        log.write_text(tame(trace), encoding="utf-8")
    if refused:
        try:
            found = [_diagnostic(one) for one in refused]
        except (TypeError, ValueError, KeyError):
            return unexpected(host, "its refusal cannot be read")
        return ssh.full(host) if any(one.code == "T380" for one in found) else UserError(*found)
    if "link" in word:
        return unexpected(host, f"{str(word['link'])[:200]!r} is a link")
    return died(f"{stage} on {host.name}", word.get("ended"))


def died(what: str, code: Any) -> UserError:
    """A stage that ended without a word. code: below zero the signal that ended it."""
    killed = isinstance(code, int) and code < 0
    message = f"{what} was killed (signal {-code})" if killed else f"{what} ended without a word (code {code})"
    help = "look there for what ended it, often a lack of memory, and build again: nothing of it was taken over"
    return fail("T538", message, help=help)


def unexpected(host: ssh.Host, why: str) -> UserError:
    help = "build again; when it stays so, do not trust that host"
    return fail("T537", f"{host.name} answers what it should not", notes=(tame(why)[:300],), help=help)


def _diagnostic(told: Mapping[str, Any]) -> Diagnostic:
    """Raises TypeError, ValueError or KeyError when it is none."""
    span, help = told["span"], told["help"]
    if not re.fullmatch(r"T\d{3}", told["code"]):
        raise ValueError
    return Diagnostic(
        told["code"],
        str(told["message"]),
        Span(str(span["file"]), int(span["line"]), int(span["column"]), int(span["length"])) if span else None,
        tuple(map(str, told["notes"])),
        None if help is None else str(help),
        key=str(told["key"]) if "key" in told else None,
    )


def _paths(inputs: Mapping[str, Any]) -> list[str]:
    """Every path once: an input is one, several, or several by name."""
    found: set[str] = set()
    for given in inputs.values():
        found |= {given} if isinstance(given, str) else set(given.values() if isinstance(given, dict) else given)
    return sorted(found)


def _weights(root: Path, paths: list[str]) -> Iterator[str]:
    """A base model that the workspace holds is pinned by a manifest: its weights stay where they are, and are read from
    there.
    """
    for path in paths:
        if (root / path / MANIFEST).is_file():
            model = read_json(root / path / MANIFEST)["model"]
            if "path" in model:
                yield str(model["path"])


def _fingerprint(root: Path, stage: str) -> str:
    text = recorded.fingerprint(root, stage)
    if text is None:
        raise fail("T383", f"the fingerprint of {stage} is not here", help="run `dvc repro`, which writes it first")
    return text
