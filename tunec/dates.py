"""The day that it is."""

from __future__ import annotations

import os
from datetime import UTC, date, datetime


def today() -> date:
    """Today in UTC; the day of SOURCE_DATE_EPOCH (seconds) where that is set, as reproducible builds have it."""
    given = os.environ.get("SOURCE_DATE_EPOCH", "")
    return (
        datetime.fromtimestamp(int(given), UTC) if given.isascii() and given.isdigit() else datetime.now(UTC)
    ).date()
