"""`tunec repair`: a sheet or a teacher, rows in a source of their own, and what they did after the build."""

from __future__ import annotations

import csv
import json
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as some

from stages.kinds import SCORES
from stages.rows import read_json, read_jsonl
from tests.diagnosing.made import COMMON, TASK, WORDS, Made, asked, tunec
from tests.far import Far, reply
from tunec import rewriting
from tunec.diagnosing.build import last_build
from tunec.repairing import bringing, sheet
from tunec.repairing.rounds import Round, last

SHEET, ROWS, RECORD = (Path(f"data/repair/round-1.{ending}") for ending in ("csv", "jsonl", "json"))
NEW = [
    ("my plastic never came in the post, what now", "card"),
    ("the envelope of the bank is empty", "card"),
    ("the shop has to give back what i paid", "refund"),
]


def made(folder: Path, **more: Any) -> Made:
    """Fourteen rows of `card` are taken for `refund`."""
    found = Made(folder, **more)
    for one in [one for one in found.dev if one.output == "card"][:14]:
        found.wrong(one, "refund")
    return found


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made(tmp_path).write()
    return tmp_path


def lines(folder: Path) -> list[dict[str, str]]:
    with (folder / SHEET).open(encoding="utf-8-sig", newline="") as file:
        return list(csv.DictReader(file))


def fill(folder: Path, *rows: tuple[str, str]) -> None:
    found = lines(folder)
    for line, (text, answer) in zip(found, rows, strict=False):
        line |= {"text": text, "answer": answer}
    with (folder / SHEET).open("w", encoding="utf-8", newline="") as file:
        table = csv.DictWriter(file, list(found[0]))
        table.writeheader()
        table.writerows(found)


def test_without_a_teacher_a_sheet_is_written_with_a_line_for_every_row_that_is_wanted(folder: Path) -> None:
    done = asked(folder, "repair", "--clusters", "1")
    assert done["step"] == "sheet" and done["clusters"][0]["about"].startswith("wrong label, card → refund")
    found = lines(folder)
    assert len(found) == done["lines"] == done["clusters"][0]["count"] == 70  # five for each of fourteen
    assert list(found[0]) == ["cluster", "about", "advice", "like", "text", "answer"]
    assert all(not line["text"] and not line["answer"] for line in found)


def test_no_text_of_a_dev_row_stands_in_sheet_or_record(folder: Path) -> None:
    asked(folder, "repair")
    written = (folder / SHEET).read_text(encoding="utf-8") + (folder / RECORD).read_text(encoding="utf-8")
    dev = [row["input"]["text"] for row in read_jsonl(folder / "build/splits/dev.jsonl")]
    train = [row["input"]["text"] for row in read_jsonl(folder / "build/splits/train.jsonl")]
    assert not any(text in written for text in dev) and any(text in written for text in train)


def test_what_train_rows_are_written_from_holds_no_word_that_only_dev_rows_have(tmp_path: Path) -> None:
    """A cluster is called by the words of train rows that are near it: on the screen, in the sheet, in the record."""
    found = made(tmp_path)
    for at, one in enumerate(found.dev):
        found.dev[at] = replace(
            one, input={"text": f"{one.input['text']} xylophone"} if one.output == "card" else one.input
        )
    found.write()
    (cluster,) = asked(tmp_path, "repair", "--clusters", "1")["clusters"]
    assert (
        set(cluster["about"].partition(", about ")[2].split()) <= {*WORDS["card"], *COMMON}
        and "about" in cluster["about"]
    )
    written = [(tmp_path / file).read_text(encoding="utf-8") for file in (SHEET, RECORD)]
    assert not any("xylophone" in text for text in written)


def test_test_rows_are_not_read(folder: Path) -> None:
    (folder / "build/splits/test.jsonl").write_bytes(b"\xff no rows")
    (folder / "build/test/chosen.jsonl").write_bytes(b"\xff no answers")
    asked(folder, "repair")
    fill(folder, *NEW)
    assert asked(folder, "repair")["step"] == "brought"


