"""The page in headless Chromium: its sections are drawn, in wide and in narrow, and nothing scrolls sideways."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from stages.report import STAGE, Outputs
from tests.stages.made_up_build import made_up, params

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
pytestmark = [pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium"), pytest.mark.slow]
PHONE = 390
SECTIONS = ("worth", "pareto", "cost", "labels", "calibration", "fields", "clusters", "export", "data", "provenance")


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


def test_nothing_scrolls_sideways_on_a_phone(page: Path) -> None:
    """The page stands in a frame of a phone's width, whose outer page, ours, writes down how wide it wants to be."""
    told = page.with_name("framed.html")
    inner = re.sub(r'<meta http-equiv="Content-Security-Policy"[^>]*>', "", page.read_text(encoding="utf-8"))
    page.with_name("inner.html").write_text(inner, encoding="utf-8")
    script = (
        "onload = () => { const d = document.querySelector('iframe').contentDocument;"
        "const wide = [...d.querySelectorAll('body *')].filter(e => !e.closest('.scroll')"
        f" && e.getBoundingClientRect().right > {PHONE} + 0.5).map(e => e.tagName + '.' + e.className);"
        "document.title = d.documentElement.scrollWidth + '|' + wide.slice(0, 5).join(' ') }"
    )
    frame = f'<iframe src="inner.html" width="{PHONE}" height="3000" style="border:0"></iframe>'
    told.write_text(f"<!doctype html><title>none</title>{frame}<script>{script}</script>", encoding="utf-8")
    allowed = ("--allow-file-access-from-files", "--virtual-time-budget=3000", "--dump-dom")
    dom = browser(*allowed, told.as_uri(), home=page.parent)
    title = re.search(r"<title>([^<]*)</title>", dom)
    assert title and title[1] == f"{PHONE}|"


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
