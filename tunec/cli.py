"""The command line. Each command is short: it calls the rooms behind it, and words what they raise."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tunec import __version__, data_commands
from tunec.advising import commands as advising
from tunec.coaching import commands as coaching
from tunec.releasing import commands as releases
from tunec.serving import commands as serving
from tunec.sweeping import commands as sweeps

if TYPE_CHECKING:  # not yet: `main` looks first whether it is our `stages` that would be imported
    from stages.diagnostics import Diagnostic
    from tunec.steps import Step

app = typer.Typer(
    name="tunec",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.command()(serving.serve)
app.command()(serving.ask)
app.command()(coaching.coach)
app.command()(advising.advise)
import_ = typer.Typer(help="Begin a task from the training file of another project.", no_args_is_help=True)
app.add_typer(import_, name="import")
app.add_typer(releases.app)
app.add_typer(sweeps.app)
app.add_typer(data_commands.app)
SHIP, USER_ERROR, GATE_FAILED, STALE, BUG = 0, 1, 2, 3, 70
_STOPPED = 130  # by Ctrl-C, as a shell says it

TaskFile = Annotated[Path, typer.Argument(help="The task.", show_default="task.yaml")]
Overrides = Annotated[list[str] | None, typer.Argument(metavar="[KEY=VALUE]...", help="Keys to set for this compile.")]
Jobs = Annotated[int, typer.Option("-j", "--jobs", min=1, metavar="N", help="Stages that may run side by side.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Out = Annotated[
    Path, typer.Option("--out", metavar="FILE", help="The task to write; an existing file is never overwritten.")
]
TASK_FILE = Path("task.yaml")
_USAGE: Any = typer.BadParameter.__mro__[2]  # ClickException, of click or of the copy that newer typers hold


def _print_version(asked: bool) -> None:
    if asked:
        print(f"tunec {__version__}")
        raise typer.Exit


@app.callback()
def root(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Compile one task.yaml into a small language model that is measured, quantized and gated."""


@app.command()
def init(
    folder: Annotated[Path, typer.Argument(help="A new or empty folder.")],
    template: Annotated[
        str, typer.Option(help="A task type: extraction, classification, rewriting, qa …")
    ] = "extraction",
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
    """Write dvc.yaml, params.yaml and .tunec/dvc.yaml from the task."""
    from tunec.checking import compile_difference
    from tunec.compiling import compile_here

    root, values = _root_and_overrides(file, overrides)
    if dry_run:
        print(compile_difference(root, values))
        return
    compiled, changed = compile_here(root, values)
    _warn(compiled.warnings)
    stages = len(compiled.plan.instances)
    print(f"{stages} stages; " + (f"wrote {', '.join(changed)}" if changed else "nothing changed"))


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
    """What `tunec build` would run with these keys, and why; nothing is run or written, also beside a build."""
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
    """Why a stage would run, back to the edits that make it; or why it is up to date. Nothing is written."""
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
    jobs: Jobs = 1,
    pull: Annotated[bool, typer.Option("--pull", help="Take from the DVC remote what was built elsewhere.")] = False,
    push: Annotated[bool, typer.Option("--push", help="Bring what is built to the DVC remote at the end.")] = False,
) -> None:
    """Compile, then run what is stale. Ends with the table and the verdict: 0 ship, 2 a gate failed."""
    from contextlib import nullcontext

    from tunec import dvc, dvc_store
    from tunec.alone import alone

    given = arguments or []
    targets, overrides = [a for a in given if "=" not in a], [a for a in given if "=" in a]
    ours = alone(Path()) if dvc.is_workspace(Path()) else nullcontext()
    with ours, dvc.started_build(Path()) if jobs == 1 else nullcontext() as waiting:
        from tunec.compiling import compile_here

        compiled, _ = compile_here(Path(), overrides)
        from rich.console import Console

        from tunec import building, table
        from tunec.executing.sharing import shared
        from tunec.executing.sizing import slots

        console = Console(soft_wrap=True)
        _warn(compiled.warnings)
        _known_stages(targets, [instance.name for instance in compiled.plan.instances])
        building.report_to(Path(), compiled.task.execution.report_to)
        if pull or push:
            dvc_store.require_remote(Path())
        side = shared(slots(jobs), compiled.task.execution)
        if waiting:
            any_ran = building.build(waiting, Path(), targets, console, pull=pull)
        else:
            any_ran = building.build_side_by_side(Path(), compiled.plan, targets, console, side, pull=pull)
        if any_ran:  # then the data may tell more than before
            again, _ = compile_here(Path(), overrides)
            _warn([found for found in again.warnings if found not in compiled.warnings])
    if push:
        dvc_store.push(Path())
    if targets:
        return
    report = table.read_report(Path())
    table.show(report, console)
    raise typer.Exit(SHIP if report["verdict"] == "ship" else GATE_FAILED)


