"""Every kind of file and every shape of row comes to the same rows."""

from __future__ import annotations

import bz2
import gzip
import io
import json
import lzma
from collections.abc import Callable
from typing import Any

import openpyxl
import pyarrow
import pyarrow.feather
import pyarrow.parquet
import pytest

from stages.diagnostics import UserError
from stages.row_shapes import Unshaped, columns
from tests.data.building import LABELS, Read, jsonl, read

ROWS = [
    {"text": "Wo ist mein Paket, 你好?", "label": "shipping"},
    {"text": 'He said "no",\nthen left', "label": "refund"},
]
ONE = {"messages": [{"role": "user", "content": "hi"}, {"role": "assistant", "content": "refund"}]}


def table() -> pyarrow.Table:
    return pyarrow.Table.from_pylist(ROWS)


def binary(write: Callable[[Any], Any]) -> bytes:
    held = io.BytesIO()
    write(held)
    return held.getvalue()


def sheet() -> bytes:
    book = openpyxl.Workbook()
    book.active.append(["text", "label"])
    for row in ROWS:
        book.active.append(list(row.values()))
    return binary(book.save)


def stream(held: Any) -> None:
    with pyarrow.ipc.new_stream(held, table().schema) as writer:
        writer.write_table(table())


def separated(mark: str) -> bytes:
    cells = [
        [json.dumps(cell, ensure_ascii=False)[1:-1].replace('\\"', '""').replace("\\n", "\n") for cell in r.values()]
        for r in ROWS
    ]
    return (f"text{mark}label\n" + "".join(f'"{text}"{mark}"{label}"\n' for text, label in cells)).encode()


def compressed(kind: str) -> bytes:
    return binary(lambda held: pyarrow.CompressedOutputStream(held, kind).write(jsonl(ROWS)))


FILES: dict[str, bytes] = {
    "rows.jsonl": jsonl(ROWS),
    "rows.ndjson": jsonl(ROWS),
    "rows.json": json.dumps(ROWS, indent=2, ensure_ascii=False).encode(),
    "lines.json": jsonl(ROWS),
    "rows.csv": separated(","),
    "semicolons.csv": separated(";"),
    "rows.tsv": separated("\t"),
    "rows.parquet": binary(lambda held: pyarrow.parquet.write_table(table(), held)),
    "rows.feather": binary(lambda held: pyarrow.feather.write_feather(table(), held)),
    "rows.arrow": binary(stream),
    "rows.xlsx": sheet(),
    "rows.jsonl.gz": gzip.compress(jsonl(ROWS)),
    "rows.csv.bz2": bz2.compress(separated(",")),
    "rows.json.xz": lzma.compress(json.dumps(ROWS).encode()),
    "rows.jsonl.zst": pyarrow.compress(jsonl(ROWS), "zstd", asbytes=True),
    "marked.jsonl": b"\xef\xbb\xbf" + jsonl(ROWS),
}


def one(name: str, content: bytes, more: str = "") -> Read:
    return read({f"data/raw/{name}": content}, LABELS + f"data: {{sources: [{{path: data/raw/{name}{more}}}]}}\n")


@pytest.mark.parametrize("name", FILES)
def test_the_same_rows_out_of_any_file(name: str) -> None:
    assert one(name, FILES[name]).accepted == one("rows.jsonl", FILES["rows.jsonl"]).accepted


@pytest.mark.parametrize("encoding", ["utf-16", "big5", "gb18030", "utf-8"])
def test_a_declared_encoding_is_read(encoding: str) -> None:
    rows = [{"text": "你好", "label": "refund"}]
    found = one("rows.jsonl", jsonl(rows).decode().encode(encoding), f", encoding: {encoding}")
    assert [row["input"]["text"] for row in found.rows] == ["你好"]


def test_a_byte_that_the_declared_encoding_lacks_rejects_its_line_alone() -> None:
    content = jsonl([{"text": "你好", "label": "refund"}]).decode().encode("big5")
    found = one("rows.jsonl", content + b'{"text": "\xff\xff", "label": "refund"}\n', ", encoding: big5")
    assert found.lines == {2: "not big5 at byte 10"} and len(found.rows) == 1


def test_a_long_first_row_of_many_bytes_a_character_is_no_other_encoding() -> None:
    for size in range(30_000, 30_004):
        text = "x" * (size % 3) + "".join(chr(0x4E00 + n % 5000) for n in range(size))
        found = one("rows.jsonl", jsonl([{"text": text, "label": "refund"}]))
        assert len(found.rows) == 1


@pytest.mark.parametrize("size", [1, 7, 64 * 1024 - 3, 64 * 1024, 64 * 1024 + 5])
def test_elements_of_an_array_are_parted_wherever_a_piece_ends(size: int) -> None:
    rows = [{"text": "x" * size + '\\"]},{["', "label": "refund"}, {"text": "b", "label": "refund"}]
    assert len(one("rows.json", json.dumps(rows).encode(), ", format: json").rows) == (2 if size < 130_000 else 1)


