"""DVC itself, in the process of the tests: a start of its own takes longer than most of what is asked of it."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from copy import deepcopy
from typing import Any
from unittest import mock

_parsed: dict[tuple[str, str], Any] = {}


@contextmanager
def quick_dvc() -> Iterator[Any]:
    """DVC's `Repo`, quiet, and spared most of its YAML, which takes more time than all else in a build this small: a
    text is parsed once, and dvc.lock is written at the end of a run instead of after each stage.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from dvc.dvcfile import ProjectFile
        from dvc.repo import Repo
        from dvc.utils.serialize import _yaml

        logging.getLogger("dvc").setLevel(logging.CRITICAL)
        ran: list[Any] = []
        file: list[Any] = []

        def keep(pipeline: Any, stages: list[Any], **_: Any) -> None:
            file[:] = [pipeline]
            ran.extend(stages)

        write = ProjectFile._dump_lockfile
        with (
            mock.patch.object(_yaml, "parse_yaml", _once(_yaml.parse_yaml)),
            mock.patch.object(ProjectFile, "_dump_lockfile", keep),
        ):
            try:
                yield Repo
            finally:
                if ran:
                    write(file[0], ran)


def _once(parse: Callable[..., Any]) -> Callable[..., Any]:
    def parsed(text: str, path: str, typ: str = "safe") -> Any:
        if (text, typ) not in _parsed:
            _parsed[text, typ] = parse(text, path, typ)
        return deepcopy(_parsed[text, typ])

    return parsed
