"""`tunec sweep ...`: Hydra's command line with a few options of ours; show what was found; adopt a variant."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup


class _Sweeps(TyperGroup):
    """`tunec sweep -m KEY=A,B` is `tunec sweep run -m KEY=A,B`."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        if not args or (args[0] not in self.commands and args[0] != "--help"):
            args.insert(0, "run")
        return super().parse_args(ctx, args)


app = typer.Typer(
    name="sweep",
    cls=_Sweeps,
    help="Build many variants as one graph, in which what they share is built once: `tunec sweep -m "
    "base_model=a,b training.lora.r=8,16`. Without a word of its own it is `tunec sweep run`.",
    add_completion=False,
)
ROOT = Path()
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Sort = Annotated[
    str,
    typer.Option(
        "--sort", metavar="COLUMN", help="quality, size, speed, name, or a swept key such as training.epochs."
    ),
]


@app.command(context_settings={"ignore_unknown_options": True, "allow_extra_args": True})
def run(
    arguments: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[KEY=VALUES]...",
            help="As Hydra has them: training.lora.r=8,16, range(1,4), choice(a,b), +sweep=NAME, hydra/sweeper=optuna; "
            "any other option goes to Hydra.",
        ),
    ] = None,
    multirun: Annotated[bool, typer.Option("-m", "--multirun", help="Every combination of the values.")] = False,
    jobs: Annotated[
        int, typer.Option("-j", "--jobs", min=1, metavar="N", help="Stages that may run side by side.")
    ] = 1,
    plan: Annotated[
        bool, typer.Option("--plan", help="Print the union and what it takes by past runs; nothing is run.")
    ] = False,
    budget: Annotated[
        str | None, typer.Option(metavar="TIME", help="Such as 2h: begin nothing that ends later, end what does.")
    ] = None,
    rate: Annotated[
        float | None,
        typer.Option(
            metavar="PRICE", min=0, help="What an hour of this machine costs, for --plan; default: what `cost:` says."
        ),
    ] = None,
    skip_invalid: Annotated[
        bool, typer.Option("--skip-invalid", help="Leave out variants that do not validate, and name them.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Build the variants of a sweep: those of the command line, or those of `sweep:` in the task."""
    from tunec.sweeping import app as hydra_app
    from tunec.sweeping.budget import seconds_of

    if budget:
        seconds_of(budget)  # what is no time is told before anything starts
    given = {
        "jobs": jobs,
        "budget": budget,
        "plan": plan,
        "as_json": as_json,
        "skip_invalid": skip_invalid,
        "rate": rate,
    }
    launcher = [f"hydra.launcher.{name}={_word(value)}" for name, value in given.items()]
    words = [*(["--multirun"] if multirun else []), *(arguments or [])]
    hydra_app.run(ROOT, words, launcher)


@app.command()
def show(
    sort: Sort = "quality",
    as_json: AsJson = False,
    parquet: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write the table there, a row a file, and print nothing.")
    ] = None,
) -> None:
    """Every file of the last sweep on dev: quality, size and speed, the Pareto front, the smallest within noise of the
    best, and how much each key mattered.
    """
    from tunec.sweeping import showing

    found = showing.look(ROOT, sort)
    showing.write_parquet(found, parquet) if parquet else showing.tell(found, as_json=as_json)


@app.command()
def adopt(
    variant: Annotated[str, typer.Argument(help="A variant or a file of the sweep, as `tunec sweep show` names it.")],
    as_json: AsJson = False,
) -> None:
    """Write a variant's values into task.yaml, in place and with every comment kept, and take the sweep out."""
    from tunec.rewriting import written
    from tunec.sweeping.adopting import adopt as write

    found = write(ROOT, variant)
    if as_json:
        print(json.dumps(found.values, indent=2, ensure_ascii=False))
        return
    for key, value in found.values.items():
        print(f"{key}: {written(value)}")
    print("task.yaml says so now; `tunec build` builds it")


def _word(value: Any) -> str:
    return "null" if value is None else str(value).lower() if isinstance(value, bool) else str(value)
