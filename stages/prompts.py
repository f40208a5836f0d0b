"""What a teacher and a judge are asked: Jinja files, tunec's own or the workspace's, written like input templates."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from stages import templating
from stages.diagnostics import UserError, fail

_TASK = ("goal", "system_prompt", "language", "contract")
_KIND = ("tag", "about", "difficulty", "edge_case")
_ROWS = (*_TASK, *_KIND, "example", "fields")
# tunec's own file, which one of the workspace may take the place of -> what it may speak of.
SPEAK_OF: Mapping[str, tuple[str, ...]] = {
    "augment_rows.jinja": _ROWS,
    "augment_answers.jinja": (*_TASK, "examples", "input", "wrong", "why"),
    "augment_judge.jinja": (*_ROWS, "row", "rubric"),
    "data_judge.jinja": (*_TASK, "row", "rubric"),
    "prefer_pairs.jinja": ("goal", "system_prompt", "criteria", "input", "a", "b"),
}


class Flaw(NamedTuple):
    """Why a prompt cannot be used: what it does, and how to mend it."""

    what: str
    help: str


def flaw(source: str, shipped: str) -> Flaw | None:
    """What is wrong with a text in the place of tunec's own prompt `shipped`; None for one that can be used."""
    used, refused = templating.check(source)
    if refused:
        return Flaw(f"is refused: {refused}", "use plain Jinja: {{ name }}, {% if %}, one {% for %}")
    known = SPEAK_OF[shipped]
    unknown = sorted(used.difference(known))
    return Flaw(f"speaks of `{unknown[0]}`", f"there are {', '.join(sorted(known))}") if unknown else None


@dataclass(frozen=True)
class Template:
    """file: as diagnostics name it."""

    file: str
    source: str

    @classmethod
    def read(cls, own: Path | None, shipped: str) -> Template:
        """The workspace's file, or tunec's own of that name. Raises T748 for one that cannot be used."""
        path = own or Path(__file__).with_name(shipped)
        try:
            made = cls(path.as_posix() if own else shipped, path.read_text(encoding="utf-8"))
        except (OSError, UnicodeDecodeError):
            raise fail("T748", f"the prompt {path.name} is no UTF-8 text", help="save it as UTF-8") from None
        if found := flaw(made.source, shipped):
            raise made._wrong(*found)
        return made

    def fill(self, values: Mapping[str, Any]) -> str:
        """The prompt; values are data, and never a template. Raises T748."""
        try:
            return templating.render(self.source, dict(values))
        except UserError as error:
            why = error.diagnostics[0].message.partition(": ")[2]
            raise self._wrong(f"cannot be filled: {why}", "mend the file") from None

    def _wrong(self, what: str, help: str) -> UserError:
        return fail("T748", f"the prompt {self.file} {what}", help=help, file=self.file)