def test_a_filled_sheet_goes_through_the_gates_into_a_source_that_is_trained_on_alone(folder: Path) -> None:
    asked(folder, "repair")
    fill(folder, *NEW, ("what is this", "nonsense"), ("", "card"), ("only a question", ""))
    done = asked(folder, "repair")
    assert sum(done["clusters"].values()) == 3
    assert [(one["at"].split(":")[1], one["gate"]) for one in done["refused"]] == [
        ("6", "sheet"),
        ("7", "sheet"),
        ("5", "contract"),
    ]
    rows = list(read_jsonl(folder / ROWS))
    assert [(row["text"], row["output"]) for row in rows] == NEW and all(row["repair-cluster"] == 1 for row in rows)
    task = (folder / "task.yaml").read_text(encoding="utf-8")
    item = "    - {path: data/repair/round-1.jsonl, role: train, tags: [repair-1]}\n"
    assert task == TASK.replace("# by hand\n", f"# by hand\n{item}")
    told = tunec(folder, "check")[1]  # what repair itself wrote is warned of by nobody
    assert "repair-cluster" not in told and "T173" not in told


def test_an_input_field_may_be_called_as_the_sheet_calls_its_own_columns(tmp_path: Path) -> None:
    """What an input says in `cluster` and `parent` is trained on as it lay in the pool."""
    found = made(tmp_path, task=TASK.replace('"{text}"', '"{text} {cluster} {parent}"'))
    for rows in (found.train, found.dev):
        rows[:] = [replace(one, input={**one.input, "cluster": "the vault", "parent": "the bank"}) for one in rows]
    found.raw = [{**one.input, "output": one.output} for one in found.train]
    found.write()
    pool = {"text": "my plastic never came in the post", "cluster": "a branch", "parent": "a bank"}
    (tmp_path / "logs.jsonl").write_text(json.dumps(pool) + "\n", encoding="utf-8")
    asked(tmp_path, "repair", "--clusters", "1", "--rows", "20", "--from", "logs.jsonl")
    (line,) = lines(tmp_path)
    assert (line["cluster"], line["input.cluster"], line["parent"]) == ("1", "a branch", "a bank")
    fill(tmp_path, (pool["text"], "card"))
    assert asked(tmp_path, "repair")["clusters"] == {"1": 1}
    assert list(read_jsonl(tmp_path / ROWS)) == [{**pool, "output": "card", "repair-cluster": 1}]


def test_a_round_that_a_comment_speaks_of_becomes_a_source_and_one_that_is_a_source_no_second_one(folder: Path) -> None:
    asked(folder, "repair")
    fill(folder, *NEW)
    task = folder / "task.yaml"
    spoken_of = "# by hand\n    # - {path: data/repair/round-1.jsonl, role: train}\n"
    task.write_text(TASK.replace("# by hand\n", spoken_of), encoding="utf-8")
    asked(folder, "repair")
    sources = yaml.safe_load(task.read_text(encoding="utf-8"))["data"]["sources"]
    assert [one["path"] for one in sources] == ["data/raw/rows.jsonl", ROWS.as_posix()]
    otherwise = task.read_text(encoding="utf-8").replace("- {path: data/repair", "- {path: ./data/repair")
    task.write_text(otherwise, encoding="utf-8")
    bringing._source(last_build(folder)[0], cast(Round, last(folder)))
    assert task.read_text(encoding="utf-8") == otherwise


