"""A base model's files with the task's chat template among them, as transformers and the converter look for it."""

from __future__ import annotations

import hashlib
import shutil
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from stages.rows import dumps, sha256

if TYPE_CHECKING:
    from stages.base_model import Located

TEMPLATE = "chat_template.jinja"  # where transformers looks
FOLDER = ".templated"


def with_template(found: Located, template: Path) -> Path:
    """A folder of links to the model's files and to the template.

    It lies beside the folder that the template is in, outside all outputs (build/model-NAME/.templated/KEY/): links
    into this machine are no part of what is built. Those of another template, or of other files, go when it comes.
    Stages may make it at the same time: a link is there or not, and each of them adds those that are not.
    """
    files = {file.name: file.resolve() for file in found.files()} | {TEMPLATE: template.resolve()}
    home = template.parents[1] / FOLDER / _key(files, template)
    home.mkdir(parents=True, exist_ok=True)
    for name, file in files.items():
        with suppress(FileExistsError):
            (home / name).symlink_to(file)
    for other in home.parent.iterdir():
        if other != home:
            shutil.rmtree(other, ignore_errors=True)
    return home


def _key(files: dict[str, Path], template: Path) -> str:
    given = dumps([{name: str(file) for name, file in files.items()}, sha256(template)])
    return hashlib.sha256(given.encode()).hexdigest()[:16]
