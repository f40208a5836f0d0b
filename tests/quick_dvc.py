"""DVC itself, in the process of the tests: a start of its own takes longer than most of what is asked of it."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from unittest import mock


@contextmanager
def quick_dvc() -> Iterator[Any]:
    """DVC's `Repo`, quiet, and spared most of its YAML, which takes more time than all else in a build this small: it
    is read and written as a worker of ours does, and dvc.lock at the end of a run instead of after each stage.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from dvc.dvcfile import ProjectFile
        from dvc.repo import Repo
        from dvc.utils import strictyaml
        from dvc.utils.serialize import _yaml

        from tunec.executing import worker

        logging.getLogger("dvc").setLevel(logging.CRITICAL)
        ran: dict[str, tuple[Any, list[Any]]] = {}  # the path of a dvc.yaml -> it, and those of its stages that ran

        def keep(pipeline: Any, stages: list[Any], **_: Any) -> None:
            ran.setdefault(pipeline.path, (pipeline, []))[1].extend(stages)

        write = ProjectFile._dump_lockfile
        with (
            mock.patch.object(worker, "_slow_parse", _yaml.parse_yaml),
            mock.patch.object(_yaml, "parse_yaml", worker.parse),
            mock.patch.object(strictyaml, "parse_yaml", worker.parse),
            mock.patch.object(_yaml, "parse_yaml_for_update", worker.parse),
            mock.patch.object(_yaml, "_dump", worker.dump),
            mock.patch.object(ProjectFile, "_dump_lockfile", keep),
        ):
            try:
                yield Repo
            finally:
                for pipeline, stages in ran.values():
                    write(pipeline, stages)
