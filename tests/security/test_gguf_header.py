"""The GGUF reader on hostile files: it refuses or reads, and what it lets through does not crash llama.cpp.

Known cases: CVE-2025-53630, CVE-2026-27940, CVE-2026-33298 (memory errors in llama.cpp's own reader).
"""

from __future__ import annotations

import json
import random
import struct
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from stages.diagnostics import UserError
from stages.gguf_header import Damaged, parse, read
from tests.stages.tiny_gguf import tiny_gguf

MUTANTS = 1000
LENGTHS = [0, 1, 2**31, 2**32 - 1, 2**62, 2**63, 2**64 - 1]


def packed(value: int) -> bytes:
    return struct.pack("<Q", value)


def string(value: str) -> bytes:
    return packed(len(value.encode())) + value.encode()


def file(pairs: bytes = b"", tensors: bytes = b"", *, n_pairs: int = 0, n_tensors: int = 0, data: int = 0) -> bytes:
    head = b"GGUF" + struct.pack("<I", 3) + packed(n_tensors) + packed(n_pairs) + pairs + tensors
    return head + b"\0" * (-len(head) % 32 + data)


def tensor(name: str = "w", shape: tuple[int, ...] = (8,), kind: int = 0, offset: int = 0) -> bytes:
    sizes = b"".join(map(packed, shape))
    return string(name) + struct.pack("<I", len(shape)) + sizes + struct.pack("<IQ", kind, offset)


def pair(key: str, kind: int, value: bytes) -> bytes:
    return string(key) + struct.pack("<I", kind) + value


def mutants(whole: bytes, seed: int) -> Iterator[bytes]:
    """Files that differ from `whole` in the header alone: a bit, a byte, a length, a lost piece, a cut."""
    end, rng = parse(whole).data, random.Random(seed)
    vocabulary = range(whole.index(b"tokenizer.ggml.tokens") + 40, whole.index(b"tokenizer.ggml.bos_token_id") - 40)
    places = [place for place in range(end - 32) if place not in vocabulary or rng.random() < 0.1]
    while True:
        place = rng.choice(places)
        changed = bytearray(whole)
        match rng.randrange(5):
            case 0:
                changed[place] ^= 1 << rng.randrange(8)
            case 1:
                changed[place] = rng.randrange(256)
            case 2:
                changed[place : place + 8] = packed(rng.choice(LENGTHS))
            case 3:
                del changed[place : place + rng.choice([1, 4, 8])]
            case _:
                del changed[place:]
        if changed != whole:
            yield bytes(changed)


def test_the_file_that_the_mutants_come_from_is_sound() -> None:
    header = read(tiny_gguf())
    assert header.metadata["general.name"] == "tiny"
    assert sum(tensor.size for tensor in header.tensors) <= tiny_gguf().stat().st_size - header.data


def test_a_thousand_mutants_are_refused_or_read_as_something_else() -> None:
    whole = tiny_gguf().read_bytes()
    sound, seen, reasons = parse(whole), Counter[str](), Counter[str]()
    for mutant in mutants(whole, seed=1):
        try:
            # Another integer type for the same number, or a byte of padding: such a mutant does not count.
            seen["without effect" if parse(mutant) == sound else "read"] += 1
        except Damaged as error:
            seen["refused"] += 1
            reasons[str(error)[:12]] += 1
        if seen["refused"] + seen["read"] == MUTANTS:
            break
    assert seen["without effect"] < MUTANTS // 20
    assert seen["refused"] > MUTANTS // 2
    assert seen["read"] > MUTANTS // 50
    assert len(reasons) > 10, "the mutants must break more than one thing"


