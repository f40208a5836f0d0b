"""Tasks compiled in memory, for every test that needs a task and no disk."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from compiler import Compiled, compile_task
from compiler.parse import ParseError
from compiler.workspace import Peek, Preset
from stages.diagnostics import Diagnostic, Span
from stages.wording import render
from tests.in_memory import Memory

ROOT = Path(__file__).parent.parent
ROWS = "data/raw/rows.jsonl"
MINIMAL = """\
task_name: slots
task_type: extraction
input_template: "{text}"
output_format:
  type: json
  schema:
    people: {type: string}
    time: {type: string}
training:
  base_model: smollm2-135m
success_criteria:
  threshold: 0.7
"""


@cache
def shipped() -> Mapping[str, Mapping[str, Preset]]:
    """tunec's own presets by group; the group "" holds defaults.yaml."""
    groups: dict[str, dict[str, Preset]] = {}
    for file in sorted((ROOT / "conf").rglob("*.yaml")):
        group = file.parent.relative_to(ROOT / "conf").as_posix().removeprefix(".")
        preset = Preset(file.relative_to(ROOT).as_posix(), file.read_text(encoding="utf-8"))
        groups.setdefault(group, {})[file.stem] = preset
    return groups


def workspace(
    *files: str,
    peeks: Mapping[str, Peek] | None = None,
    counted: Mapping[str, int] | None = None,
    own: Mapping[str, str] | None = None,
    texts: Mapping[str, str] | None = None,
    models: Mapping[str, int] | None = None,
) -> Memory:
    """A workspace of tunec's presets and these files; with none named, of one file of rows.

    peeks: what the files show. counted: how many rows have each label, as a build before this one counted them. own:
    presets in the place of tunec's, by their path: conf/GROUP/NAME.yaml. texts: what stands in files that people write.
    """
    groups = {group: dict(presets) for group, presets in shipped().items()}
    for path, text in (own or {}).items():
        _, group, name = path.removesuffix(".yaml").split("/")
        groups[group] = {**groups[group], name: Preset(path, text)}
    return Memory(frozenset(files or peeks or (ROWS,)), groups, peeks or {}, counted, texts or {}, models or {})


def compiled(text: str = MINIMAL, *files: str, overrides: list[str] | None = None, **around: Any) -> Compiled:
    """`around` goes to `workspace`."""
    return compile_task(text, workspace(*files, **around), overrides=overrides)


def refused(text: str, *files: str, overrides: list[str] | None = None, **around: Any) -> list[Diagnostic]:
    """The diagnostics of a task that must not compile."""
    found = told(text, *files, overrides=overrides, **around)
    assert any(diagnostic.severity == "error" for diagnostic in found), "the task compiles"
    return found


def told(text: str, *files: str, overrides: list[str] | None = None, **around: Any) -> list[Diagnostic]:
    """Everything that the compiler says of a task, whether or not it compiles."""
    try:
        return compiled(text, *files, overrides=overrides, **around).warnings
    except ParseError as error:
        return error.diagnostics


def shown(found: list[Diagnostic], text: str, own: Mapping[str, str] | None = None) -> str:
    """Diagnostics as `tunec check` prints them. own: as `workspace` takes it."""
    presets = {preset.file: preset.text for group in shipped().values() for preset in group.values()} | dict(own or {})

    def line_of(span: Span) -> str | None:
        lines = {**presets, "task.yaml": text.removeprefix("\ufeff")}.get(span.file, "").splitlines()
        return lines[span.line - 1] if span.line <= len(lines) else None

    return "\n\n".join(render(diagnostic, line_of) for diagnostic in found) + "\n"


def params(of: Compiled, stage: str) -> dict[str, Any]:
    """The parameters of one instance, as its stage gets them."""
    return dict(of.plan[stage].params)
