"""Where a file first differs from what it was, known from a few bytes about it."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tunec.releasing.digests import LEAST, PIECES, Place, facts, first_difference, first_difference_from, pieces


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("digests") / "file"


def content(length: int) -> bytes:
    return random.Random(length).randbytes(length)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(length=st.integers(1, 20_000), at=st.integers(0, 10**6), change=st.integers(1, 255))
def test_one_flipped_byte_is_found_and_proven_with_no_copy_of_the_file(
    file: Path, length: int, at: int, change: int
) -> None:
    whole, at = bytearray(content(length)), at % length
    file.write_bytes(whole)
    known = pieces(file)
    was, whole[at] = whole[at], whole[at] ^ change
    file.write_bytes(whole)
    assert first_difference(file, length, known) == Place(at, at, was, whole[at])


def test_a_flipped_byte_is_found_in_a_file_whose_pieces_are_larger_than_a_block(file: Path) -> None:
    whole = bytearray(content(1) * 200_000_000)
    file.write_bytes(whole)
    known = pieces(file)
    at = 151_000_001
    whole[at] ^= 1
    file.write_bytes(whole)
    found = first_difference(file, len(whole), known)
    assert found is not None and (found.first, found.last) == (at, at)


@pytest.mark.parametrize("length", [0, 1, LEAST, LEAST + 1, LEAST * PIECES, LEAST * PIECES + 1, 1_000_003])
def test_a_whole_file_differs_nowhere_and_has_few_pieces(length: int, file: Path) -> None:
    file.write_bytes(content(length))
    known = pieces(file)
    assert first_difference(file, length, known) is None
    assert len(known["marks"].split()) <= PIECES


def test_several_changed_bytes_are_narrowed_to_the_first_piece_that_holds_one(file: Path) -> None:
    whole = bytearray(content(100_000))
    file.write_bytes(whole)
    known = pieces(file)
    for at in (5_000, 5_001, 5_007, 90_000):
        whole[at] ^= 0x55
    file.write_bytes(whole)
    found = first_difference(file, 100_000, known)
    assert found is not None and found.first <= 5_000 <= found.last < 5_000 + known["size"] and found.was is None


@pytest.mark.parametrize(("length", "now"), [(100, 99), (100, 64), (100, 0), (64, 65), (0, 1), (10_000, 9_000)])
def test_a_file_that_ends_early_or_goes_on_is_found(length: int, now: int, file: Path) -> None:
    file.write_bytes(content(length))
    known = pieces(file)
    file.write_bytes((content(length) + b"x")[:now])
    found = first_difference(file, length, known)
    assert found is not None and found.first <= min(length, now) <= found.last + 1


def test_beside_another_copy_the_first_byte_is_always_sure(file: Path) -> None:
    whole = content(3_000_000)
    other = file.with_name("other")
    other.write_bytes(whole)
    for now, place in [
        (whole, None),
        (whole[:2_000_000] + b"\0\1" + whole[2_000_002:], 2_000_000),
        (whole[:5], 5),
        (whole + b"x", 3_000_000),
    ]:
        file.write_bytes(now)
        for reference in (other, whole):
            found = first_difference_from(file, reference)
            assert (found.first if found else None) == place


def test_the_hashes_are_those_of_sha256sum_and_md5sum(file: Path) -> None:
    file.write_bytes(b"abc")
    found = facts(file)
    assert found.sha256 == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    assert found.md5 == "900150983cd24fb0d6963f7d28e17f72"