def test_what_is_let_through_does_not_crash_llama_cpp(tmp_path: Path) -> None:
    """Each mutant that the reader accepts is loaded and asked, in a process of its own."""
    accepted = []
    for n, mutant in zip(range(MUTANTS), mutants(tiny_gguf().read_bytes(), seed=2), strict=False):
        with suppress(Damaged):
            parse(mutant)
            accepted.append(tmp_path / f"{n}.gguf")
            accepted[-1].write_bytes(mutant)
    command = [sys.executable, "-c", LOAD_EACH, str(Path(__file__).parents[2]), *map(str, accepted)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    ends = Counter(json.loads(done.stdout))
    assert ends.total() == len(accepted)
    assert set(ends) <= {0, 3}, f"exit codes or signals: {ends}"
    assert ends[0], "some must load and answer"
    assert ends[3], "some must be refused by llama.cpp itself"


# Prints how each file ends. 0: it answered; 3: it was refused in order; 4: another exception; negative: a signal.
LOAD_EACH = """
import json, os, sys
sys.path.insert(0, sys.argv[1])
from pathlib import Path
from stages.diagnostics import UserError
from stages.chat import Piece, Prompt
from stages.engines import _llama_native
from stages.engines._llama_native import library
from stages.engines.llama_cpp import LlamaCpp
def load(path):
    try:
        list(LlamaCpp(Path(path)).answer(prompts, max_new_tokens=2))
    except UserError:
        return 3
    except BaseException:
        return 4
    return 0
library()
_llama_native.idle_cores = lambda: 1
prompts = [Prompt("a", (Piece("hi"),)), Prompt("b", (Piece("hello"),))]
ends = []
for path in sys.argv[2:]:
    child = os.fork()
    if not child:
        os._exit(load(path))
    ends.append(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
print(json.dumps(ends))
"""


KEY = pair("a", 4, b"\1\0\0\0")
BROKEN = {
    "another magic": b"GGUX" + file()[4:],
    "version 1": b"GGUF\1" + file()[5:],
    "big-endian": b"GGUF\0\0\0\3" + file()[8:],
    "more tensors than fit": file(n_tensors=2**63),
    "more metadata than fits": file(n_pairs=2**40),
    "a tensor count that wraps around": file(n_tensors=2**64 // 24 + 1, data=64),
    "a key longer than the file": file(packed(2**63 - 1) + b"a", n_pairs=1),
    "an empty key": file(pair("", 4, b"\0" * 4), n_pairs=1),
    "a key twice": file(KEY + KEY, n_pairs=2),
    "a key that is not UTF-8": file(packed(2) + b"\xff\xfe" + struct.pack("<II", 4, 0), n_pairs=1),
    "an unknown type": file(pair("a", 13, b"\0" * 8), n_pairs=1),
    "a yes-or-no of 2": file(pair("a", 7, b"\2"), n_pairs=1),
    "an array longer than the file": file(pair("a", 9, struct.pack("<IQ", 0, 2**62)), n_pairs=1),
    "an array whose size wraps around": file(pair("a", 9, struct.pack("<IQ", 10, 2**61 + 1)), n_pairs=1, data=64),
    "texts longer than the file": file(pair("a", 9, struct.pack("<IQQ", 8, 1, 2**63)), n_pairs=1, data=64),
    "arrays in arrays in arrays": file(pair("a", 9, struct.pack("<IQIQIQ", 9, 1, 9, 1, 9, 1)), n_pairs=1, data=99),
    "an alignment of zero": file(pair("general.alignment", 4, b"\0" * 4), n_pairs=1),
    "an alignment of 24": file(pair("general.alignment", 4, struct.pack("<I", 24)), n_pairs=1),
    "five dimensions": file(tensors=tensor(shape=(1,) * 5), n_tensors=1, data=32),
    "no dimension": file(tensors=tensor(shape=()), n_tensors=1, data=32),
    "a length of zero": file(tensors=tensor(shape=(8, 0)), n_tensors=1, data=32),
    "a shape that wraps around": file(tensors=tensor(shape=(2**33, 2**33)), n_tensors=1, data=64),
    "a tensor of an unknown type": file(tensors=tensor(kind=36), n_tensors=1, data=32),
    "a row that blocks do not divide": file(tensors=tensor(shape=(33,), kind=2), n_tensors=1, data=64),
    "a tensor past the end": file(tensors=tensor(shape=(64,)), n_tensors=1, data=255),
    "an offset past the end": file(tensors=tensor(offset=2**40), n_tensors=1, data=32),
    "an offset that is not aligned": file(tensors=tensor(offset=8), n_tensors=1, data=64),
    "tensors that overlap": file(tensors=tensor("a") + tensor("b"), n_tensors=2, data=64),
    "two tensors of one name": file(tensors=tensor() + tensor(offset=32), n_tensors=2, data=64),
    "a tensor's name of 64 bytes": file(tensors=tensor("w" * 64), n_tensors=1, data=32),
    "a thousand layers": file(pair("llama.block_count", 4, struct.pack("<I", 1000)), n_pairs=1),
    "an epsilon that is no number": file(pair("llama.epsilon", 6, struct.pack("<f", float("nan"))), n_pairs=1),
    "a token twice": file(
        pair("tokenizer.ggml.tokens", 9, struct.pack("<IQ", 8, 2) + string("a") + string("a")), n_pairs=1
    ),
    "fewer types than tokens": file(
        pair("tokenizer.ggml.tokens", 9, struct.pack("<IQ", 8, 1) + string("a"))
        + pair("tokenizer.ggml.token_type", 9, struct.pack("<IQ", 5, 0)),
        n_pairs=2,
    ),
}
WHOLE = {
    "nothing at all": file(),
    "a key": file(KEY, n_pairs=1),
    "a tensor": file(tensors=tensor(), n_tensors=1, data=32),
    "two tensors": file(tensors=tensor("a") + tensor("b", offset=32), n_tensors=2, data=64),
    "one quantized row": file(tensors=tensor(shape=(32,), kind=2), n_tensors=1, data=18),
    "a token": file(pair("tokenizer.ggml.tokens", 9, struct.pack("<IQ", 8, 1) + string("a")), n_pairs=1),
    "512 layers": file(pair("llama.block_count", 4, struct.pack("<I", 512)), n_pairs=1),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_header_that_does_not_add_up_is_refused(name: str, tmp_path: Path) -> None:
    (tmp_path / "model.gguf").write_bytes(BROKEN[name])
    with pytest.raises(UserError) as error:
        read(tmp_path / "model.gguf")
    assert error.value.diagnostics[0].code == "T350"
    assert error.value.diagnostics[0].help


@pytest.mark.parametrize("name", WHOLE)
def test_a_header_that_adds_up_is_read(name: str) -> None:
    """The broken headers above differ from these in one thing each."""
    assert parse(WHOLE[name]).version in (2, 3)
