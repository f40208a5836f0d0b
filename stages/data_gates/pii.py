"""Personal data: mail addresses, phones, cards, accounts, national ids, hosts. What was found is named, never shown."""

from __future__ import annotations

from collections.abc import Iterator

from stages.catalog import DataGate
from stages.kinds import PERSONAL
from stages.seen import Seen, Settings


def look(seen: Seen, settings: Settings) -> Iterator[str]:
    yield from (f"it holds personal data: {kind}" for kind in sorted(seen.personal) if kind in PERSONAL)


DATA_GATE = DataGate("pii", "rows hold no personal data", "warn", look, actions=("reject", "redact", "warn", "off"))
