"""Which stages an edit runs, with the real DVC: exactly those that must, no stage more and none less."""

from __future__ import annotations

import pytest

from tests.rebuilds.conftest import Workspace
from tests.rebuilds.edits import EDITS, OFTEN, Edit

pytestmark = pytest.mark.slow
CASES = [
    pytest.param(edit, expected, id=name, marks=() if name in OFTEN else pytest.mark.thorough)
    for name, edit, expected in EDITS
]


@pytest.mark.parametrize(("edit", "expected"), CASES)
def test_an_edit_runs_exactly_the_stages_that_read_it(workspace: Workspace, edit: Edit, expected: set[str]) -> None:
    workspace.compile(*(edit(workspace) or ()))
    assert workspace.repro() == expected


def test_the_table_is_as_long_as_it_should_be() -> None:
    assert len({name for name, _, _ in EDITS}) == len(EDITS) >= 100
    assert len(OFTEN) >= 20 and {name for name, _, _ in EDITS} >= OFTEN
