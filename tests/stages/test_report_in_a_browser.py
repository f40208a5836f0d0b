"""The page in headless Chromium: its sections are drawn, in wide and in narrow, and nothing scrolls sideways."""

from __future__ import annotations

import html
import json
import re
import shutil
import subprocess
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest

from stages.report import STAGE, Outputs
from stages.scatter import Point, pareto
from tests.stages.made_up_build import made_up, params

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
pytestmark = [pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium"), pytest.mark.slow]
PHONE = 390
SECTIONS = ("gates", "test", "intervals", "dev", "training", "worth", "pareto", "cost", "labels", "calibration")
SECTIONS += ("fields", "clusters", "export", "data", "provenance", "flips", "rows")


def browser(*arguments: str, home: Path) -> str:
    """What Chromium prints. --no-sandbox: it refuses to run as root otherwise, and reads our own page alone."""
    told = [
        "--headless=new",
        "--no-sandbox",
        "--disable-gpu",
        "--hide-scrollbars",
        f"--user-data-dir={home / 'profile'}",
    ]
    command = [str(CHROMIUM), *told, *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=True).stdout


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("browser")
    out = Outputs(folder / "report.html", folder / "report.json")
    STAGE.run(made_up(folder / "build"), params(), out)
    return out.page


def test_every_section_has_its_place_on_the_page(page: Path) -> None:
    dom = browser("--dump-dom", page.as_uri(), home=page.parent)
    assert [name for name in SECTIONS if f'<section id="{name}"' not in dom] == []
    assert '<div class="banner ship"' in dom and '<section class="slice"' in dom
    assert dom.index('class="banner') < min(dom.index(f'<section id="{name}"') for name in SECTIONS), (
        "the verdict first"
    )


@pytest.mark.parametrize("width", [1280, PHONE])
def test_every_section_is_drawn_and_none_lies_over_another(page: Path, width: int) -> None:
    """What Chromium lays out: each section has a height, begins below the one before, and its plots have ink."""
    boxes = measured(
        page,
        width,
        "[...d.querySelectorAll('main > section, main > .banner')].map(e => [e.id || e.className,"
        " Math.round(e.getBoundingClientRect().top), Math.round(e.getBoundingClientRect().height),"
        " [...e.querySelectorAll('svg')].filter(v => v.getBoundingClientRect().width > 0).length])",
    )
    names = [name for name, *_ in boxes]
    assert {*SECTIONS} <= {*names} and all(height > 20 for _, _, height, _ in boxes)
    ends = [top + height for _, top, height, _ in boxes]
    assert all(below >= end for end, (_, below, _, _) in zip(ends, boxes[1:], strict=False))
    drawn = {name: plots for name, _, _, plots in boxes}
    assert {name: drawn[name] for name in ("intervals", "training", "pareto", "calibration", "cost")} == {
        "intervals": 1,
        "training": 1,
        "pareto": 2,
        "calibration": 1,
        "cost": 1,
    }, "of the two that stand there, wide and narrow, the one that fits"


def test_nothing_scrolls_sideways_on_a_phone(page: Path) -> None:
    width, sticking_out = measured(
        page,
        PHONE,
        "[d.documentElement.scrollWidth, [...d.querySelectorAll('body *')].filter(e => !e.closest('.scroll')"
        f" && e.getBoundingClientRect().right > {PHONE} + 0.5).map(e => e.tagName + '.' + e.className).slice(0, 5)]",
    )
    assert (width, sticking_out) == (PHONE, [])


def test_no_table_breaks_its_words_into_letters_on_a_phone(page: Path) -> None:
    """A table that is too wide scrolls in its place."""
    broken = measured(
        page,
        PHONE,
        "[...d.querySelectorAll('.scroll th, .scroll td')].filter(e => e.textContent.trim().length > 6"
        " && e.clientWidth < 45 && e.clientWidth > 0).map(e => e.textContent.trim()).slice(0, 5)",
    )
    assert broken == []


@pytest.mark.parametrize("narrow", [False, True])
def test_no_figure_beside_a_plot_is_cut_off(tmp_path: Path, narrow: bool) -> None:
    """As three decimals are, which systems that are nearly alike have."""
    svg = pareto([Point("a", 1, 0.158), Point("b", 2, 0.1605), Point("c", 3, 0.172)], "MB", narrow=narrow)
    (tmp_path / "plot.html").write_text(f"<!doctype html><div style='font-family: sans-serif'>{svg}</div>", "utf-8")
    cut = measured(
        tmp_path / "plot.html",
        380 if narrow else 1000,
        "[...d.querySelectorAll('svg text')].filter(e => e.getBoundingClientRect().left"
        " < d.querySelector('svg').getBoundingClientRect().left).map(e => e.textContent)",
    )
    assert cut == []


@pytest.mark.parametrize("narrow", [False, True])
def test_no_name_in_a_plot_lies_over_another(tmp_path: Path, narrow: bool) -> None:
    """As Chromium letters them, in the page's own fonts."""
    dots = [Point(f"smollm2-135m-r{n}", 100 + n % 5, 0.8 + n % 3 / 500, chosen=n == 4) for n in range(9)]
    style = "<style>svg text { font-family: 'Noto Sans', Arial, sans-serif !important }</style>"
    svg = pareto(dots, "MB", narrow=narrow)
    width = 342 if narrow else 960
    (tmp_path / "plot.html").write_text(f"<!doctype html>{style}<div style='width: {width}px'>{svg}</div>", "utf-8")
    boxes = measured(
        tmp_path / "plot.html",
        width + 40,
        "[...d.querySelectorAll('svg text')].filter(e => e.textContent.trim()).map(e => e.getBoundingClientRect())"
        ".map(b => [b.left, b.top, b.right, b.bottom])",
    )
    over = [(a, b) for a, b in combinations(boxes, 2) if a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]]
    assert len(boxes) >= 15 and over == []


