from __future__ import annotations

from io import StringIO

from rich.console import Console

from tunec import table

FIGURE = {"value": 0.8123, "low": 0.7512, "high": 0.8634}
NAME = "a-base-model-with-a-long-name-r16-q4_k_m"
REPORT = {
    "primary": "slot_f1",
    "systems": [{"name": NAME, "chosen": True, "dev": {"slot_f1": FIGURE}, "test": {"slot_f1": FIGURE}, "bytes": 7e7}],
    "gates": [{"gate": "threshold", "status": "pass", "reason": "slot_f1 is 0.81"}],
    "verdict": "ship",
}


def test_every_figure_is_printed_whole_where_the_console_is_narrow() -> None:
    out = StringIO()
    table.show(REPORT, Console(file=out, width=40, soft_wrap=True))
    assert f"{NAME} *  0.812 [0.75, 0.86]  0.812 [0.75, 0.86]" in out.getvalue()
    assert "…" not in out.getvalue()
