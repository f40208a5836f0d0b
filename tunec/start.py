"""Where the console script begins: words every error and picks the exit code.

What runs all the time (the guard of every build, `tunec check`) starts without the library of the command line, which
takes longer to load than a check does.
"""

from __future__ import annotations

import atexit
import gc
import os
import sys
from collections.abc import Callable
from io import TextIOWrapper
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # not yet: `main` looks first whether it is our `stages` that would be imported
    from stages.diagnostics import Diagnostic

USER_ERROR, BUG = 1, 70
_PLUGINS = "pydantic.plugin._loader"


def main() -> None:
    """Run what the command line says, and exit."""
    _start_lightly()
    if hidden := _hidden():
        print(f"error[T408]: the folder {hidden} hides tunec's own", file=sys.stderr)
        print("  = help: run tunec from another folder, or rename that one", file=sys.stderr)
        sys.exit(USER_ERROR)
    asked = sys.argv[1:]
    if asked == ["guard"] and _sealed():
        return
    sys.exit(_worded(_check if _is_plain_check(asked) else _command))


def _is_plain_check(asked: list[str]) -> bool:
    """`tunec check` or `tunec check FILE`. With any option it is the command line's to say what it means."""
    return asked[:1] == ["check"] and len(asked) <= 2 and not any(word.startswith("-") for word in asked[1:])


def _check() -> int:
    from tunec.checking import check_file

    return check_file(Path(sys.argv[2] if len(sys.argv) > 2 else "task.yaml"), "text")


def _command() -> int:
    from tunec.cli import run_command

    return run_command()


def _worded(run: Callable[[], int]) -> int:
    try:
        return run()
    except KeyboardInterrupt:
        print("stopped", file=sys.stderr)
        return 130
    except BrokenPipeError:
        return 0
    except Exception as error:
        return _told(error)


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
    sys.modules.setdefault(_PLUGINS, _no_plugins())
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):  # a terminal of another encoding shows escapes, and is no reason to fail
            stream.reconfigure(errors="backslashreplace")


def _no_plugins() -> ModuleType:
    """Stands for pydantic's search for plugins, which imports importlib.metadata even where they are switched off."""
    module = ModuleType(_PLUGINS)
    module.get_plugins = tuple  # type: ignore[attr-defined]
    return module


def _hidden() -> Path | None:
    """`compiler` and `stages` are plain names: a folder of that name elsewhere on the path stands in for ours."""
    from importlib.util import find_spec

    home = Path(__file__).parent.parent
    specs = {name: find_spec(name) for name in ("compiler", "stages")}
    found = [Path(spec.origin).parent for spec in specs.values() if spec and spec.origin]
    return next((folder for folder in found if folder.parent != home), None)


def _told(error: Exception) -> int:
    from stages.diagnostics import UserError
    from tunec.showing import show

    found = list(error.diagnostics) if isinstance(error, UserError) else [_bug(error)]
    show(found)
    return BUG if any(d.code == "T999" for d in found) else USER_ERROR


def _bug(error: Exception) -> Diagnostic:
    import tempfile
    import traceback

    from stages.diagnostics import Diagnostic

    with tempfile.NamedTemporaryFile("w", prefix="tunec-", suffix=".traceback.txt", delete=False) as log:
        log.write("".join(traceback.format_exception(error)))
    help = f"please report it with {log.name}, which holds the traceback"
    return Diagnostic("T999", f"tunec has a bug: {type(error).__name__}: {str(error)[:300]}", help=help)