def test_a_line_that_lacks_something_or_names_no_cluster_is_told_with_its_place(folder: Path) -> None:
    asked(folder, "repair", "--clusters", "1")
    fill(folder, *NEW, ("", "card"), ("only a question", ""), ("my chip is lost", "card"))
    text = (folder / SHEET).read_text(encoding="utf-8").splitlines()
    text[6] = f"99{text[6].removeprefix('1')}"
    (folder / SHEET).write_text("\n".join(text), encoding="utf-8")
    told, _ = tunec(folder, "repair")
    for line, why in (
        (5, "it has no input"),
        (6, "it has no answer"),
        (7, "there is no cluster '99': the round has 1"),
    ):
        assert f"{SHEET.as_posix()}:{line}: sheet: {why}" in told
    assert len(list(read_jsonl(folder / ROWS))) == 3


def test_a_sheet_with_half_lines_alone_says_which(folder: Path) -> None:
    asked(folder, "repair")
    fill(folder, ("only a question", ""))
    assert f"{SHEET.as_posix()}:2: it has no answer" in tunec(folder, "repair", code=1)[1]


def test_a_line_that_was_mended_is_taken_and_no_row_twice(tmp_path: Path) -> None:
    after = brought(tmp_path)
    for build in (False, True):
        if build:
            after.write()
            assert asked(tmp_path, "repair")["step"] == "effect"
        many = len(list(read_jsonl(tmp_path / ROWS)))
        fill(tmp_path, *NEW, *((f"where is the chip of my card {n}", "card") for n in range(many - 2)))
        done = asked(tmp_path, "repair")
        assert done["step"] == "brought" and sum(done["clusters"].values()) == many + 1
        texts = [row["text"] for row in read_jsonl(tmp_path / ROWS)]
        assert len(texts) == len(set(texts)) == many + 1
        assert (tmp_path / "task.yaml").read_text(encoding="utf-8").count("round-1.jsonl") == 1
        assert "T869" in tunec(tmp_path, "repair", code=1)[1]
        after.data = {"files": {ROWS.as_posix(): {"read": many + 1, "accepted": many + 1}}}


@pytest.mark.parametrize("encoding", ["latin-1", "cp1252", "utf-16"])
def test_a_sheet_in_another_encoding_is_told_to_be_saved_as_utf_8_and_then_taken(encoding: str, folder: Path) -> None:
    asked(folder, "repair", "--clusters", "1")
    fill(folder, *NEW, ("my card is at the café", "card"))
    text = (folder / SHEET).read_text(encoding="utf-8").replace("→", ">").replace("…", "")
    (folder / SHEET).write_text(text, encoding=encoding)
    said = tunec(folder, "repair", code=1)[1]
    line = 1 if encoding == "utf-16" else 5
    assert "error[T867]" in said and f"line {line} is not UTF-8" in said and f"{SHEET.as_posix()}:{line}" in said
    assert "save it as UTF-8" in said and "anew" not in said
    (folder / SHEET).write_text(text, encoding="utf-8-sig")
    assert asked(folder, "repair")["clusters"] == {"1": 4}


@pytest.mark.parametrize(
    ("after", "why"), [("", "is closed in the middle of line 4"), ("1,a,b,c,,\n", "is never closed")]
)
def test_a_quote_that_is_not_closed_is_told_by_the_line_where_it_opens(after: str, why: str, folder: Path) -> None:
    asked(folder, "repair", "--clusters", "1")
    fill(folder, *NEW)
    text = (folder / SHEET).read_text(encoding="utf-8").splitlines(keepends=True)
    text[2] = text[2].replace(f",{NEW[1][0]},", f',"{NEW[1][0]},')
    (folder / SHEET).write_text("".join([*text[:3], after] if after else text[:5]), encoding="utf-8")
    done = asked(folder, "repair")
    (where, gate, said), (then, *_, swallowed) = (tuple(one.values()) for one in done["refused"])
    assert (where, gate, then) == (f"{SHEET.as_posix()}:3", "sheet", f"{SHEET.as_posix()}:4")
    assert "the quote that opens here" in said and why in said
    assert swallowed == "not CSV: it was read into the field whose quote opens in line 3"


