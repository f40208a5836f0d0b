"""The dataset factory on rows made for it: time, memory, and what it finds of what was planted.

    .venv/bin/python benchmarks/data.py [near | datasketch | personal | leaks | rows [ROWS]]

A part alone takes less than ten minutes on two cores, nearly all of it `rows` with its 1,000,000.
Rows are 30 to 60 words of a made-up vocabulary, with one of four labels. Of 100, three stand there twice, five are
near-duplicates, two hold personal data, and one is a test row that a train row tells again. What is compared by words
here is compared by code of its own, so that a mistake in stages/likeness.py would show.
"""

from __future__ import annotations

import json
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "benchmarks")]

from figures import figure  # noqa: E402

LABELS = ("account", "refund", "shipping", "other")
TASK = """\
task_name: intents
task_type: classification
input_template: "{text}"
output_format: {type: label, schema: {enum: [account, refund, shipping, other]}}
data: {sources: [{path: data/raw/rows.jsonl}]}
training: {base_model: smollm2-135m}
success_criteria: {threshold: 0.7}
"""
RUN = "import sys; sys.path.insert(0, {root!r}); from benchmarks.data import stages_here; stages_here()"
PRESIDIO = ROOT / "tests" / "data" / "presidio_pii_small.jsonl"


def main(part: str = "all", many: int = 1_000_000) -> None:
    parts: dict[str, Callable[[Path], None]] = {
        "near": near_duplicates,
        "datasketch": lambda folder: against_datasketch(),
        "personal": lambda folder: personal_data(),
        "leaks": planted_leaks,
        "rows": lambda folder: growing(folder, many),
    }
    if part not in (*parts, "all"):
        sys.exit(f"{part} is none of {', '.join(parts)}, all")
    for name in parts if part == "all" else [part]:
        with tempfile.TemporaryDirectory() as folder:
            parts[name](Path(folder) / name)


