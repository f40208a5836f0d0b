"""Where an import takes place: the workspace of the new task.yaml, and the folders that paths may count from."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from compiler.parse import ParseError, parse
from compiler.resolve import HUB_ID
from tunec.workspace import Disk

RAW = "data/raw"
READABLE = (".jsonl", ".csv", ".parquet")
_REMOTE = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")
_PLAIN = re.compile(r"[^A-Za-z0-9._-]+")


@dataclass(frozen=True)
class Found:
    """Rows as task.yaml names them. todo: what has to be done before they are there; None when they are."""

    path: str
    format: str | None = None
    todo: str | None = None


@dataclass(frozen=True)
class Place:
    """root: the folder of task.yaml. near: where the foreign file's relative paths may count from, likeliest first."""

    root: Path
    near: tuple[Path, ...]

    def preset_of(self, repo: str, revision: str | None) -> str | None:
        """The base model preset that holds this Hub repo, at this revision where one is asked for."""
        for layer in reversed(Disk(self.root).presets("base_model")):
            for name, preset in sorted(layer.items()):
                try:
                    node = parse(preset.text, preset.file)
                except ParseError:
                    continue
                named, pinned = node.get("base_model.repo"), node.get("base_model.revision")
                if named and named.value == repo and (not revision or (pinned and pinned.value == revision)):
                    return name
        return None

    def inside(self, written: str) -> str | None:
        """A file or folder that is there and below the workspace, as a path relative to it."""
        for path in self._there(written):
            if path.resolve().is_relative_to(self.root.resolve()):
                return path.resolve().relative_to(self.root.resolve()).as_posix()
        return None

    def rows(self, written: str, name: str | None = None, split: str | None = None, folder: str = "") -> Found:
        """Where the rows are that a foreign file names so. `folder` stands before it; `name`, `split`: see `hub`."""
        target = _raw(written)
        here = f"{folder}/{written}" if folder else written
        if not written.strip():
            return Found(f"{RAW}/rows.jsonl", todo=f"bring your rows to {RAW}/rows.jsonl")
        if inside := self.inside(here):
            return self._kept(inside)
        if self._there(here) or _REMOTE.match(written):
            return Found(
                target, todo=f"copy {_shown(written)} to {target}: tunec reads only what lies in the workspace"
            )
        if not Path(written).suffix and HUB_ID.fullmatch(written):
            return hub(written, name, split)
        return Found(target, todo=f"{_shown(written)} is not here: bring it to {target}")

    def _there(self, written: str) -> list[Path]:
        try:
            return [path for base in self.near if (path := base / written).exists()]
        except (OSError, ValueError):  # what no path can hold
            return []

    def _kept(self, inside: str) -> Found:
        path = self.root / inside
        if path.is_dir():
            return Found(f"{inside}/*" if inside != "." else "*")
        if path.suffix in READABLE:
            return Found(inside)
        target = _raw(inside)
        if path.suffix not in (".json", ""):
            return Found(target, todo=f"tunec reads JSONL, CSV and Parquet: rewrite {_shown(inside)} as {target}")
        if path.is_file() and not _is_array(path):
            return Found(inside, format="jsonl")
        how = f"jq -c '.[]' {_shown(inside)} > {target}"
        return Found(target, todo=f"write one JSON object a line, as {how} does")


def hub(repo: str, name: str | None = None, split: str | None = None) -> Found:
    """A dataset of the Hub, as the file to download it to. name: its configuration. split: train unless it is said."""
    named = [part for part in (name, split if split != "train" else None) if part]
    target = f"{RAW}/{_slug('-'.join([repo.rsplit('/', 1)[-1], *named]))}.jsonl"
    if not HUB_ID.fullmatch(repo) or not all(re.fullmatch(r"[\w.:%\[\]+-]+", part) for part in named):
        return Found(target, todo=f"download {_shown(repo)} from the Hub to {target}")
    asked = ", ".join([f"'{repo}'", *([f"'{name}'"] if name else []), f"split='{split or 'train'}'"])
    call = f"load_dataset({asked}).to_json('{target}')"
    return Found(target, todo=f'download {repo}: python -c "from datasets import load_dataset; {call}"')


def _shown(written: str) -> str:
    """A foreign path in a sentence: as it is where it is harmless in a shell, otherwise in quotes."""
    return written if re.fullmatch(r"[\w./:@+-]+", written, re.ASCII) else ascii(written)


def _is_array(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(4096).removeprefix(b"\xef\xbb\xbf").lstrip()[:1] == b"["


def _raw(written: str) -> str:
    """A file in data/raw/ that tunec can read, named after what the foreign file names."""
    name = Path(written.split("?")[0].rstrip("/").replace("\\", "/")).name
    suffix = Path(name).suffix
    return f"{RAW}/{_slug(Path(name).stem)}{suffix if suffix in READABLE else '.jsonl'}"


def _slug(name: str) -> str:
    return _PLAIN.sub("-", name).strip(".-")[:80] or "rows"
