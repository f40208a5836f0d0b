"""`tunec advise`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer


def advise(
    overrides: Annotated[
        list[str] | None, typer.Argument(metavar="[KEY=VALUE]...", help="Keys to set for this advice.")
    ] = None,
    answers: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Answers of `tunec coach`; those that it kept without.")
    ] = None,
    measure: Annotated[
        bool, typer.Option("--measure", help="Train cheap models on growing parts of the rows.")
    ] = False,
    deep: Annotated[
        bool, typer.Option("--deep", help="As --measure, and train the base model on growing parts, too; takes long.")
    ] = False,
    apply: Annotated[
        int | None, typer.Option("--apply", metavar="N", min=1, help="Write the Nth way into task.yaml; comments stay.")
    ] = None,
    sweep: Annotated[bool, typer.Option("--sweep", help="Write the ways into conf/sweep/advised.yaml.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Whether to fine-tune at all, with what, and what would change that; each reason with its rule or figure.

    From the rows, task.yaml, the coach's answers and the last build; nothing is trained without --measure or --deep.
    """
    from stages.diagnostics import fail
    from tunec.advising import recommending
    from tunec.advising.advise import advise as advised
    from tunec.showing import show

    found = advised(Path(), overrides or [], answers, measure=measure or deep, deep=deep)
    show(found.warnings)
    print(json.dumps(found.json(), indent=2, ensure_ascii=False) if as_json else found.text())
    if apply is not None:
        if apply > len(found.ways):
            help = (
                f"choose one of {', '.join(str(n + 1) for n in range(len(found.ways)))}"
                if found.ways
                else "there is none"
            )
            raise fail("T857", f"there is no way {apply}", help=help)
        recommending.apply(Path(), found.ways[apply - 1])
        if not as_json:
            print(f"\ntask.yaml says so now: {found.ways[apply - 1].model.preset}")
    if sweep and found.ways:
        path = recommending.SWEEP
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(recommending.sweep(found.ways, found.rows), encoding="utf-8")
        if not as_json:
            print(f"\n{path} is written: `tunec sweep +sweep=advised`")
