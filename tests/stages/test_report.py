"""The report: one page for people, one table for programs, from the same figures."""

from __future__ import annotations

import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from stages import report
from stages.base import Read
from stages.drawing import MOST_POINTS, read_curve, running_mean
from stages.flips import LONGEST, SHOWN, flip, read_flips
from stages.page import best_baseline, columns, size, speed
from stages.report import STAGE, Inputs, Outputs, ReportParams
from stages.rows import read_json, write_json
from tests.stages import made_up_build
from tests.stages.made_up_build import BASELINES, DEV, VARIANT, made_up, params


class Reader(HTMLParser):
    """Tags with their attributes, and the text that a person reads."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.texts.append(data)


def draw(inputs: Inputs, folder: Path, given: ReportParams | None = None) -> tuple[str, dict[str, Any]]:
    folder.mkdir(exist_ok=True)
    out = Outputs(folder / "report.html", folder / "report.json")
    STAGE.run(inputs, given or params(), out)
    return out.page.read_text(encoding="utf-8"), read_json(out.table)


@pytest.fixture(scope="module")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> Inputs:
    return made_up(tmp_path_factory.mktemp("build"))


@pytest.fixture(scope="module")
def drawn(inputs: Inputs, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, dict[str, Any]]:
    return draw(inputs, tmp_path_factory.mktemp("report"))


# ---------------------------------------------------------------- the page as a file


def test_the_page_asks_for_nothing_outside_itself(drawn: tuple[str, Any]) -> None:
    reader = Reader(drawn[0])
    assert {tag for tag, _ in reader.tags}.isdisjoint(
        {"script", "link", "iframe", "img", "object", "embed", "base", "form"}
    )
    pointing = [v for _, attrs in reader.tags for k, v in attrs.items() if k in ("src", "href", "xlink:href", "action")]
    assert pointing, "plots point to their own markers"
    assert all(value and value.startswith("#") for value in pointing)
    assert re.search(r"https?:|@import|//[a-z]", drawn[0]) is None
    assert all(target.startswith("#") for target in re.findall(r"url\(([^)]*)\)", drawn[0]))


def test_the_page_forbids_scripts_even_if_one_got_in(drawn: tuple[str, Any]) -> None:
    policies = [attrs["content"] for tag, attrs in Reader(drawn[0]).tags if attrs.get("http-equiv")]
    assert len(policies) == 1
    assert str(policies[0]).startswith("default-src 'none';") and "script" not in str(policies[0])


def test_no_tag_runs_anything(drawn: tuple[str, Any]) -> None:
    assert not [name for _, attrs in Reader(drawn[0]).tags for name in attrs if name.startswith("on")]


def test_the_same_inputs_give_the_same_bytes(inputs: Inputs, drawn: tuple[str, Any], tmp_path: Path) -> None:
    assert draw(inputs, tmp_path) == drawn


def test_a_matplotlibrc_in_the_workspace_changes_nothing(
    inputs: Inputs, drawn: tuple[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import matplotlib

    monkeypatch.setitem(matplotlib.rcParams, "axes.labelsize", 30)
    assert draw(inputs, tmp_path)[0] == drawn[0]


def test_no_path_or_year_is_named(inputs: Inputs, drawn: tuple[str, Any]) -> None:
    assert str(inputs.dev.parent) not in drawn[0]
    page = re.sub(r"</bdi> of 2026-01-01", "", drawn[0])  # the day of a price, which task.yaml or conf/ says
    assert not re.search(r"\b20[2-9]\d-\d\d", page)


def test_ids_of_several_plots_do_not_meet(drawn: tuple[str, Any]) -> None:
    ids = [attrs["id"] for _, attrs in Reader(drawn[0]).tags if "id" in attrs]
    named = set(re.findall(r'href="#([^"]+)"|url\(#([^)]+)\)', drawn[0]))
    assert len(ids) == len(set(ids))
    assert {name for pair in named for name in pair if name} <= set(ids)


def test_plots_take_their_colours_from_the_page(drawn: tuple[str, Any]) -> None:
    plots = "".join(re.findall(r"<svg.*?</svg>", drawn[0], flags=re.DOTALL))
    assert "var(--accent)" in plots
    assert set(re.findall(r"#[0-9a-f]{6}\b", plots)) <= {"#000000"}  # matplotlib's own default under every path


def test_every_plot_comes_for_wide_and_narrow_with_words_for_it(drawn: tuple[str, Any]) -> None:
    reader = Reader(drawn[0])
    told = [str(attrs["aria-label"]) for tag, attrs in reader.tags if attrs.get("role") == "img"]
    assert sum(tag == "svg" for tag, _ in reader.tags) == 2 * len(told) == 12
    assert "q5_k_m test 0.828 (0.82 to 0.84)" in told[0] and "threshold 0.75" in told[0]


def test_the_template_lies_beside_the_module_and_is_shipped() -> None:
    import tomllib

    root = Path(report.__file__).parent
    assert (root / "report.html.jinja").is_file()
    packed = tomllib.loads((root.parent / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["setuptools"][
        "package-data"
    ]
    assert "*.jinja" in packed["stages"]


# ---------------------------------------------------------------- what it says


def test_every_system_and_gate_is_on_the_page(drawn: tuple[str, dict[str, Any]]) -> None:
    html, table = drawn
    heads = re.findall(r'<th scope="row"><bdi>([^<]+)</bdi>', html)
    for system in table["systems"]:
        assert heads.count(system["label"]) == (system["dev"] is not None) + (system["test"] is not None)
    for gate in table["gates"]:
        assert gate["reason"] in html


def test_hostile_inputs_have_their_section_and_each_attack_its_line(drawn: tuple[str, dict[str, Any]]) -> None:
    part = drawn[0].partition('<section id="attacks">')[2].partition("</section>")[0]
    assert "45 inputs were made of test rows" in part and "11.0% of 24 got the answer that they demand" in part
    assert re.search(r'<th scope="row">open json</th><td class="number">3</td><td class="number">1</td>', part)


def test_how_long_an_answer_takes_is_told_or_that_it_was_not_measured(
    drawn: tuple[str, dict[str, Any]], tmp_path: Path
) -> None:
    unmeasured = "How long one answer takes was not measured; <code>evaluation: {latency: true}</code> does that."
    assert unmeasured in drawn[0] and "half of the answers" not in drawn[0]
    inputs = made_up(tmp_path / "build")
    speeds = read_json(inputs.test_speed)
    timed = {"latency_p50": 0.2, "latency_p95": 0.512}
    write_json(inputs.test_speed, {**speeds, "chosen": {**speeds["chosen"], **timed}})
    html, _ = draw(inputs, tmp_path)
    assert "half of the answers within 0.200 s, 95% within 0.512 s" in html and unmeasured not in html


@pytest.mark.parametrize("chosen", ["q5_k_m", "f16"])
def test_the_chosen_file_alone_is_marked(tmp_path: Path, chosen: str) -> None:
    html, table = draw(made_up(tmp_path / "build", chosen=chosen), tmp_path)
    assert [system["label"] for system in table["systems"] if system["chosen"]] == [chosen]
    rows = re.findall(
        r'<tr class="chosen">\s*<th scope="row"><bdi>([^<]+)</bdi> <span class="mark">chosen</span>', html
    )
    assert rows == [chosen, chosen]  # once on test, once on dev
    assert html.count(">chosen</span>") == 2


@pytest.mark.parametrize(
    ("verdict", "title", "why", "next"),
    [
        ("ship", "Ship", "passes all 3 gates", "build/package/"),
        ("do_not_ship", "Do not ship", "1 of 3 gates fails: slot_f1 is 0.828", "more or better training rows"),
        ("not_enough_evidence", "Not enough evidence", "3,731 test rows do not settle it", "more test rows"),
    ],
)
def test_the_banner_says_verdict_reason_and_next_step(
    tmp_path: Path, verdict: str, title: str, why: str, next: str
) -> None:
    html, _ = draw(made_up(tmp_path / "build", verdict=verdict), tmp_path)
    banner = html[html.index(f'<div class="banner {verdict}">') : html.index('<dl class="facts">')]
    assert f"<strong>{title}</strong>" in banner and why in banner and next in banner


def test_a_task_without_goal_or_version_says_nothing_of_them(inputs: Inputs, tmp_path: Path) -> None:
    html, _ = draw(inputs, tmp_path, params(goal=None, version=None, non_goals=None))
    assert 'class="goal"' not in html and 'class="version"' not in html and "None" not in Reader(html).texts


def test_a_step_shows_fifty_rows_and_counts_the_others(tmp_path: Path) -> None:
    html, _ = draw(made_up(tmp_path / "build", lost=70), tmp_path)
    assert html.count('<article class="flip">') == SHOWN + 1  # and the one row of the step before
    assert "70 lost, 3 gained" in html and "23 further rows" in html


def test_a_build_that_changed_no_row_says_so(inputs: Inputs, tmp_path: Path) -> None:
    (tmp_path / "flips.jsonl").write_text("")
    html, _ = draw(replace(inputs, flips=tmp_path / "flips.jsonl"), tmp_path)
    assert '<article class="flip">' not in html and "None: the chosen file" in html


def test_a_training_of_one_step_draws_no_curve(tmp_path: Path) -> None:
    html, _ = draw(made_up(tmp_path / "build", steps=1), tmp_path)
    assert "loss of each step" not in html and "<dt>Trained on</dt>" in html


# ---------------------------------------------------------------- the table


def test_the_table_holds_what_the_page_shows(drawn: tuple[str, dict[str, Any]]) -> None:
    html, table = drawn
    for system in table["systems"]:
        for part in ("dev", "test"):
            if system[part]:
                figure = system[part]["slot_f1"]
                assert f'{figure["value"]:.3f} <span class="range">{figure["low"]:.3f}' in html
    assert table["verdict"] == "ship" and table["rows"] == {"train": 7379, "dev": 819, "test": 3731}
    assert (table["primary"], table["served_rows_per_second"]) == ("slot_f1", 6.1)


def test_figures_come_from_the_stages_unchanged(inputs: Inputs, drawn: tuple[str, dict[str, Any]]) -> None:
    dev, test, reason = (read_json(path) for path in (inputs.dev, inputs.test, inputs.reason))
    systems = {system["name"]: system for system in drawn[1]["systems"]}
    assert {name: system["dev"] for name, system in systems.items()} == dev["systems"]
    assert {s["label"]: s["test"] for s in systems.values() if s["test"]} == test["systems"]
    assert {s["label"]: s["ahead"] for s in systems.values() if s["ahead"]} == test["ahead"]
    assert {name: s["bytes"] for name, s in systems.items() if s["bytes"]} == reason["bytes"]
    assert systems["rule"]["rows_per_second"] == 88_000.0


def test_systems_stand_from_weak_baselines_to_small_files(drawn: tuple[str, dict[str, Any]]) -> None:
    told = [(system["label"], system["kind"]) for system in drawn[1]["systems"]]
    weak_to_strong = sorted(BASELINES, key=lambda name: DEV[name])
    files = [("tuned", "tuned"), ("f16", "f16"), *((name, "quantized") for name in ("q8_0", "q5_k_m", "q4_k_m"))]
    assert told == [*((name, "baseline") for name in weak_to_strong), *files]


def test_a_sweep_keeps_variants_apart_even_when_one_name_begins_another(tmp_path: Path) -> None:
    inputs = made_up(tmp_path / "build")
    dev, other = read_json(inputs.dev), f"{VARIANT}-dora"
    dev["systems"] |= {f"{other}-{name}": made_up_build.figures(0.7, 0.02) for name in ("tuned", "f16")}
    write_json(inputs.dev, dev)
    html, table = draw(
        replace(
            inputs,
            curves=inputs.curves | {other: inputs.curves[VARIANT]},
            trainings=inputs.trainings | {other: inputs.trainings[VARIANT]},
        ),
        tmp_path,
    )
    assert [s["label"] for s in table["systems"] if s["variant"] == other] == ["tuned", "f16"]
    assert "the other variants" in html and f"<span>{other}</span>" in html


def test_of_the_data_stage_the_report_reads_what_is_true_of_accepted_rows_alone() -> None:
    read = {marker.output for group in STAGE.reads().values() for marker in group if isinstance(marker, Read)}
    assert {output for output in read if output.startswith("data.")} == {"data.facts"}
    many = {"curves", "trainings", "speeds", "baseline_speeds"}
    assert {name for name in many if STAGE.many(name)} == many


def test_the_page_counts_the_rows_that_went_with_their_group(inputs: Inputs, tmp_path: Path) -> None:
    splits = tmp_path / "splits.json"
    write_json(splits, {**read_json(inputs.splits), "with_group": {"golden": 1600, "test": 3}})
    html, _ = draw(replace(inputs, splits=splits), tmp_path / "report")
    assert "went with their group: 1,600 to golden, 3 to test." in html
    assert "went with their group" not in draw(inputs, tmp_path / "without")[0]


def test_the_page_tells_how_the_training_went_and_what_gave_a_signal(drawn: tuple[str, dict[str, Any]]) -> None:
    html, table = drawn
    text = re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", html))
    assert table["trainings"][VARIANT]["kept_step"] == 1476
    for told in (
        "Trained on 7,379 rows, 1,845 steps",
        "Loss 0.021 at the end, 0.090 on 200 dev rows",
        "Weights kept those of step 1,476",
        "Ended early the dev loss was no better than at step 1476 in 2 checks",
        "Rate 0.001, of three that were tried for 20 steps each (dev loss of 3.33e-05: 0.410, 0.001: 0.320,",
        "Loss of general rows 2.100 before, 2.200 after",
        "Overfitting The dev loss was least at step 1476 (0.090), and 0.121 at the end. Causes too many epochs Fix",
    ):
        assert told in text, told


def test_a_training_without_a_signal_or_a_dev_row_says_less(inputs: Inputs, tmp_path: Path) -> None:
    path = tmp_path / "training.json"
    write_json(path, {"rows": 8, "dev_rows": 0, "steps": 1, "train_loss": 0.1, "train_reward": 1.25})
    html, _ = draw(replace(inputs, trainings={VARIANT: path}), tmp_path)
    text = re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", html))
    assert "Trained on 8 rows, 1 step Reward 1.250 at the end" in text
    assert "Causes" not in text and "Weights kept" not in text


# ---------------------------------------------------------------- parts


def test_the_best_baseline_is_the_one_with_the_narrowest_lead(drawn: tuple[str, dict[str, Any]]) -> None:
    best = best_baseline(drawn[1]["systems"])
    assert best is not None and best["label"] == "rule"
    assert best_baseline([s for s in drawn[1]["systems"] if s["kind"] != "baseline"]) is None


def test_columns_begin_with_the_primary_metric_and_end_with_validity() -> None:
    figures = dict.fromkeys(("accuracy", "exact_match", "free_validity", "macro_f1", "schema_validity"))
    named = columns([{"dev": figures, "test": None}], "macro_f1")
    assert named == ["macro_f1", "exact_match", "accuracy", "schema_validity", "free_validity"]


def item(expected: Any, after: str) -> dict[str, Any]:
    before = '{"people": "2"}'
    return {
        "id": "a",
        "step": "f16 -> q4_k_m",
        "now": "wrong",
        "input": {},
        "expected": expected,
        "before": before,
        "after": after,
    }


def test_a_flip_marks_the_field_that_differs() -> None:
    lines = {line.field: line for line in flip(item({"people": "2"}, '{"people": "3", "time": "7pm"}')).lines}
    assert (lines["people"].after.text, lines["people"].after.off, lines["people"].before.off) == ("3", True, False)
    assert (lines["time"].expected.text, lines["time"].after.off) == (None, True)


def test_a_flip_tells_a_number_from_a_text_that_looks_like_it() -> None:
    (line,) = flip(item({"people": "2"}, '{"people": 2}')).lines
    assert (line.expected.text, line.after.text) == ('"2"', "2")


def test_an_unreadable_answer_is_shown_as_it_stands() -> None:
    (line,) = flip(item({"people": "2"}, '{"people": "2", "people": "2"}')).lines
    assert line.field is None and line.after.text == '{"people": "2", "people": "2"}' and line.after.off


def test_a_long_text_is_cut_and_says_by_how_much() -> None:
    (line,) = flip(item("a", "x" * (LONGEST + 1200))).lines
    assert line.after.text == "x" * LONGEST + "… (1,200 characters more)"


def test_lost_rows_come_before_gained_ones(inputs: Inputs) -> None:
    last = read_flips(inputs.flips)[-1]
    assert [row.lost for row in last.shown] == [True] * 7 + [False] * 3
    assert (last.before, last.after, last.more) == ("f16", "q5_k_m", 0)


def test_a_curve_is_thinned_and_its_gaps_are_left_out(tmp_path: Path) -> None:
    path = tmp_path / "curve.csv"
    path.write_text(
        "step,loss,dev_loss\n"
        + "".join(f"{n},{1 / n},{0.5 if n == 9 else ''}\n" for n in range(1, 5001))
        + "5001,nan,\n"
    )
    curve = read_curve(path)
    assert len(curve.steps) <= MOST_POINTS and curve.dev == ((9.0, 0.5),)
    assert curve.steps[0] == 7.0 and curve.steps[-1] <= 5000  # thirteen steps a point
    assert running_mean([1.0, 1.0, 4.0]) == [1.0, 2.0, 2.5]


def test_numbers_are_written_for_people() -> None:
    assert [size(n) for n in (999, 144_800_000, 1_240_000_000)] == ["999 B", "145 MB", "1.24 GB"]
    assert [speed(n) for n in (6.14, 123.4, 912_000)] == ["6.1", "123", "> 10,000"]