@pytest.mark.parametrize(
    ("content", "reasons"),
    [
        (
            b'[{"text": "a", "label": "refund"},\n{"text": "b" "label"},\n7]',
            ["not JSON: Expecting", "not a JSON object"],
        ),
        (b'[{"text": "a", "label": "refund"},\n{"text": "b"', ["not JSON: the file ends inside the array"]),
        (b'[{"text": "a", "label": "refund"}]\n{"text"', ["not JSON: something stands behind"]),
    ],
)
def test_what_is_wrong_in_an_array_is_said_by_line_and_the_rest_is_read(content: bytes, reasons: list[str]) -> None:
    found = one("rows.json", content)
    assert len(found.rows) == 1 and len(found.rejected) == len(reasons)
    assert all(item["reason"].startswith(why) for item, why in zip(found.rejected, reasons, strict=True))
    assert found.rejected[0]["line"] == 2


def test_a_compressed_file_that_ends_too_early_says_so_and_keeps_what_came_before() -> None:
    lines = jsonl([{"text": f"row {n} {n * 7919}", "label": "refund"} for n in range(5000)])
    found = one("rows.jsonl.gz", gzip.compress(lines)[:-2000])
    assert found.rejected[-1]["reason"] in ("the compressed file ends too early", "not JSON: Unterminated string")
    assert 100 < len(found.rows) < 5000


def test_plain_text_is_read_by_paragraphs_for_continued_pretraining() -> None:
    task = (
        LABELS.replace("training: {", "training: {method: cpt, ")
        + "data: {sources: [{path: data/raw/a.txt, format: text}]}\n"
    )
    found = read({"data/raw/a.txt": "One\ntwo.\n\n\nThree, 你好.\n".encode()}, task)
    assert sorted(row["text"] for row in found.rows) == ["One\ntwo.", "Three, 你好."]


# ---------------------------------------------------------------- shapes

CALL = {"type": "function", "function": {"name": "find", "arguments": '{"city": "Taipei"}'}}
SHAPED: list[tuple[dict[str, Any], dict[str, Any]]] = [
    (ONE, {"prompt": "hi", "output": "refund", "history": ""}),
    (
        {
            "messages": [
                {"role": "system", "content": "s"},
                {"role": "user", "content": "a"},
                {"role": "assistant", "content": "b"},
                {"role": "user", "content": [{"type": "text", "text": "c"}]},
                {"role": "assistant", "content": "d"},
            ]
        },
        {"system": "s", "prompt": "c", "output": "d", "history": "user: a\nassistant: b"},
    ),
    (
        {"messages": [{"role": "user", "content": "w"}, {"role": "assistant", "tool_calls": [CALL]}]},
        {"prompt": "w", "output": {"name": "find", "arguments": {"city": "Taipei"}}, "history": ""},
    ),
    (
        {"conversations": [{"from": "human", "value": "a"}, {"from": "gpt", "value": "b"}]},
        {"prompt": "a", "output": "b", "history": ""},
    ),
    ({"instruction": "i", "input": "x", "output": "o"}, {"prompt": "i\nx"}),
    ({"instruction": "i", "input": "", "output": "o"}, {"prompt": "i"}),
    ({"prompt": "p", "completion": "c"}, {"output": "c"}),
    (
        {
            "prompt": [{"role": "user", "content": "p"}],
            "chosen": [{"role": "assistant", "content": "c"}],
            "rejected": [{"role": "assistant", "content": "r"}],
        },
        {"prompt": "p", "history": "", "chosen": "c", "rejected": "r"},
    ),
    ({"prompt": "p", "completion": "c", "label": True}, {}),
]


@pytest.mark.parametrize(("fields", "expected"), SHAPED)
def test_a_shape_becomes_columns(fields: dict[str, Any], expected: dict[str, Any]) -> None:
    assert columns(fields) == fields | expected


@pytest.mark.parametrize(
    ("fields", "shape"),
    [
        ({"messages": [{"role": "user", "content": "a"}]}, "auto"),
        ({"messages": [{"role": "wizard", "content": "a"}]}, "auto"),
        ({"messages": [7]}, "messages"),
        ({"text": "a"}, "sharegpt"),
        (
            {"messages": [{"role": "user", "content": [{"type": "image"}]}, {"role": "assistant", "content": "b"}]},
            "auto",
        ),
    ],
)
def test_a_conversation_that_holds_no_answer_is_said_to_be_none(fields: dict[str, Any], shape: str) -> None:
    with pytest.raises(Unshaped):
        columns(fields, shape)