def growing(folder: Path, many: int) -> None:
    """A tenth of the rows, then all of them."""
    tenth, _ = whole(folder / "tenth", many // 10)
    seconds, memory = whole(folder / "whole", many)
    figure(f"data_and_splits_of_{many:,}_rows", seconds, "s", 360 * many / 1_000_000)
    figure("peak_memory_of_all_processes", memory / 1e9, "GB", 1.2)
    figure("time_of_ten_times_the_rows", seconds / tenth, "times", 11)


# ---------------------------------------------------------------- rows


class Maker:
    """Texts of a vocabulary whose words have the lengths and the frequencies of a language's, about."""

    def __init__(self, seed: int) -> None:
        self.chance = random.Random(seed)  # noqa: S311
        letters = "etaoinshrdlucmfwypvbg"
        self.words = ["".join(self.chance.choices(letters, k=self.chance.randint(2, 9))) for _ in range(30_000)]
        self.weights = [1 / (n + 20) for n in range(len(self.words))]
        total = 0.0
        self.sums = [total := total + weight for weight in self.weights]

    def text(self) -> list[str]:
        return self.chance.choices(self.words, cum_weights=self.sums, k=self.chance.randint(30, 60))

    def changed(self, words: list[str], times: int = 1) -> list[str]:
        found = list(words)
        for _ in range(times):
            found[self.chance.randrange(len(found))] = self.chance.choice(self.words)
        return found


def rows(many: int, seed: int = 1) -> Iterator[dict[str, Any]]:
    maker = Maker(seed)
    before: list[tuple[list[str], str]] = []
    for number in range(many):
        label, kind = maker.chance.choice(LABELS), maker.chance.random()
        if before and kind < 0.09:
            words, label = maker.chance.choice(before)
            words = words if kind < 0.03 else maker.changed(words) if kind < 0.08 else [w.upper() for w in words]
        else:
            words = maker.text()
            words += ["mail", f"{words[0]}{number}@example.com"] if kind > 0.98 else []
            before = [*before[-200:], (words, label)]
        split = {"split": "test"} if 0.08 <= kind < 0.09 else {}
        yield {"text": " ".join(words), "label": label, **split}


def write(folder: Path, lines: Iterator[dict[str, Any]]) -> None:
    (folder / "data" / "raw").mkdir(parents=True)
    (folder / "task.yaml").write_text(TASK, encoding="utf-8")
    with (folder / "data" / "raw" / "rows.jsonl").open("w", encoding="utf-8") as out:
        out.writelines(json.dumps(line, ensure_ascii=False) + "\n" for line in lines)


def stages_here() -> None:
    """Run the stages `data` and `splits` on the task in this folder, as a build does."""
    from stages import data, splits
    from tunec.compiling import compile_workspace

    plan = compile_workspace(Path(), []).plan
    for stage, inputs in ((data, plan["data"].inputs), (splits, plan["splits"].inputs)):
        home = Path("build", stage.STAGE.name)
        home.mkdir(parents=True, exist_ok=True)
        given = {name: tuple(map(Path, v)) if isinstance(v, list) else Path(v) for name, v in inputs.items()}
        out = stage.STAGE.outputs(**{name: home / one.path for name, one in stage.STAGE.writes().items()})
        stage.STAGE.run(stage.STAGE.inputs(**given), stage.STAGE.params(**plan[stage.STAGE.name].params), out)


def built(folder: Path) -> tuple[float, int]:
    """(seconds, peak bytes of the process and those that it starts, shared pages counted once)."""
    import psutil

    began, peak = time.perf_counter(), 0
    process = subprocess.Popen([sys.executable, "-c", RUN.format(root=str(ROOT))], cwd=folder)
    while process.poll() is None:
        held = 0
        for one in [psutil.Process(process.pid), *psutil.Process(process.pid).children(recursive=True)]:
            try:
                held += one.memory_full_info().pss
            except psutil.Error:
                continue
        peak = max(peak, held)
        time.sleep(0.25)
    if process.returncode:
        sys.exit(f"the stages ended with {process.returncode}")
    return time.perf_counter() - began, peak


def jsonl(path: Path) -> list[Any]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def whole(folder: Path, many: int) -> tuple[float, int]:
    write(folder, rows(many))
    seconds, peak = built(folder)
    report = json.loads((folder / "build" / "data" / "report.json").read_text(encoding="utf-8"))
    assert report["read"] == many == report["accepted"] + report["rejected"]
    splits = json.loads((folder / "build" / "splits" / "report.json").read_text(encoding="utf-8"))
    figure(f"seconds_of_{many:,}_rows", seconds, "s", None)
    figure(f"near_duplicates_in_{many:,}_rows", report["gates"]["near"]["rejected"], "rows", None)
    figure(f"leaks_in_{many:,}_rows", splits["leaks"], "rows", None)
    return seconds, peak


# ---------------------------------------------------------------- near-duplicates


def similarity(one: str, other: str) -> float:
    """Jaccard of word trigrams, said anew."""
    left, right = (
        {tuple(t[n : n + 3]) for n in range(len(t) - 2)} for t in (one.lower().split(), other.lower().split())
    )
    return len(left & right) / len(left | right)


def near_duplicates(folder: Path) -> None:
    """Pairs from one changed word to eight; what should be found is said by `similarity`."""
    maker = Maker(7)
    lines: list[dict[str, Any]] = []
    pairs: dict[int, int] = {}
    for _ in range(20_000):
        lines.append({"text": " ".join(maker.text()), "label": "refund"})
        if maker.chance.random() < 0.25:
            pairs[len(lines)] = len(lines) - 1
            copy = maker.changed(lines[-1]["text"].split(), maker.chance.randint(1, 8))
            lines.append({"text": " ".join(copy), "label": "refund"})
    write(folder, iter(lines))
    built(folder)
    dropped = [r for r in jsonl(folder / "build" / "data" / "rejected.jsonl") if r["gate"] in ("near", "duplicates")]
    found = {frozenset((r["line"] - 1, int(r["twin"].rpartition(":")[2]) - 1)) for r in dropped}
    alike = {frozenset(pair) for pair in pairs.items() if similarity(*(lines[n]["text"] for n in pair)) >= 0.8}
    wrong = [pair for pair in found if similarity(*(lines[n]["text"] for n in pair)) < 0.8]
    figure("near_duplicates_planted", len(alike), "pairs", None)
    figure("near_duplicates_missed", 1 - len(alike & found) / len(alike), "share", 0.02)
    figure("near_duplicates_wrong", len(wrong) / len(found), "share", 0.05)


def against_datasketch() -> None:
    """Signatures and the pairs that they give, by both; ours with every pair compared in full."""
    import numpy as np
    from datasketch import MinHash, MinHashLSH

    from stages.judging_rows import BATCH
    from stages.likeness import jaccard, shingles, words
    from stages.sketches import clusters, sketch

    texts = [row["text"] for row in rows(20_000, seed=3)]
    tokens = [words(text) for text in texts]
    batches = [tokens[at : at + BATCH] for at in range(0, len(tokens), BATCH)]  # as the data stage has them
    sketch(batches[0])
    began = time.perf_counter()
    sets = cache(lambda number: set(shingles(tokens[number])))

    def alike(one: int, other: int) -> bool:
        return jaccard(sets(one), sets(other)) >= 0.8

    clusters(np.concatenate([sketch(batch) for batch in batches]), alike)
    ours = time.perf_counter() - began
    began, index = time.perf_counter(), MinHashLSH(threshold=0.8, num_perm=128)
    for number, text in enumerate(tokens):
        one = MinHash(num_perm=128)
        for shingle in shingles(text):
            one.update(shingle.encode())
        index.query(one)
        index.insert(number, one)
    theirs = time.perf_counter() - began
    figure("near_duplicates_rows_a_second", len(texts) / ours, "rows/s", None)
    figure("datasketch_rows_a_second", len(texts) / theirs, "rows/s", None)
    figure("time_per_datasketchs", ours / theirs, "times", 1 / 40)


# ---------------------------------------------------------------- personal data


def personal_data() -> None:
    from stages.personal import find

    maker = Maker(5)
    missed, total = 0, 0
    for kind, value in planted(maker.chance, 200):
        words = maker.text()
        words[len(words) // 2] = value
        total += 1
        missed += all(found != kind for found, _, _ in find(" ".join(words)))
    figure("structured_personal_data_missed", missed / total, "share", 0.01)
    clean = [" ".join(maker.text()) for _ in range(20_000)]
    figure("clean_rows_with_false_alarms", sum(bool(find(text)) for text in clean), "rows of 20,000", 0)
    texts = [row["text"] for row in rows(20_000, seed=9)]
    began = time.perf_counter()
    for text in texts:
        find(text)
    figure("personal_data_time_a_row", (time.perf_counter() - began) / len(texts) * 1e6, "us", 100)
    _presidio(find)


def _presidio(find: Callable[[str], Any]) -> None:
    """By the entity types of a public data set of made-up sentences; names and places are not found."""
    seen: dict[str, list[bool]] = {}
    for row in jsonl(PRESIDIO):
        spans = [(start, end) for _, start, end in find(row["text"])]
        for entity in row["entities"]:
            hit = any(start < entity["end"] and end > entity["start"] for start, end in spans)
            seen.setdefault(entity["type"], []).append(hit)
    for kind, hits in sorted(seen.items()):
        figure(f"presidio_{kind.lower()}_found_of_{len(hits)}", sum(hits) / len(hits), "share", None)


def planted(chance: random.Random, times: int) -> Iterator[tuple[str, str]]:
    """(kind, value) of what has a form, as it is written in practice."""
    digits = lambda many: "".join(chance.choices("0123456789", k=many))  # noqa: E731
    letters = lambda many: "".join(chance.choices("ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnpqrstuvwxyz0123456789", k=many))  # noqa: E731
    for _ in range(times):
        yield "email", f"{letters(6).lower()}.{letters(4).lower()}@{letters(5).lower()}.com"
        yield "card", _with_luhn(f"4{digits(14)}", chance)
        yield "iban", _iban("DE", digits(18))
        yield "us_ssn", f"{chance.randint(1, 665):03}-{chance.randint(1, 99):02}-{chance.randint(1, 9999):04}"
        yield "uk_nino", f"AB{digits(6)}C"
        yield "tw_id", _taiwan(f"A1{digits(7)}")
        yield (
            "cn_id",
            _china(f"110105{chance.randint(1950, 2005)}0{chance.randint(1, 9)}1{chance.randint(0, 9)}{digits(3)}"),
        )
        yield "phone", f"+1 {chance.choice(('212', '415', '312'))}-{chance.randint(220, 990)}-{digits(4)}"
        yield "phone", f"09{chance.randint(10, 39)}-{digits(3)}-{digits(3)}"
        yield (
            "ip",
            ".".join(map(str, (chance.choice((8, 54, 93)), *(chance.randint(1, 254) for _ in range(3))))),
        )
        yield "aws_key", f"AKIA{letters(16).upper()}"
        yield "github_token", f"ghp_{letters(36)}"
        yield "slack_token", f"xoxb-{digits(12)}-{letters(24)}"
        yield "api_key", f"sk-{letters(40)}"
        yield "google_key", f"AIza{letters(35)}"
        yield "jwt", f"eyJ{letters(20)}.eyJ{letters(40)}.{letters(30)}"
        yield "password", f"password: {letters(9)}"


def _with_luhn(digits: str, chance: random.Random) -> str:
    for last in "0123456789":
        doubled = [int(d) * (2 if n % 2 else 1) for n, d in enumerate(reversed(digits + last))]
        if sum(d - 9 if d > 9 else d for d in doubled) % 10 == 0:
            number = digits + last
            return chance.choice((number, " ".join(number[n : n + 4] for n in range(0, 16, 4))))
    raise AssertionError


def _iban(country: str, rest: str) -> str:
    number = int(rest + "".join(str(ord(sign) - 55) for sign in country) + "00")
    return f"{country}{98 - number % 97:02}{rest}"


def _taiwan(start: str) -> str:
    digits = [1, 0, *map(int, start[1:])]
    total = sum(d * w for d, w in zip(digits, (1, 9, 8, 7, 6, 5, 4, 3, 2, 1), strict=True))
    return f"{start}{-total % 10}"


def _china(start: str) -> str:
    total = sum(int(d) * w for d, w in zip(start, (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2), strict=True))
    return start + "10X98765432"[total % 11]


# ---------------------------------------------------------------- leaks


def ways(maker: Maker) -> dict[str, Callable[[list[str]], str]]:
    """Twelve ways in which a test row comes back among the rows to train on."""
    return {
        "as it is, with another label": lambda w: " ".join(w),
        "case": lambda w: " ".join(w).upper(),
        "blanks": lambda w: "   ".join(w) + "\u3000",
        "punctuation": lambda w: ", ".join(w) + "!",
        "full width (NFKC)": lambda w: "".join(chr(ord(c) + 0xFEE0) if "!" <= c <= "~" else c for c in " ".join(w)),
        "marks that are not seen": lambda w: "\u200b ".join(w),
        "traditional and simplified Chinese": lambda w: (
            " ".join(w).replace("灣", "湾").replace("國", "国").replace("發", "发")
        ),
        "clauses in another order": lambda w: " ".join(w[len(w) // 2 :] + w[: len(w) // 2]),
        "words in another order": lambda w: " ".join(maker.chance.sample(w, len(w))),
        "one word changed": lambda w: " ".join(maker.changed(w)),
        "inside a longer text": lambda w: " ".join([*maker.text(), *w, *maker.text()]),
        "with markup": lambda w: "<p><b>" + " ".join(w) + "</b></p>",
    }


def planted_leaks(folder: Path) -> None:
    """Twenty of each way, among 10,000 rows that tell no other."""
    maker = Maker(11)
    lines = [{"text": " ".join(maker.text()), "label": "refund"} for _ in range(10_000)]
    told: dict[int, str] = {}
    for name, way in ways(maker).items():
        for _ in range(20):
            words = [*maker.text(), "灣國發"] if "Chinese" in name else maker.text()
            lines.append({"text": " ".join(words), "label": "refund", "split": "test"})
            lines.append({"text": way(words), "label": "account", "split": "train"})
            told[len(lines)] = name
    lines += [{"text": " ".join(maker.text()), "label": "refund", "split": "test"} for _ in range(1000)]
    write(folder, iter(lines))
    built(folder)
    rows = jsonl(folder / "build" / "data" / "accepted.jsonl")
    texts = {row["input"]["text"]: row["id"] for row in rows if row["split"] == "train"}
    found = {leak["id"] for leak in jsonl(folder / "build" / "splits" / "leaks.jsonl")}
    mine = {texts.get(str(lines[n - 1]["text"])): name for n, name in told.items()}
    for name in ways(maker):
        ids = [id for id, way in mine.items() if way == name]
        figure(f"leaks_found, {name}", sum(id in found for id in ids) / len(ids), "share", None)
    whole = [name for name in ways(maker) if all(id in found for id, way in mine.items() if way == name)]
    figure("ways_to_leak_not_found", 12 - len(whole), "of 12", 1)
    figure("false_alarms", len(found - mine.keys()), "rows of 10,000", 0)


if __name__ == "__main__":
    main(*sys.argv[1:2], *map(int, sys.argv[2:3]))
