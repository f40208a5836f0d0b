"""What a teacher and a judge are asked: Jinja files, tunec's own or the workspace's, written like input templates."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stages import templating
from stages.diagnostics import UserError, fail


@dataclass(frozen=True)
class Template:
    """file: as diagnostics name it. names: what it may speak of."""

    file: str
    source: str
    names: frozenset[str]

    @classmethod
    def read(cls, own: Path | None, shipped: str, names: Collection[str]) -> Template:
        """The workspace's file, or tunec's own of that name. Raises T748 for one that cannot be used."""
        path = own or Path(__file__).with_name(shipped)
        try:
            made = cls(path.as_posix() if own else shipped, path.read_text(encoding="utf-8"), frozenset(names))
        except (OSError, UnicodeDecodeError):
            raise fail("T748", f"the prompt {path.name} is no UTF-8 text", help="save it as UTF-8") from None
        made._check()
        return made

    def _check(self) -> None:
        used, refused = templating.check(self.source)
        if refused:
            raise self._wrong(f"is refused: {refused}", "use plain Jinja: {{ name }}, {% if %}, one {% for %}")
        if unknown := sorted(used - self.names):
            raise self._wrong(f"speaks of `{unknown[0]}`", f"there are {', '.join(sorted(self.names))}")

    def fill(self, values: Mapping[str, Any]) -> str:
        """The prompt; values are data, and never a template. Raises T748."""
        try:
            return templating.render(self.source, dict(values))
        except UserError as error:
            why = error.diagnostics[0].message.partition(": ")[2]
            raise self._wrong(f"cannot be filled: {why}", "mend the file") from None

    def _wrong(self, what: str, help: str) -> UserError:
        return fail("T748", f"the prompt {self.file} {what}", help=help, file=self.file)