def test_empty_cells_at_the_end_that_a_spreadsheet_left_out_are_empty(folder: Path) -> None:
    asked(folder, "repair", "--clusters", "1")
    fill(folder, *NEW)
    text = (folder / SHEET).read_text(encoding="utf-8").splitlines()
    (folder / SHEET).write_text("\n".join([line.rstrip(",") for line in text] + ["", ",,"]), encoding="utf-8")
    done = asked(folder, "repair")
    assert (done["clusters"], done["refused"]) == ({"1": 3}, [])


def test_a_task_that_names_no_source_keeps_the_ones_that_it_had(tmp_path: Path) -> None:
    task = TASK.replace("data:\n  sources: # two of them\n    - path: data/raw/rows.jsonl # by hand\n", "")
    made(tmp_path, task=task).write()
    asked(tmp_path, "repair")
    fill(tmp_path, *NEW)
    asked(tmp_path, "repair")
    assert "sources: [{path: data/raw/*}, {path: data/repair/round-1.jsonl" in (tmp_path / "task.yaml").read_text()


def brought(folder: Path) -> Made:
    """A round whose rows are in task.yaml; what is given builds that."""
    before = made(folder).write()
    asked(folder, "repair", "--clusters", "1")
    fill(folder, *NEW)
    asked(folder, "repair")
    after = Made(folder, task=(folder / "task.yaml").read_text(encoding="utf-8"))
    after.train += [replace(one, id=f"{n:012x}", tags=("repair-1",)) for n, one in enumerate(before.train[:2])]
    after.data = {"files": {ROWS.as_posix(): {"read": 3, "accepted": 2}}}
    return after


def rebuilt(folder: Path) -> None:
    """A build that read every row of the round."""
    after = made(folder, task=(folder / "task.yaml").read_text(encoding="utf-8"))
    many = len(list(read_jsonl(folder / ROWS)))
    after.data = {"files": {ROWS.as_posix(): {"read": many, "accepted": many}}}
    after.write()


def test_before_the_build_nothing_is_said_of_an_effect(tmp_path: Path) -> None:
    brought(tmp_path)
    assert "T869" in tunec(tmp_path, "repair", code=1)[1]


def test_after_the_build_fixed_broken_and_golden_rows_are_told(tmp_path: Path) -> None:
    after = brought(tmp_path)
    card = [one for one in after.dev if one.output == "card"]
    for one in card[:4]:  # ten of fourteen are fixed
        after.wrong(one, "refund")
    broken = next(one for one in after.dev if one.output == "rate" and one.id not in after.said)
    after.wrong(broken, "login")
    after.beside = {"golden": {"rows": 5, "wrong": ["b"]}}
    after.write()
    record = read_json(tmp_path / RECORD)
    (tmp_path / RECORD).write_text(json.dumps({**record, "wrong_golden": ["a"]}), encoding="utf-8")
    done = asked(tmp_path, "repair")
    assert (done["brought"], done["accepted"], done["trained_on"]) == (3, 2, 2)
    (cluster,) = done["clusters"]
    was = set(record["targets"][0]["rows"])
    assert set(cluster["fixed"]) == was - after.said.keys() and len(cluster["fixed"]) == 10
    assert [one["id"] for one in done["broken"]] == [broken.id]
    assert done["after"] - done["before"] == 10 - 1
    assert done["golden"] == {"fixed": ["a"], "broken": ["b"], "wrong": 1}
    text, _ = tunec(tmp_path, "repair")
    assert (
        "cluster 1: 10 of 14 fixed" in text
        and "broken: 1 row that was right before" in text
        and "golden: 1 fixed, 1 broken" in text
    )
    assert "another file" not in text


def test_that_another_file_was_chosen_is_said_of_the_effect(tmp_path: Path) -> None:
    brought(tmp_path).write()
    record = read_json(tmp_path / RECORD)
    for before, said in (("smollm2-135m-r16-q4_k_m", True), ("smollm2-135m-r16-q8_0", False), ("", False)):
        (tmp_path / RECORD).write_text(json.dumps({**record, "chosen": before}), encoding="utf-8")
        assert ("another file was chosen" in tunec(tmp_path, "repair")[0]) is said
        assert asked(tmp_path, "repair")["files"] == {"before": before, "after": "smollm2-135m-r16-q8_0"}


