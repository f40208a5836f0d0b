"""Keys, tokens and passwords. A model that was trained on one can be asked for it."""

from __future__ import annotations

from collections.abc import Iterator

from stages.catalog import DataGate
from stages.kinds import SECRETS
from stages.seen import Seen, Settings


def look(seen: Seen, settings: Settings) -> Iterator[str]:
    yield from (f"it holds a secret: {kind}" for kind in sorted(seen.personal) if kind in SECRETS)


DATA_GATE = DataGate(
    "secrets", "rows hold no keys or passwords", "reject", look, actions=("reject", "redact", "warn", "off")
)
