"""A workspace that exists in memory only."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase

from compiler.workspace import Peek, Preset, literal


@dataclass(frozen=True)
class Memory:
    """See compiler.workspace.Workspace."""

    files: frozenset[str] = frozenset()
    groups: Mapping[str, Mapping[str, Preset]] = field(default_factory=dict)
    peeks: Mapping[str, Peek] = field(default_factory=dict)
    counted: Mapping[str, int] | None = None
    texts: Mapping[str, str] = field(default_factory=dict)
    models: Mapping[str, int] = field(default_factory=dict)

    def glob(self, pattern: str) -> list[str]:
        return sorted(path for path in self.files if _matches(path.split("/"), literal(pattern).split("/")))

    def escapes(self, path: str) -> bool:
        return False

    def peek(self, file: str, format: str) -> Peek | None:
        return self.peeks.get(file)

    def text(self, file: str) -> str:
        return self.texts.get(file, "")

    def labels(self, files: list[str]) -> Mapping[str, int] | None:
        return self.counted

    def weights(self, model: str) -> int | None:
        return self.models.get(model)

    def presets(self, group: str) -> list[Mapping[str, Preset]]:
        return [self.groups.get(group, {})]


def _matches(path: list[str], pattern: list[str]) -> bool:
    return len(path) == len(pattern) and all(map(fnmatchcase, path, pattern))
