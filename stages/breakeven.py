"""What the tuned model and the prompted one have cost after each month: where the lines cross, the first has paid."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from stages.drawing import ACCENT, INK, LINE, NARROW, SOFT, WIDE, bare_axes


def breakeven(curve: Sequence[Mapping[str, float]], currency: str, *, narrow: bool) -> str:
    """curve: {month, tuned, prompted} by month, from 0 on; both summed up, the experiment in the first."""
    text = 11.5 if narrow else 13
    with bare_axes(NARROW if narrow else WIDE, 240 if narrow else 300, (56, 14 if narrow else 150), 42, text) as drawn:
        axes, svg = drawn
        axes.grid(axis="y", color=LINE, linewidth=0.8)
        months = [point["month"] for point in curve]
        for name, colour, width in (("prompted", INK, 1.6), ("tuned", ACCENT, 2.2)):
            values = [point[name] for point in curve]
            axes.plot(months, values, color=colour, linewidth=width)
            if not narrow:
                at = {"transform": axes.get_yaxis_transform(), "va": "center", "fontsize": text, "parse_math": False}
                axes.text(1.02, values[-1], f"{name} {money(values[-1])}", color=colour, **at)
        axes.set_ylim(bottom=0)
        axes.margins(x=0.01)
        axes.locator_params(integer=True, nbins=6 if narrow else 12, axis="x")
        axes.set_xlabel(f"{currency} after so many months", color=SOFT, fontsize=text, parse_math=False)
    return svg()


def money(value: float | None, currency: str | None = None) -> str:
    """`1,234 USD`, `12.30 USD`, `0.0123 USD`; `unknown` for None."""
    if value is None:
        return "unknown"
    size = abs(value)
    written = f"{value:,.0f}" if size >= 100 else f"{value:.2f}" if size >= 1 or not value else f"{value:.3g}"
    return f"{written} {currency}" if currency else written
