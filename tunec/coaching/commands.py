"""`tunec coach`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from stages.diagnostics import fail
from stages.wording import tame


def coach(
    files: Annotated[
        list[Path] | None, typer.Argument(metavar="[DATA]...", help="Data files, or folders of them, to look at first.")
    ] = None,
    lang: Annotated[str | None, typer.Option(help="en or zh-TW; by the answers without.")] = None,
    answers: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Answers in YAML; nothing is asked then.")
    ] = None,
    out: Annotated[Path, typer.Option(metavar="FILE", help="The task to write; never overwritten.")] = Path(
        "task.yaml"
    ),
    story: Annotated[
        Path | None, typer.Option(metavar="FILE", help="A text in your own words, for `--llm` to read answers from.")
    ] = None,
    llm: Annotated[str | None, typer.Option(metavar="URL", help="An OpenAI-compatible endpoint, up to /v1.")] = None,
    model: Annotated[str, typer.Option(help="What `--llm` calls its model.")] = "default",
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """An interview that ends in a task.yaml: looks at the data, asks only what it does not show, assumes the rest.

    In a terminal it asks, and goes on where it was left; the answers are kept in .tunec/coach.yaml.
    """
    from tunec.coaching.coach import Asked
    from tunec.coaching.coach import coach as held
    from tunec.coaching.words import LANGUAGES
    from tunec.showing import show

    if lang is not None and lang not in LANGUAGES:
        raise typer.BadParameter(" or ".join(LANGUAGES), param_hint="--lang")
    if out != Path(out.name):
        help = "name a file here: a task counts the paths of its rows from where it lies"
        raise fail("T843", f"{out} lies outside of this folder", help=help)
    found = held(Path(), files or [], Asked(answers, story, lang, llm, model), out)
    show(found.warnings)
    print(json.dumps(found.json(), indent=2, ensure_ascii=False) if as_json else tame(found.told()))
