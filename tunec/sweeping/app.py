"""The Hydra app: `tunec sweep` with Hydra's own command line, on the task of this folder.

The config that Hydra composes is the task as it is written; presets are laid below it by the compiler, as ever. So
`base_model=a,b` is `training.base_model=a,b`, which picks the preset.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from compiler.parse import ParseError, parse, parse_value
from compiler.resolve import did_you_mean, in_full
from stages.diagnostics import UserError, fail
from tunec.sweeping import jobs
from tunec.workspace import TASK, read_task, shipped

CONFIG = "tunec_task"
RESULTS = "build/sweeps/${now:%Y-%m-%d}/${now:%H-%M-%S}"


def run(root: Path, arguments: Sequence[str], launcher: Sequence[str]) -> None:
    """What a person typed behind `tunec sweep`. launcher: what our own options set of the launcher.

    Raises UserError: what the task or a build says, T510 to T512 for a word that Hydra or the schema does not take.
    """
    _check_conf(root)
    task = plain_task(root)
    words = jobs.rewritten(arguments, jobs.groups(root))
    from hydra import main
    from hydra.errors import HydraException
    from omegaconf.errors import OmegaConfBaseException

    _store(root, task)

    def one(config: Any) -> float:
        """Without -m: what the command line sets, built once."""
        from tunec.sweeping.launching import build_one

        return build_one(root, config, words)

    with _command_line([*words, *launcher]):
        try:
            main(version_base="1.3", config_path=str(shipped()), config_name=CONFIG)(one)()
        except (HydraException, OmegaConfBaseException) as error:
            cause = error.__cause__ if isinstance(error.__cause__, UserError) else None
            raise cause or _worded(error) from None


def plain_task(root: Path) -> dict[str, Any]:
    """The task as it is written, without its sweep. Raises UserError when it cannot be read."""
    try:
        node = parse(read_task(root / TASK), TASK)
    except ParseError as error:
        raise UserError(*error.diagnostics) from None
    found = in_full(node).plain() if isinstance(node.value, dict) else None
    if not isinstance(found, dict):
        raise fail("T013", "a task is a mapping of keys to values", help="begin with `task_name: …`", file=TASK)
    return {key: value for key, value in found.items() if key != "sweep"}


def _check_conf(root: Path) -> None:
    """Every preset of the workspace, read as strictly as a task: Hydra itself would build objects and follow aliases.

    Raises UserError: T002 to T009.
    """
    for file in sorted((root / "conf").rglob("*.yaml")):
        try:
            parse_value(read_task(file), file.relative_to(root).as_posix())
        except ParseError as error:
            raise UserError(*error.diagnostics) from None


def _store(root: Path, task: dict[str, Any]) -> None:
    from hydra.core.config_store import ConfigStore

    import hydra_plugins.tunec_sweeps  # noqa: F401 - stores the launcher and the sweeper

    own = [f"file://{(root / 'conf').resolve()}"] if (root / "conf").is_dir() else []
    ConfigStore.instance().store(
        name=CONFIG,
        node={
            "defaults": [
                {"override hydra/launcher": "tunec"},
                {"override hydra/hydra_logging": "disabled"},
                {"override hydra/job_logging": "disabled"},
                "_self_",
            ],
            **task,
            "hydra": {
                "searchpath": own,
                "job": {"name": "tunec"},
                "run": {"dir": RESULTS},
                "sweep": {"dir": RESULTS, "subdir": "${hydra.job.num}"},
            },
        },
    )


@contextmanager
def _command_line(words: Sequence[str]) -> Iterator[None]:
    """Hydra reads sys.argv, and words errors itself unless it is told to raise them."""
    before, error = sys.argv, os.environ.get("HYDRA_FULL_ERROR")
    sys.argv, os.environ["HYDRA_FULL_ERROR"] = ["tunec sweep", *words], "1"
    try:
        yield
    finally:
        sys.argv = before
        if error is None:
            del os.environ["HYDRA_FULL_ERROR"]
        else:
            os.environ["HYDRA_FULL_ERROR"] = error


def _worded(error: Exception) -> UserError:
    lines = [line.strip() for line in f"{error}\n{error.__cause__ or ''}".splitlines() if line.strip()]
    wanted = str(getattr(error, "missing_cfg_file", None) or "").rpartition("/")[2]
    near = did_you_mean(wanted, list(getattr(error, "options", None) or ())) if wanted else None
    if lines and lines[0].startswith("Ambiguous value"):  # a comma, which is for Hydra's multirun alone
        key, _, values = lines[0].rpartition(" ")[2].strip("'+").partition("=")
        many = f"say `tunec sweep -m {key}={values}` to try each of the values"
        return fail("T511", "without `-m` a sweep is one build, and takes one value a key", help=many)
    help = near or "see https://hydra.cc/docs/advanced/override_grammar/basic/, or `tunec sweep --hydra-help`"
    return fail("T511", f"Hydra: {lines[0] if lines else type(error).__name__}", notes=tuple(lines[1:4]), help=help)
