"""The workspace on disk: what the compiler asks for, answered from the folder of task.yaml."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from compiler.workspace import Peek, Preset, literal
from tunec.peeking import peek

if TYPE_CHECKING:  # the guard asks a workspace, and does not wait for pydantic
    from stages.base import Span, UserError

TASK = "task.yaml"
DATA_REPORT = Path("build", "data", "report.json")
_TOO_LARGE = 4_000_000  # bytes; the compiler's own limit is in characters


@dataclass(frozen=True)
class Disk:
    """`root` is the folder of task.yaml; every path of the task counts from there."""

    root: Path

    def glob(self, pattern: str) -> list[str]:
        try:
            found = self.root.glob(literal(pattern))
            return sorted(path.relative_to(self.root).as_posix() for path in found if path.is_file())
        except (ValueError, NotImplementedError, OSError):  # what pathlib cannot match, matches nothing
            return []

    def escapes(self, path: str) -> bool:
        try:
            return not (self.root / path.split("*")[0]).resolve().is_relative_to(self.root.resolve())
        except (OSError, RuntimeError, ValueError):  # a link to itself, or what no path can hold
            return True

    def peek(self, file: str, format: str) -> Peek | None:
        return peek(self.root / file, format)

    def labels(self) -> Mapping[str, int] | None:
        try:
            report = json.loads((self.root / DATA_REPORT).read_text(encoding="utf-8"))
            return dict(report["labels"])
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def presets(self, group: str) -> list[dict[str, Preset]]:
        """tunec's own, then the workspace's. The group "" holds defaults.yaml."""
        return [_presets(folder / group, folder.parent) for folder in (_shipped(), self.root / "conf")]

    def line_of(self, span: Span) -> str | None:
        """The text of a line that a diagnostic points at, when its file can be found."""
        places = (base / span.file for base in (self.root, _shipped().parent))
        try:
            file = next(place for place in places if place.is_file())
            return file.read_text(encoding="utf-8-sig").splitlines()[span.line - 1]
        except (StopIteration, OSError, UnicodeDecodeError, IndexError, ValueError):
            return None


def read_task(path: Path) -> str:
    """The text of a task. Raises UserError: T001 when it is not there, T002 when it is no text of sane size."""
    from stages.base import Diagnostic, Span, UserError

    shown = path.as_posix()
    try:
        if path.stat().st_size > _TOO_LARGE:
            help = "a task.yaml is some hundred lines; keep rows in files that data.sources names"
            raise UserError(Diagnostic("T002", f"{shown} is too large", Span(shown, 1), help=help))
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        help = "run `tunec init DIR` to begin a task, or go to the folder that holds one"
        raise UserError(Diagnostic("T001", f"there is no {shown}", help=help)) from None
    except IsADirectoryError:
        raise UserError(Diagnostic("T001", f"{shown} is a folder", help=f"name the file: {shown}/task.yaml")) from None
    except OSError as error:
        message, help = f"{shown} cannot be read: {error.strerror}", "name a task.yaml that you may read"
        raise UserError(Diagnostic("T001", message, help=help)) from None
    except UnicodeDecodeError as error:
        raise _not_utf8(shown, error) from None


def _shipped() -> Path:
    """The folder of tunec's own presets: tunec/conf once installed, conf/ beside the packages in a checkout."""
    import tunec

    package = Path(str(tunec.__file__)).parent
    return package / "conf" if (package / "conf").is_dir() else package.parent / "conf"


def _presets(folder: Path, base: Path) -> dict[str, Preset]:
    files = sorted(file for file in folder.glob("*.yaml") if file.is_file()) if folder.is_dir() else []
    return {f.stem: _preset(f, f.relative_to(base).as_posix()) for f in files}


def _preset(file: Path, shown: str) -> Preset:
    try:
        return Preset(shown, file.read_text(encoding="utf-8"))
    except UnicodeDecodeError as error:
        raise _not_utf8(shown, error) from None


def _not_utf8(shown: str, error: UnicodeDecodeError) -> UserError:
    from stages.base import Diagnostic, Span, UserError

    notes = (f"byte {error.start} is not UTF-8",)
    return UserError(Diagnostic("T002", f"{shown} is not UTF-8 text", Span(shown, 1), notes, "save it as UTF-8"))