@app.command()
def report(
    open_: Annotated[bool, typer.Option("--open", help="Open the page in a browser.")] = False,
    as_json: AsJson = False,
    format: Annotated[str, typer.Option(help="text, md (for a pull request) or json.")] = "text",
) -> None:
    """The last build's table and verdict, and where its page is."""
    from rich.console import Console

    from tunec import stopped, table

    found, later = table.read_report(Path()), stopped.warning(Path())
    _warn([later] if later else [])
    if as_json or format == "json":
        _json(found)
    elif format == "md":
        from tunec.markdown import markdown

        print(markdown(found))
    elif format == "text":
        table.show(found, Console(soft_wrap=True))
    else:
        raise typer.BadParameter("text, md or json", param_hint="--format")
    if open_:
        typer.launch(str(table.PAGE.resolve()))


@app.command()
def cost(overrides: Overrides = None, as_json: AsJson = False) -> None:
    """What the model costs and saves against prompting a large one, break-even and return; providers side by side.

    From the last build, from how long it took, and from the price lists of conf/prices/. What was not measured is
    marked as assumed; nothing is run.
    """
    from rich.console import Console

    from tunec import cost_table, costing

    found = costing.look(Path(), overrides or [])
    _warn(found.warnings)
    _json(found.json()) if as_json else cost_table.show(found, Console(soft_wrap=True))


