"""What a data file may look like: the facts that the compiler checks by and the `data` stage reads by."""

from __future__ import annotations

import unicodedata

COMPRESSED = ("gz", "bz2", "xz", "zst")
_ENDINGS = {"jsonl": "jsonl", "json": "json", "csv": "csv", "tsv": "tsv", "parquet": "parquet", "xlsx": "xlsx"}
_ENDINGS |= {"ndjson": "jsonl", "arrow": "arrow", "feather": "arrow"}
_LINED = ("jsonl", "json", "csv", "tsv", "text")  # formats that may be compressed
SPLIT_COLUMN = "split"
SPLITS = {"train": "train", "training": "train", "test": "test"} | dict.fromkeys(
    ("dev", "validation", "valid", "val", "eval"), "dev"
)
APART = ("golden", "adversarial")  # splits that only a source's role or its column `split` makes, and that are tested
UNANSWERED = "unanswered"  # rows that a teacher is to answer: no split of theirs, until they are
HOLDOUT = "holdout"  # rows that nothing reads until people ask: kept apart, and out of training
SPLITS |= {name: name for name in (*APART, HOLDOUT)}
VERDICT_COLUMNS = ("completion", "output", "answer")  # where `label` says whether the answer is good
GENERAL = "{prompt}"  # how a general row is asked: as a person would, without the task's words
ANSWER_COLUMNS = ("output", "label", "answer")  # the first that a row has holds its answer
_UNSEEN = frozenset(("Zs", "Zl", "Zp", "Cc", "Cf"))  # Unicode's blanks, controls and zero-width marks


def kind(name: str, format: str = "auto") -> str:
    """The format of a file: the one that its source names, or the one of its ending, compressed or not."""
    if format != "auto":
        return format
    *_, before, last = ["", *name.lower().split(".")]
    return _lined(before) if last in COMPRESSED else _ENDINGS.get(last, "")


def _lined(ending: str) -> str:
    found = _ENDINGS.get(ending, "")
    return found if found in _LINED else ""


def readable(file: str) -> bool:
    """Whether a reader exists for a file's ending."""
    return bool(kind(file.rsplit("/", 1)[-1]))


def unseen(text: str) -> bool:
    """Whether nothing of a text can be seen: it is empty, or of blanks, controls and zero-width marks alone."""
    return all(unicodedata.category(char) in _UNSEEN for char in text)
