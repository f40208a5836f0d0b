"""The data card counts rows by column, field and tag."""

from __future__ import annotations

from stages.contract import Contract
from stages.datacard import data_card
from stages.rows import Row


def test_it_counts_what_goes_in_and_what_comes_out() -> None:
    rows = [Row("1", {"text": "a", "kinds": ["x"]}, {"time": "7"}, tags=("web",)), Row("2", {"text": "b"}, {})]
    rows.append(Row("3", {"text": "c"}, {}, parent="1"))
    splits = {"train": 2, "dev": 0, "test": 0, "golden": 0, "adversarial": 0}
    page = "\n".join(data_card("slots", rows, splits, "0" * 64, Contract(type="json", schema_={"type": "object"})))
    for line in (
        "| text | 3 |",
        "| kinds | 1 |",
        "| time | 1 |",
        "| web | 1 |",
        "| train | 2 |",
        "Made from another row, which they name: 1 row.",
    ):
        assert line in page