def measured(page: Path, width: int, script: str) -> Any:
    """What a script says of the page `d`, which stands in a frame of this width; the page around it writes it down."""
    told = page.with_name("framed.html")
    inner = re.sub(r'<meta http-equiv="Content-Security-Policy"[^>]*>', "", page.read_text(encoding="utf-8"))
    page.with_name("inner.html").write_text(inner, encoding="utf-8")
    whole = (
        "onload = () => { const d = document.querySelector('iframe').contentDocument;"
        f"document.title = JSON.stringify({script}) }}"
    )
    frame = f'<iframe src="inner.html" width="{width}" height="3000" style="border:0"></iframe>'
    told.write_text(f"<!doctype html><title>none</title>{frame}<script>{whole}</script>", encoding="utf-8")
    allowed = ("--allow-file-access-from-files", "--virtual-time-budget=3000", "--dump-dom")
    dom = browser(*allowed, told.as_uri(), home=page.parent)
    title = re.search(r"<title>([^<]*)</title>", dom)
    assert title
    return json.loads(html.unescape(title[1]))


@pytest.mark.parametrize(("width", "name"), [(1280, "wide"), (PHONE, "narrow")])
def test_a_screenshot_of_the_sections_is_no_blank(page: Path, width: int, name: str) -> None:
    from PIL import Image

    file = page.with_name(f"{name}.png")
    browser(f"--screenshot={file}", f"--window-size={width},9000", page.as_uri(), home=page.parent)
    with Image.open(file) as picture:
        assert picture.size == (width, 9000)
        bands = [picture.convert("L").crop((0, top, width, top + 500)) for top in range(0, 5000, 500)]
        spans = [band.getextrema() for band in bands]
    assert all(isinstance(low, int | float) and high - low > 60 for low, high in spans), "every band has ink on paper"  # type: ignore[operator]
