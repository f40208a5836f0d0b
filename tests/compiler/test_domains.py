"""Fields of work in which a wrong answer hurts people, by the words of `domain`."""

from __future__ import annotations

import pytest

from compiler.domains import high_stakes


@pytest.mark.parametrize(
    ("domain", "field"),
    [
        ("finance", "finance"),
        ("金融新聞", "finance"),
        ("Clinical notes", "medicine"),
        ("醫療", "medicine"),
        ("legal tech", "law"),
        ("勞動契約", "law"),
        ("HR", "employment"),
        ("招募", "employment"),
        ("road safety", "safety"),
        ("核能", "safety"),
        ("retail", None),
        ("thrift shops", None),
        ("syntax", None),
        ("outlaws in films", None),
        ("旅遊", None),
        (None, None),
    ],
)
def test_a_field_is_told_by_whole_words(domain: str | None, field: str | None) -> None:
    assert high_stakes(domain) == field
