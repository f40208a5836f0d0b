"""`tunec data ...`: look at the rows, and take some out for good."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer

app = typer.Typer(
    name="data",
    help="Look at the rows of a build, judge a file, compare two versions, decide on rows that wait, forget a person.",
    no_args_is_help=True,
    add_completion=False,
)
ROOT = Path()
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@app.command()
def check(
    files: Annotated[list[Path], typer.Argument(help="Data files; with several, leaks between their splits show.")],
    as_json: AsJson = False,
) -> None:
    """Judge data files, by the task of this folder where there is one; ends with 1 when a row would be rejected. Rows
    that are rejected for one reason are counted, with the first of them; JSON has them all.
    """
    from tunec.examining import examine, printed

    found = examine(ROOT, files)
    print(printed(found, as_json))
    raise typer.Exit(0 if found.clean else 1)


@app.command()
def show(
    what: Annotated[
        str | None, typer.Argument(help="A gate, words of a reason, or a row's id; without it, counts.")
    ] = None,
    limit: Annotated[int, typer.Option(min=1, help="Rows to print; JSON has them all.")] = 20,
    mask: Annotated[
        bool, typer.Option("--mask", help="A row, by its id or its number in train, as the model is trained on it.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Rows that the last build rejected or flagged, with file and line; what is personal in them is hidden. Or the
    place of one row in its source; with --mask, what is learned of it.
    """
    from tunec import masking, showing_rows

    if mask:
        shown = masking.mask(ROOT, what or "1", [])
        pieces = [one.json() for one in shown]
        print(json.dumps(pieces, indent=2, ensure_ascii=False) if as_json else "\n\n".join(one.text() for one in shown))
        return
    if as_json:
        print(json.dumps(showing_rows.rows(ROOT, what), indent=2, ensure_ascii=False))
    else:
        print(showing_rows.shown(ROOT, what, limit))


@app.command()
def diff(
    before: Annotated[str, typer.Argument(help="accepted.jsonl of a build, or a commit or tag.")],
    now: Annotated[str | None, typer.Argument(help="The same.", show_default="the build that stands here")] = None,
    as_json: AsJson = False,
) -> None:
    """Which rows came, went or got another answer between two versions of the data."""
    from tunec.comparing_data import difference

    found = difference(ROOT, before, now)
    _print(found, as_json, found.text())


@app.command()
def review(
    list_: Annotated[bool, typer.Option("--list", help="Print what waits, decide nothing.")] = False,
    by: Annotated[str | None, typer.Option(metavar="NAME", help="Who decides.", show_default="git's user.name")] = None,
    as_json: AsJson = False,
) -> None:
    """Go through the rows that wait for a person, and accept, reject or correct each; every answer is added to the
    file of data.review at once. Without a terminal, what waits is printed.
    """
    from tunec import reviewing

    found = reviewing.look(ROOT)
    if as_json:
        print(json.dumps(reviewing.as_json(found), indent=2, ensure_ascii=False))
    elif list_ or not found.rows or not reviewing.in_a_terminal():
        print(reviewing.listed(found))
    else:
        print(reviewing.walk(found, (by or "").strip() or reviewing.name(ROOT)))


@app.command()
def forget(
    where: Annotated[str, typer.Option(metavar="FIELD=VALUE", help="Whose rows: a column and its value.")],
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print the same, do nothing.")] = False,
    as_json: AsJson = False,
) -> None:
    """Take a person's rows out of the sources, and all that was made of them out of build/ and DVC's cache; names the
    releases that were trained on them.
    """
    from tunec import forgetting

    found = forgetting.forget(ROOT, where, dry_run=dry_run)
    _print(found, as_json, found.text(done=not dry_run))


def _print(found: Any, as_json: bool, text: str) -> None:
    print(json.dumps(found.json(), indent=2, ensure_ascii=False) if as_json else text)