@app.command()
def diagnose(
    apply: Annotated[
        str | None, typer.Option("--apply", metavar="CAUSE", help="Write the fix of this cause into task.yaml.")
    ] = None,
    clean: Annotated[
        Path | None,
        typer.Option("--clean", metavar="FILE", help="Write 100 train rows that any sound training must learn."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """What is wrong with the last build: symptoms, and their causes by evidence, with what would settle and mend each.

    From the files of the build alone: nothing is run, and no model is loaded.
    """
    from stages.wording import tame
    from tunec.diagnosing import clean as sanity
    from tunec.diagnosing import diagnosing
    from tunec.rewriting import written

    if apply:
        values = diagnosing.apply(Path(), apply)
        _json(dict(values)) if as_json else print("\n".join(f"{key}: {written(one)}" for key, one in values.items()))
        return
    if clean:
        print(sanity.write(Path(), clean))
        return
    found = diagnosing.diagnose(Path())
    _warn(found.warnings)
    _json(found.json()) if as_json else print(tame(found.text()))


@app.command()
def repair(
    clusters: Annotated[int, typer.Option(min=1, max=40, help="Clusters of wrong dev rows, the largest first.")] = 3,
    rows: Annotated[
        int | None, typer.Option(min=20, max=100, help="Rows for each; without it five for each wrong row.")
    ] = None,
    pool: Annotated[
        Path | None,
        typer.Option("--from", metavar="FILE", help="Rows without an answer, to choose from for the sheet."),
    ] = None,
    anew: Annotated[bool, typer.Option("--new", help="Begin the next round; the one before is built.")] = False,
    sheet: Annotated[bool, typer.Option("--sheet", help="A sheet for people, even where there is a teacher.")] = False,
    as_json: AsJson = False,
) -> None:
    """Bring train rows for what is wrong on dev: by the teacher of `generate`, else by a sheet that people fill in.

    Said again it goes on: it takes the sheet, and after the build it tells fixed, broken and golden rows.
    """
    from stages.wording import tame
    from tunec.repairing.repairing import Wish
    from tunec.repairing.repairing import repair as go_on

    done, text = go_on(Path(), Wish(clusters, rows, pool, anew, sheet))
    _json(done) if as_json else print(tame(text))


@app.command()
def ci() -> None:
    """A Markdown summary for a pull request: verdict, figures against the last release, plan. Nothing is run.

    Ends with 0 ship, 2 a gate failed, 3 the build is stale.
    """
    from tunec.releasing.ci import summary

    lines, code = summary(Path())
    print("\n".join(lines))
    raise typer.Exit(code)


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
    key: Annotated[
        Path | None, typer.Option(metavar="PUBLIC", help="The public key, in PEM, that a release must be signed with.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Recompute every hash: names each file that is not what was written, and its first byte that differs."""
    raise typer.Exit(
        SHIP if releases.verify(what, mend=mend, rebuild=rebuild, key=key, as_json=as_json) else USER_ERROR
    )


@app.command()
def run(
    stage: Annotated[str, typer.Argument(help="A stage of dvc.yaml.")],
) -> None:
    """Run one stage, as the commands in dvc.yaml do: where `execution` says."""
    from tunec.executing import run_stage

    raise typer.Exit(run_stage(stage))


@app.command("export-data")
def export_data(
    provider: Annotated[str, typer.Argument(help="openai, bedrock, vertex or together.")],
    overrides: Overrides = None,
    out: Annotated[
        Path | None, typer.Option("--out", metavar="DIR", help="Where to; build/export-PROVIDER without.")
    ] = None,
) -> None:
    """Write train and dev in a provider's own fine-tuning format, its limits checked, to train there."""
    from tunec.providing import may_not_leave, provided

    found = provided(Path(), provider, list(overrides or []))
    _warn(may_not_leave(Path(), provider, list(overrides or [])))
    print(found.write(out or Path("build", f"export-{provider}")))


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


def run_command() -> int:
    """What the command line asks for; gives the exit code. An option that there is not is worded here."""
    try:
        code = app(standalone_mode=False)
    except _USAGE as error:  # its own code would be 2, which here means that a gate failed
        error.show()
        return USER_ERROR
    except typer.Abort:
        code = _STOPPED
    if code == _STOPPED:
        print("stopped: what is finished stays finished", file=sys.stderr)
    return code if isinstance(code, int) else SHIP


def _root_and_overrides(file: Path, overrides: list[str] | None) -> tuple[Path, list[str]]:
    """`tunec compile key=value` names no file: what looks like an override is one."""
    from stages.diagnostics import Diagnostic, UserError

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
    from stages.diagnostics import Diagnostic, UserError

    for target in targets:
        if target not in known:
            note = f"stages: {', '.join(known)}"
            begun = [f"`{name}`" for name in known if name.startswith(f"{_kind(target, known)}-")]
            meant = f"did you mean {' or '.join(begun[:6])}?" if begun else did_you_mean(target, known)
            help = meant or "choose one of these"
            raise UserError(Diagnostic("T410", f"there is no stage `{target}`", None, (note,), help))


def _kind(target: str, known: list[str]) -> str:
    """What a stage's name is to begin with: `trian` is meant to be `train`, of which there is one a variant."""
    from difflib import get_close_matches

    kinds = {name.partition("-")[0] for name in known if "-" in name and "-" not in target}
    return next(iter(get_close_matches(target, sorted(kinds), n=1, cutoff=0.75)), target)


def _warn(warnings: list[Diagnostic]) -> None:
    from tunec.showing import show

    show(warnings)
