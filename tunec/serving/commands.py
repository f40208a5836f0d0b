"""`tunec serve` and `tunec ask`: a released model answers."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from tunec.serving.served import Served

_DIR_OR_RELEASE = "[DIR | RELEASE]"


def serve(
    what: Annotated[
        str | None, typer.Argument(metavar=_DIR_OR_RELEASE, help="A release's folder or name; default: the newest.")
    ] = None,
    host: Annotated[str, typer.Option(help="The address to listen on; another than this machine's needs a key.")] = (
        "127.0.0.1"
    ),
    port: Annotated[int, typer.Option(min=0, max=65535, help="0 takes any that is free. Default: 8000.")] = 8000,
) -> None:
    """Serve a release as OpenAI's API does, every answer held to its contract: /v1/chat/completions, /v1/answer,
    /health, /metrics. Verified first. A key in the environment variable TUNEC_API_KEY is asked for.
    """
    from tunec.serving import server

    server.run(_served(what), host, port)


def ask(
    what: Annotated[
        str | None, typer.Argument(metavar=_DIR_OR_RELEASE, help="A release's folder or name; default: the newest.")
    ] = None,
    fields: Annotated[list[str] | None, typer.Argument(metavar="[FIELD=TEXT]...", help="The input's fields.")] = None,
) -> None:
    """Ask a release one question, under its contract: `tunec ask v2 text="a table for two"`."""
    from stages.wording import tame
    from tunec.serving import server

    given = fields or []
    if what is not None and "=" in what and not Path(what).exists():  # no release is called so: it is a field
        given, what = [what, *given], None
    print(tame(server.ask(_served(what), _given(given))))


def _given(fields: list[str]) -> dict[str, Any]:
    from stages.diagnostics import fail

    wrong = next((field for field in fields if "=" not in field), None)
    if wrong is not None:
        raise fail("T584", f"{wrong[:80]!a} names no field", help="write it like `text='a table for two'`")
    return dict(field.split("=", 1) for field in fields)


def _served(what: str | None) -> Served:
    """A folder as it lies, or a release of this workspace, whose folder is brought where it is not there."""
    from tunec import git
    from tunec.releasing import fetching, shelf
    from tunec.serving import served

    if what is not None and Path(what).is_dir():
        return served.opened(Path(what))
    repo = git.repository(Path())
    release = shelf.read(repo, git.head(repo)).meant(what)
    folder, _ = fetching.get(repo, Path(), release)
    return served.opened(folder)
