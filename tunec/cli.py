"""The command line. Each command is short: it calls the rooms behind it, and words what they raise."""

from __future__ import annotations

import atexit
import gc
import json
import os
import sys
from io import TextIOWrapper
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tunec.releasing import commands as releases

if TYPE_CHECKING:  # not yet: `main` looks first whether it is our `stages` that would be imported
    from stages.base import Diagnostic
    from tunec.steps import Step

app = typer.Typer(
    name="tunec",
    help="Compile one task.yaml into a small language model that is measured, quantized and gated.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
import_ = typer.Typer(help="Begin a task from the training file of another project.", no_args_is_help=True)
app.add_typer(import_, name="import")
app.add_typer(releases.app)
SHIP, USER_ERROR, GATE_FAILED, STALE, BUG = 0, 1, 2, 3, 70

TaskFile = Annotated[Path, typer.Argument(help="The task.", show_default="task.yaml")]
Overrides = Annotated[list[str] | None, typer.Argument(metavar="[KEY=VALUE]...", help="Keys to set for this compile.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Out = Annotated[
    Path, typer.Option("--out", metavar="FILE", help="The task to write; an existing file is never overwritten.")
]
TASK_FILE = Path("task.yaml")
_USAGE: Any = typer.BadParameter.__mro__[2]  # ClickException, of click or of the copy that newer typers hold


@app.command()
def init(
    folder: Annotated[Path, typer.Argument(help="A new or empty folder.")],
    template: Annotated[str, typer.Option(help="extraction or classification.")] = "extraction",
) -> None:
    """Begin a task: a folder with task.yaml, sample rows, git and DVC, ready to build."""
    from tunec.initializing import initialize

    print(initialize(folder, template))


@app.command()
def check(
    file: TaskFile = TASK_FILE,
    format: Annotated[str, typer.Option(help="text, json or github.")] = "text",
) -> None:
    """Check a task: every error and warning with its line, nothing written."""
    from tunec.checking import check_file

    raise typer.Exit(check_file(file, format))


@app.command("compile")
def compile_(
    file: TaskFile = TASK_FILE,
    overrides: Overrides = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print what would change, write nothing.")] = False,
) -> None:
    """Write dvc.yaml and params.yaml from the task."""
    from tunec.checking import compile_difference
    from tunec.compiling import compile_here

    root, values = _root_and_overrides(file, overrides)
    if dry_run:
        print(compile_difference(root, values))
        return
    compiled, changed = compile_here(root, values)
    _warn(compiled.warnings)
    stages = len(compiled.plan.instances)
    print(f"{stages} stages; " + (f"wrote {' and '.join(changed)}" if changed else "nothing changed"))


@app.command()
def schema() -> None:
    """The JSON Schema of task.yaml, for editors: every key with its meaning, default and allowed values."""
    from tunec.editing import json_schema

    print(json.dumps(json_schema(Path()), indent=2, ensure_ascii=False))


@app.command()
def plan(
    overrides: Overrides = None,
    as_json: AsJson = False,
    check: Annotated[bool, typer.Option("--check", help="End with 3 when a build would do anything.")] = False,
) -> None:
    """What `tunec build` would run with these keys, and why; nothing is run. Compiles first."""
    steps = _steps(overrides)
    from tunec import outlook

    _json(outlook.plan_json(steps)) if as_json else print(outlook.plan_text(steps))
    if check and any(step.state != "cached" for step in steps):
        raise typer.Exit(STALE)


@app.command()
def why(
    stage: Annotated[str, typer.Argument(help="A stage of dvc.yaml.")],
    overrides: Overrides = None,
    as_json: AsJson = False,
) -> None:
    """Why a stage would run, back to the edits that make it; or why it is up to date. Compiles first."""
    steps = _steps(overrides, stage)
    from tunec import outlook

    _json(outlook.why_json(stage, steps)) if as_json else print(outlook.why_text(stage, steps))


@app.command()
def explain(
    what: Annotated[str, typer.Argument(metavar="KEY|CODE", help="A key such as training.epochs, or a code: T010.")],
    overrides: Overrides = None,
    as_json: AsJson = False,
) -> None:
    """What a key means, its value, who set it and which stages read it; or what an error's code means."""
    from tunec import explaining

    found = explaining.explain(Path(), what, overrides or [])
    _json(found.json()) if as_json else print(found.text())


@app.command()
def build(
    arguments: Annotated[
        list[str] | None, typer.Argument(metavar="[STAGE | KEY=VALUE]...", help="Stages to build, keys to set.")
    ] = None,
) -> None:
    """Compile, then run what is stale. Ends with the table and the verdict: 0 ship, 2 a gate failed."""
    from tunec import dvc

    given = arguments or []
    targets, overrides = [a for a in given if "=" not in a], [a for a in given if "=" in a]
    with dvc.started_build(Path()) as waiting:
        from tunec.compiling import compile_here

        compiled, _ = compile_here(Path(), overrides)
        from rich.console import Console

        from tunec import building, table

        console = Console(soft_wrap=True)
        _warn(compiled.warnings)
        building.require_local(compiled.task)
        _known_stages(targets, [instance.name for instance in compiled.plan.instances])
        if building.build(waiting, Path(), targets, console):  # then the data may tell more than before
            again, _ = compile_here(Path(), overrides)
            _warn([found for found in again.warnings if found not in compiled.warnings])
    if targets:
        return
    report = table.read_report(Path())
    table.show(report, console)
    raise typer.Exit(SHIP if report["verdict"] == "ship" else GATE_FAILED)


@app.command()
def report(
    open_: Annotated[bool, typer.Option("--open", help="Open the page in a browser.")] = False,
    as_json: AsJson = False,
) -> None:
    """The last build's table and verdict, and where its page is."""
    from rich.console import Console

    from tunec import table

    found = table.read_report(Path())
    if as_json:
        _json(found)
    else:
        table.show(found, Console(soft_wrap=True))
    if open_:
        typer.launch(str(table.PAGE.resolve()))


@app.command()
def verify(
    what: Annotated[
        str | None,
        typer.Argument(metavar="[DIR | RELEASE]", help="A folder or a release; with none, the build that stands here."),
    ] = None,
    mend: Annotated[
        bool, typer.Option("--mend", help="First remove damaged files of the build, so that it makes them anew.")
    ] = False,
    rebuild: Annotated[
        bool, typer.Option("--rebuild", help="Also build a release again from nothing, and compare its bytes.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Recompute every hash: names each file that is not what was written, and its first byte that differs."""
    raise typer.Exit(SHIP if releases.verify(what, mend=mend, rebuild=rebuild, as_json=as_json) else USER_ERROR)


@app.command()
def run(stage: Annotated[str, typer.Argument(help="A stage of dvc.yaml.")]) -> None:
    """Run one stage, as the commands in dvc.yaml do."""
    from stages import runner

    raise typer.Exit(runner.main(stage))


@import_.command()
def axolotl(
    file: Annotated[Path, typer.Argument(help="A training file of axolotl, in YAML.")],
    out: Out = TASK_FILE,
) -> None:
    """Write a task out of an axolotl file, and list every key that was not translated, with why."""
    from tunec.importing import import_files

    print(import_files("axolotl", [file], out), end="")


@import_.command()
def llamafactory(
    files: Annotated[
        list[Path], typer.Argument(help="A training file of LLaMA-Factory, in YAML; and its dataset_info.json.")
    ],
    out: Out = TASK_FILE,
) -> None:
    """Write a task out of a LLaMA-Factory file, and list every key that was not translated, with why."""
    from tunec.importing import import_files

    print(import_files("llamafactory", files, out), end="")


@app.command(hidden=True)
def guard() -> None:
    """Check that dvc.yaml is fresh, and write each stage's fingerprint: the first stage of every graph."""
    from tunec.guard import guard as look

    look(Path())


def main() -> None:
    """Entry point: words every error, and picks the exit code."""
    _start_lightly()
    if hidden := _hidden():
        print(f"error[T408]: the folder {hidden} hides tunec's own", file=sys.stderr)
        print("  = help: run tunec from another folder, or rename that one", file=sys.stderr)
        sys.exit(USER_ERROR)
    if sys.argv[1:] == ["guard"] and _sealed():
        return
    try:
        code = app(standalone_mode=False)
    except _USAGE as error:  # its own code would be 2, which here means that a gate failed
        error.show()
        code = USER_ERROR
    except (KeyboardInterrupt, typer.Abort):
        print("stopped", file=sys.stderr)
        code = 130
    except BrokenPipeError:
        code = 0
    except Exception as error:
        code = _told(error)
    sys.exit(code if isinstance(code, int) else 0)


def _sealed() -> bool:
    from tunec.sealing import intact

    return intact(Path())


def _start_lightly() -> None:
    """Without plugins in pydantic, and without the garbage collector going over all that was imported, at the start and
    again at the end: together a fifth of a `tunec check`. A stage's own garbage is still collected.
    """
    gc.set_threshold(50_000)
    atexit.register(gc.freeze)
    os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):  # a terminal of another encoding shows escapes, and is no reason to fail
            stream.reconfigure(errors="backslashreplace")


def _hidden() -> Path | None:
    """`compiler` and `stages` are plain names: a folder of that name elsewhere on the path stands in for ours."""
    from importlib.util import find_spec

    home = Path(__file__).parent.parent
    specs = {name: find_spec(name) for name in ("compiler", "stages")}
    found = [Path(spec.origin).parent for spec in specs.values() if spec and spec.origin]
    return next((folder for folder in found if folder.parent != home), None)


def _root_and_overrides(file: Path, overrides: list[str] | None) -> tuple[Path, list[str]]:
    """`tunec compile key=value` names no file: what looks like an override is one."""
    from stages.base import Diagnostic, UserError

    values = list(overrides or [])
    if "=" in str(file):
        values.insert(0, str(file))
        file = TASK_FILE
    if file.name != TASK_FILE.name:
        help = f"call it {TASK_FILE}: the guard stage compiles that file again in every build"
        raise UserError(Diagnostic("T409", f"{file} cannot be compiled under that name", help=help))
    return file.parent, values


def _steps(overrides: list[str] | None, *stages: str) -> list[Step]:
    """The plan of this folder's task; refuses what is none of its stages."""
    from tunec.looking import look

    return look(Path(), overrides or [], lambda known: _known_stages(list(stages), known))


def _json(found: Any) -> None:
    print(json.dumps(found, indent=2, ensure_ascii=False))


def _known_stages(targets: list[str], known: list[str]) -> None:
    from compiler.resolve import did_you_mean
    from stages.base import Diagnostic, UserError

    for target in targets:
        if target not in known:
            note = f"stages: {', '.join(known)}"
            help = did_you_mean(target, known) or "choose one of these"
            raise UserError(Diagnostic("T410", f"there is no stage `{target}`", None, (note,), help))


def _warn(warnings: list[Diagnostic]) -> None:
    if warnings:
        _print(warnings)


def _refuse(found: list[Diagnostic]) -> int:
    _print(found)
    return BUG if any(d.code == "T999" for d in found) else USER_ERROR


def _print(found: list[Diagnostic]) -> None:
    from stages.wording import render
    from tunec.workspace import Disk

    for diagnostic in found:
        print(render(diagnostic, Disk(Path()).line_of), file=sys.stderr)


def _told(error: Exception) -> int:
    from stages.base import UserError

    return _refuse(list(error.diagnostics)) if isinstance(error, UserError) else _bug(error)


def _bug(error: Exception) -> int:
    import tempfile
    import traceback

    from stages.base import Diagnostic

    with tempfile.NamedTemporaryFile("w", prefix="tunec-", suffix=".traceback.txt", delete=False) as log:
        log.write("".join(traceback.format_exception(error)))
    help = f"please report it with {log.name}, which holds the traceback"
    return _refuse([Diagnostic("T999", f"tunec has a bug: {type(error).__name__}: {str(error)[:300]}", help=help)])


if __name__ == "__main__":
    main()