def test_the_next_round_has_files_of_its_own(tmp_path: Path) -> None:
    after = brought(tmp_path)
    after.write()
    asked(tmp_path, "repair", "--new")
    assert (tmp_path / "data/repair/round-2.csv").is_file() and (tmp_path / SHEET).is_file()


def test_a_next_round_waits_until_the_rows_of_the_one_before_are_built(folder: Path) -> None:
    asked(folder, "repair")
    fill(folder, *NEW)
    assert "error[T944]" in tunec(folder, "repair", "--new", code=1)[1]  # what people filled in is not lost
    asked(folder, "repair")
    assert "error[T869]" in tunec(folder, "repair", "--new", code=1)[1]
    assert sorted(path.name for path in (folder / "data/repair").iterdir()) == [
        "round-1.csv",
        "round-1.json",
        "round-1.jsonl",
    ]


def test_lines_that_were_changed_after_the_build_are_taken_before_a_next_round_begins(tmp_path: Path) -> None:
    brought(tmp_path).write()
    fill(tmp_path, *NEW, ("another plastic in the post", "card"))
    assert "error[T944]" in tunec(tmp_path, "repair", "--new", code=1)[1]


def test_a_line_that_a_gate_turned_away_is_taken_or_emptied_before_a_next_round_begins(folder: Path) -> None:
    """A label with a slip of the pen: told, then the build, then --new. It waits until it is mended or emptied."""
    asked(folder, "repair", "--clusters", "1")
    wrong = ("the chip in my purse is dead", "carrd")
    fill(folder, *NEW, wrong)
    assert len(asked(folder, "repair")["refused"]) == 1
    rebuilt(folder)
    said = tunec(folder, "repair", "--new", code=1)[1]
    assert "error[T944]" in said and f"{SHEET.as_posix()}:5" in said and f"{SHEET.as_posix()}:4" not in said
    assert asked(folder, "repair")["step"] == "effect"  # it holds nobody up from looking
    fill(folder, *NEW, (wrong[0], "card"))
    assert asked(folder, "repair")["refused"] == []
    assert [row["output"] for row in read_jsonl(folder / ROWS) if row["text"] == wrong[0]] == ["card"]
    rebuilt(folder)
    assert asked(folder, "repair", "--new")["round"] == 2


@pytest.mark.parametrize("pool", [(), ("--from", "logs.jsonl")])
def test_an_emptied_line_and_one_that_nobody_touched_wait_for_nothing(pool: tuple[str, ...], folder: Path) -> None:
    logs = "".join(f'{{"text": "my card and plastic number {n}"}}\n' for n in range(200))
    (folder / "logs.jsonl").write_text(logs, encoding="utf-8")
    asked(folder, "repair", "--clusters", "1", *pool)
    fill(folder, *NEW, ("what is this", "nonsense"))
    asked(folder, "repair")
    rebuilt(folder)
    assert "error[T944]" in tunec(folder, "repair", "--new", code=1)[1]
    fill(folder, *NEW, ("", ""))
    assert asked(folder, "repair", "--new")["round"] == 2


def test_a_row_whose_line_was_emptied_is_taken_out_before_a_next_round_begins(folder: Path) -> None:
    asked(folder, "repair", "--clusters", "1")
    fill(folder, *NEW)
    asked(folder, "repair")
    rebuilt(folder)
    fill(folder, *NEW[:2], ("", ""))
    assert "error[T944]" in tunec(folder, "repair", "--new", code=1)[1]
    asked(folder, "repair")
    assert len(list(read_jsonl(folder / ROWS))) == 2


