"""The workspace on disk: what the compiler asks for, answered from the folder of task.yaml."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from stat import S_ISDIR, S_ISREG
from typing import TYPE_CHECKING, Any

from compiler.workspace import NoText, Peek, Preset, literal, too_wild
from tunec.peeking import peek

if TYPE_CHECKING:  # the guard asks a workspace, and does not wait for pydantic
    from stages.diagnostics import Span, UserError

TASK = "task.yaml"
DATA_REPORT = Path("build", "data", "report.json")
_TOO_LARGE = 4_000_000  # bytes; the compiler's own limit is in characters


@dataclass(frozen=True)
class Disk:
    """`root` is the folder of task.yaml; every path of the task counts from there.

    What was looked up once is not looked up again: an instance serves one compile.
    """

    root: Path
    _known: dict[tuple[str, str], Any] = field(default_factory=dict, compare=False, repr=False)

    def glob(self, pattern: str) -> list[str]:
        return list(self._once("glob", pattern, self._glob))

    def _glob(self, pattern: str) -> list[str]:
        if too_wild(pattern):
            return []
        try:
            found = self.root.glob(literal(pattern))
            return sorted(path.relative_to(self.root).as_posix() for path in found if path.is_file())
        except (ValueError, NotImplementedError, OSError):  # what pathlib cannot match, matches nothing
            return []

    def escapes(self, path: str) -> bool:
        return bool(self._once("escapes", path, self._escapes))

    def _escapes(self, path: str) -> bool:
        try:
            return not (self.root / path.split("*")[0]).resolve().is_relative_to(self.root.resolve())
        except (OSError, RuntimeError, ValueError):  # a link to itself, or what no path can hold
            return True

    def peek(self, file: str, format: str) -> Peek | None:
        return None if self.escapes(file) else peek(self.root / file, format)

    def text(self, file: str) -> str:
        if self.escapes(file):
            raise NoText("leads out of the workspace", "copy the file there")
        path = self.root / file
        try:
            if (size := path.stat().st_size) > _TOO_LARGE:
                raise NoText(f"is too large: {size:,} bytes", "shorten it; rows belong in data.sources")
            return path.read_text(encoding="utf-8")
        except UnicodeDecodeError:
            raise NoText("is no UTF-8 text", "save it as UTF-8") from None
        except OSError as error:
            raise NoText(f"cannot be read: {error.strerror}", "name a file that you may read") from None

    def labels(self, files: list[str]) -> Mapping[str, int] | None:
        from tunec.as_built import reads_these

        try:
            report = json.loads((self.root / DATA_REPORT).read_text(encoding="utf-8"))
            return dict(report["labels"]) if reads_these(self.root, files) else None
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def weights(self, model: str) -> int | None:
        from tunec.weighing import weights

        return None if self.escapes(model) else weights(self.root / model)

    def presets(self, group: str) -> list[Mapping[str, Preset]]:
        """tunec's own, then the workspace's. The group "" holds defaults.yaml."""
        return list(self._once("presets", group, self._layers))

    def _layers(self, group: str) -> list[Mapping[str, Preset]]:
        home = shipped()
        return [_Presets(home / group, home.parent), _Presets(self.root / "conf" / group, self.root, own=True)]

    def _once(self, what: str, argument: str, look: Callable[[str], Any]) -> Any:
        key = (what, argument)
        if key not in self._known:
            self._known[key] = look(argument)
        return self._known[key]

    def line_of(self, span: Span) -> str | None:
        """The text of a line that a diagnostic points at, when its file can be found. None of rows: they may be
        personal, and what is printed ends in logs.
        """
        if not span.file.endswith(_SHOWN):
            return None
        places = (base / span.file for base in (self.root, shipped().parent))
        try:
            file = next(place for place in places if place.is_file())
            stat = file.stat()
            return _lines(file, stat.st_size, stat.st_mtime_ns)[span.line - 1]
        except (StopIteration, OSError, UnicodeDecodeError, IndexError, ValueError):
            return None


_SHOWN = (".yaml", ".yml", ".jinja", ".j2", ".toml", ".py", ".dvc")  # what people write for tunec to read


@lru_cache(maxsize=4)
def _lines(file: Path, size: int, modified: int) -> list[str]:
    return file.read_text(encoding="utf-8-sig").splitlines() if size <= _TOO_LARGE else []


def read_task(path: Path) -> str:
    """The text of a task. Raises UserError: T001 when it is not there, T002 when it is no text of sane size."""
    return _text(path, path.as_posix())


def _text(path: Path, shown: str) -> str:
    try:
        stat = path.stat()
        if S_ISREG(stat.st_mode) and stat.st_size <= _TOO_LARGE:
            return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        help = "run `tunec init DIR` to begin a task, or go to the folder that holds one"
        raise _refused("T001", f"there is no {shown}", help) from None
    except UnicodeDecodeError as error:
        raise _not_utf8(shown, error) from None
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or str(error)
        raise _refused("T001", f"{shown} cannot be read: {why}", "name a task.yaml that you may read") from None
    raise _no_text(shown, stat.st_mode)


def _no_text(shown: str, mode: int) -> UserError:
    if S_ISDIR(mode):
        return _refused("T001", f"{shown} is a folder", f"name the file: {shown}/task.yaml")
    if not S_ISREG(mode):  # a device or a pipe may never end
        return _refused("T001", f"{shown} is no plain file", "name a file that holds a task")
    from stages.diagnostics import Diagnostic, Span, UserError

    help = "a task.yaml is some hundred lines; keep rows in files that data.sources names"
    return UserError(Diagnostic("T002", f"{shown} is too large", Span(shown, 1), help=help))


def _refused(code: str, message: str, help: str) -> UserError:
    from stages.diagnostics import fail

    return fail(code, message, help=help)


def shipped() -> Path:
    """The folder of tunec's own presets: tunec/conf once installed, conf/ beside the packages in a checkout."""
    import tunec

    package = Path(str(tunec.__file__)).parent
    return package / "conf" if (package / "conf").is_dir() else package.parent / "conf"


class _Presets(Mapping[str, Preset]):
    """The presets of a folder by name, each read when it is asked for."""

    def __init__(self, folder: Path, base: Path, *, own: bool = False) -> None:
        """own: these are the workspace's, which may not be links out of it. Raises UserError: T102 for such a link."""
        self._base = base
        files = sorted(folder.glob("*.yaml")) if folder.is_dir() else []
        self._files = {file.stem: file for file in files if file.is_file()}
        for file in self._files.values() if own else ():
            if not file.resolve().is_relative_to(base.resolve()):
                raise _leads_out(file.relative_to(base).as_posix())

    def __getitem__(self, name: str) -> Preset:
        file = self._files[name]
        shown = file.relative_to(self._base).as_posix()
        return Preset(shown, _text(file, shown))

    def __iter__(self) -> Iterator[str]:
        return iter(self._files)

    def __len__(self) -> int:
        return len(self._files)


def _leads_out(shown: str) -> UserError:
    from stages.diagnostics import Diagnostic, UserError

    note = "a task reads only what lies in its own folder, so that it builds the same anywhere"
    return UserError(
        Diagnostic("T102", f"{shown} leads out of the workspace", notes=(note,), help="copy the file there")
    )


def _not_utf8(shown: str, error: UnicodeDecodeError) -> UserError:
    from stages.diagnostics import Diagnostic, Span, UserError

    notes = (f"byte {error.start} is not UTF-8",)
    return UserError(Diagnostic("T002", f"{shown} is not UTF-8 text", Span(shown, 1), notes, "save it as UTF-8"))