def test_a_bad_conversation_rejects_its_row_alone() -> None:
    task = LABELS.replace("{text}", "{prompt}")
    found = read({"data/raw/rows.jsonl": jsonl([ONE, {"messages": [{"role": "user", "content": "a"}]}])}, task)
    assert found.lines == {2: "the conversation does not end with an answer"} and len(found.rows) == 1


def test_a_data_set_of_the_hub_that_cannot_be_fetched_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("datasets.config.HF_HUB_OFFLINE", True)  # the variable is read once, at import
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    hub = f"data: {{sources: [{{path: train.jsonl, hub: nobody/nothing@{'0' * 40}}}]}}\n"
    with pytest.raises(UserError) as refused:
        read({}, LABELS + hub)
    (found,) = refused.value.diagnostics
    assert found.code == "T603"
    assert found.message.startswith(f"the data set nobody/nothing@{'0' * 40} cannot be had from the Hub: ")
    assert "Error" not in found.message and "Offline" not in found.message


TASK_OF_A_TABLE = """\
task_name: table
input_template: "{text}"
training: {base_model: smollm2-135m}
success_criteria: {threshold: 0.7}
"""
SLOTS = TASK_OF_A_TABLE + (
    "task_type: extraction\n"
    "output_format: {type: json, schema: {type: object, properties: {people: {type: string}, time: {type: string}}}}\n"
)
INTENTS = TASK_OF_A_TABLE + (
    "task_type: classification\noutput_format: {type: label, schema: {enum: [refund, shipping]}}\n"
)


def of_table(text: str, task: str, source: str = "") -> Read:
    path = "data/raw/rows.csv"
    return read({path: text.encode()}, f"{task}data: {{sources: [{{path: {path}{source}}}]}}\n")


def test_an_empty_cell_of_a_table_is_named_by_the_column_of_its_file() -> None:
    text = "utterance,intent\nwhere is it,shipping\nmoney back,\n,refund\n"
    found = of_table(text, INTENTS, ", map: {text: utterance, label: intent}")
    assert [(one["line"], one["gate"], one["reason"]) for one in found.rejected] == [
        (3, "row", "the answer is missing: `intent` is empty"),
        (4, "row", "the input field text is missing: `utterance` is empty"),
    ]
    assert of_table("text,label\nwhere is it,shipping\nback,\n", INTENTS).lines == {
        3: "the answer is missing: `label` is empty"
    }


def test_an_empty_cell_where_the_whole_answer_stands_is_no_answer_without_fields() -> None:
    """A row with none of the answer's columns says that there is nothing to say; this one has the column."""
    answered = 'text,output\nFor 2 at 7,"{""people"": ""2""}"\nFor 3,\n'
    found = of_table(answered, SLOTS)
    assert found.lines == {3: "the answer is missing: `output` is empty"}
    assert [row["output"] for row in found.rows] == [{"people": "2"}]
    fields = of_table("text,people,time\nFor 2 at 7,2,\nhello,,\n", SLOTS)
    assert not fields.lines and {} in [row["output"] for row in fields.rows]


def test_an_empty_cell_of_a_typed_table_is_named_as_well() -> None:
    rows = pyarrow.Table.from_pylist([ROWS[0], {"text": "money back", "label": None}])
    held = binary(lambda out: pyarrow.parquet.write_table(rows, out))
    path = "data/raw/rows.parquet"
    found = read({path: held}, f"{LABELS}data: {{sources: [{{path: {path}}}]}}\n")
    assert found.lines == {2: "the answer is missing: `label` is empty"}


def test_a_row_that_is_not_of_its_file_s_format_is_told_as_that() -> None:
    found = of_table('text,label\nwhere is it,shipping\na,b,c\n"x"y,refund\n', INTENTS)
    assert [(one["line"], one["gate"], one["reason"]) for one in found.rejected] == [
        (3, "format", "3 cells where the header has 2"),
        (4, "format", "not CSV: ',' expected after '\"'"),
    ]


@pytest.mark.parametrize(
    ("text", "encoding", "told"),
    [
        ("O\u00f9 est mon colis d\u00e9j\u00e0 demand\u00e9, shipping", "cp1252", "cp1252"),
        (
            "Gdzie jest moja paczka, prosz\u0119 o szybk\u0105 odpowied\u017a, dzi\u0119kuj\u0119! " * 40,
            "cp1250",
            "cp1250",
        ),
        ("我的包裹在哪里，我想要退款，请尽快回复我，谢谢你们的帮助。" * 20, "gb18030", "gb18030"),
    ],
)
def test_an_encoding_that_nobody_declared_is_told_by_its_letters(text: str, encoding: str, told: str) -> None:
    line = json.dumps({"text": text, "label": "shipping"}, ensure_ascii=False)
    with pytest.raises(UserError) as refused:
        read({"data/raw/rows.jsonl": f"{line}\n".encode(encoding)})
    assert refused.value.diagnostics[0].message.endswith(f"it looks like {told}")