def test_a_record_that_does_not_say_which_lines_were_taken_is_written_anew(folder: Path) -> None:
    asked(folder, "repair", "--clusters", "1")
    fill(folder, *NEW)
    asked(folder, "repair")
    record = {name: of for name, of in read_json(folder / RECORD).items() if name not in ("written", "taken")}
    (folder / RECORD).write_text(json.dumps(record), encoding="utf-8")
    rebuilt(folder)
    assert "error[T944]" in tunec(folder, "repair", "--new", code=1)[1]
    assert asked(folder, "repair")["step"] == "brought"
    assert asked(folder, "repair", "--new")["round"] == 2


@pytest.mark.parametrize("line", [("what somebody wrote", ""), ("", "card"), ("a card", "card")])
@pytest.mark.parametrize("cluster", ["1", "9"])
def test_what_somebody_wrote_is_not_lost_be_it_whole_or_not(line: tuple[str, str], cluster: str, folder: Path) -> None:
    asked(folder, "repair", "--clusters", "1")
    fill(folder, line)
    text = (folder / SHEET).read_text(encoding="utf-8").replace("\n1,", f"\n{cluster},", 1)
    (folder / SHEET).write_text(text, encoding="utf-8")
    assert "error[T944]" in tunec(folder, "repair", "--new", code=1)[1]
    assert (folder / SHEET).read_text(encoding="utf-8") == text


@pytest.mark.parametrize("pool", [(), ("--from", "logs.jsonl")])
def test_a_round_in_which_nobody_wrote_anything_is_begun_again(pool: tuple[str, ...], folder: Path) -> None:
    logs = "".join(f'{{"text": "my card and plastic number {n}"}}\n' for n in range(200))
    (folder / "logs.jsonl").write_text(logs, encoding="utf-8")
    asked(folder, "repair", "--clusters", "1", *pool)
    done = asked(folder, "repair", "--new", "--clusters", "1", "--rows", "20")
    assert (done["round"], done["lines"], len(lines(folder))) == (1, 20, 20)
    assert not (folder / "data/repair/round-2.json").exists()


def test_a_broken_row_is_named_with_its_place(tmp_path: Path) -> None:
    after = brought(tmp_path)
    broken = next(one for one in after.dev if one.output == "login" and one.id not in after.said)
    after.wrong(broken, "card")
    after.write()
    text, _ = tunec(tmp_path, "repair")
    raw = [json.loads(line)["text"] for line in (tmp_path / "data/raw/rows.jsonl").read_text().splitlines()]
    place = f"data/raw/rows.jsonl:{raw.index(broken.input['text']) + 1}"
    assert f"{broken.id} ({place}): wrong label" in text
    assert asked(tmp_path, "repair")["places"][broken.id] == place


def test_unlabelled_rows_near_a_cluster_stand_in_the_sheet(folder: Path) -> None:
    pool = folder / "logs.jsonl"
    near = [f"my card and plastic did not arrive in an envelope {n}" for n in range(20)]
    far_off = [f"exchange rate of the yen abroad {n}" for n in range(60)]
    pool.write_text("".join(json.dumps({"text": text}) + "\n" for text in [*far_off, *near]), encoding="utf-8")
    asked(folder, "repair", "--clusters", "1", "--rows", "20", "--from", "logs.jsonl")
    assert {line["text"] for line in lines(folder)} == set(near)


@pytest.mark.parametrize(
    ("spoil", "code"),
    [
        (lambda folder: None, "T866"),
        (lambda folder: (folder / SHEET).write_text("a,b\n1,2\n"), "T867"),
        (lambda folder: (folder / SHEET).write_bytes(b"\xff\xfe\x00"), "T867"),
        (lambda folder: fill(folder, ("a b c", "nonsense")), "T870"),
        (lambda folder: (folder / RECORD).write_text("{}"), "T871"),
        (lambda folder: (folder / RECORD).write_text("[" * 100_000), "T871"),
    ],
)
def test_what_is_wrong_with_a_round_is_said(spoil: Any, code: str, folder: Path) -> None:
    asked(folder, "repair")
    spoil(folder)
    assert f"error[{code}]" in tunec(folder, "repair", code=1)[1]


def test_a_pool_without_the_task_s_fields_is_refused(folder: Path) -> None:
    (folder / "logs.jsonl").write_text('{"words": "a"}\n')
    assert "error[T872]" in tunec(folder, "repair", "--from", "logs.jsonl", code=1)[1]
    assert "error[T872]" in tunec(folder, "repair", "--from", "none.jsonl", code=1)[1]
    assert not (folder / RECORD).exists()


def test_where_no_dev_row_is_wrong_there_is_nothing_to_repair(tmp_path: Path) -> None:
    found = Made(tmp_path)
    found.said = {}
    found.write()
    assert "error[T868]" in tunec(tmp_path, "repair", code=1)[1]


def test_a_teacher_is_shown_train_rows_and_its_rows_are_taken_with_their_parents(
    tmp_path: Path,
    far: Far,
) -> None:
    teacher = f"generate:\n  teacher: {{endpoint: '{far.url}', model: big, key_env: FAR_KEY, retries: 0}}\n"
    built = made(tmp_path, task=f"{TASK}{teacher}  rows: [{{tag: style, count: 1}}]\n").write()
    train, dev = ({one.input["text"] for one in rows} for rows in (built.train, built.dev))
    words = tuple(WORDS["card"] + WORDS["login"][:6])
    count = 0

    def say(body: dict[str, Any]) -> tuple[int, Any]:
        nonlocal count
        asked_for = body["messages"][-1]["content"]
        assert not any(text in asked_for for text in dev)
        if "judge" in asked_for:
            return 200, reply(json.dumps(dict.fromkeys(SCORES, 5)))
        assert any(text in asked_for for text in train) and "card → refund" in asked_for
        count += 1
        text = f"{words[count % 16]} {words[count // 16 % 16]} {words[(3 * count) % 16]} number {count * 7919}"
        answer = "card" if count % 5 else "no label"
        return 200, reply(json.dumps({"input": {"text": text}, "output": answer}))

    far.say = say
    done = asked(tmp_path, "repair", "--clusters", "1", "--rows", "20")
    rows = list(read_jsonl(tmp_path / ROWS))
    assert done["step"] == "brought" and len(rows) + len(done["refused"]) == 20 and len(rows) >= 10
    assert any(one["gate"] == "contract" for one in done["refused"])
    assert {row["repair-parent"] for row in rows} <= {one.id for one in built.train}


CELLS = some.text(some.characters(exclude_categories=["Cs", "Cc"]), max_size=20) | some.sampled_from(
    ["=1+1", "'=1", "''=1", "+1", "-a", "@x", "'a", "|x", "%x", "'"]
)


@given(CELLS)
def test_a_cell_comes_back_as_it_was_and_is_never_a_formula(text: str) -> None:
    safe = sheet._safe(text)
    assert not safe.startswith(("=", "+", "-", "@", "\t", "\r", "|", "%"))
    assert sheet._bare(safe) == text.strip() or text != text.strip()


LISTS = (
    "a:\n  b:\n    - x # one\n    - {y: 1}\nc: 2\n",
    "a: {b: [x, {y: 1}]}\nc: 2\n",
    "a:\n  b:\n  - path: x\n    role: y\n  # the end\nc: 2",
)


@pytest.mark.parametrize("text", LISTS)
def test_an_item_is_added_to_a_list_and_the_rest_stays(text: str) -> None:
    after = rewriting.with_item(text, "a.b", {"path": "z"})
    before, found = yaml.safe_load(text), yaml.safe_load(after)
    assert found["a"]["b"] == [*before["a"]["b"], {"path": "z"}] and found["c"] == 2
    assert text.count("#") == after.count("#")
    assert rewriting.has(text, "a.b") and not rewriting.has(text, "a.d") and not rewriting.has(text, "c.d")
