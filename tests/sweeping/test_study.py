"""A search: batches of one graph each, points given up early, and a study that goes on after a kill."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.rebuilds.conftest import Workspace
from tests.sweeping.conftest import by_kind, counted

optuna = pytest.importorskip("optuna", reason="the extra `optuna` is not installed")
SEARCH = (
    "sweep",
    "-m",
    "hydra/sweeper=optuna",
    "training.learning_rate=tag(log, interval(1e-4, 1e-2))",
    "training.lora.r=choice(8,16)",
    "hydra.sweeper.n_jobs=2",
    "hydra.sweep.dir=build/sweeps/one",
)


def study(root: Path) -> Any:
    from optuna.storages import JournalStorage
    from optuna.storages.journal import JournalFileBackend

    storage = JournalStorage(JournalFileBackend(str(root / "build/sweeps/optuna.journal")))
    return optuna.load_study(study_name="sweep", storage=storage)


def trainings(ran: Counter[str]) -> int:
    """How often any was trained: both rungs of a point have one name, for a sweep's names tell what differs in it."""
    return sum(count for name, count in ran.items() if name.startswith("train-"))


@pytest.mark.thorough
@pytest.mark.slow
def test_a_search_prunes_goes_on_and_ends_with_one_sweep_of_what_was_trained_whole(four: Workspace) -> None:
    four.run("tunec", *SEARCH, "hydra.sweeper.n_trials=2", "-j", "2")
    first = counted(four)
    trials = study(four.root).trials
    assert len(trials) == 2 and {trial.state.name for trial in trials} <= {"COMPLETE", "PRUNED"}
    whole = [trial for trial in trials if trial.state.name == "COMPLETE"]
    assert trainings(first) == 2 + len(whole)  # the first rung of each, and the second of those that went on
    assert by_kind(first)["test"] == by_kind(first)["select"] == 1  # the search itself looks at dev alone
    found = yaml.safe_load((four.root / "build/sweeps/one/optimization_results.yaml").read_text(encoding="utf-8"))
    assert found["best_value"] == max(trial.value for trial in whole)
    left = study(four.root)
    left.ask()  # as a killed run leaves one: it has no parameters yet
    four.run("tunec", *SEARCH, "hydra.sweeper.n_trials=3", "-j", "2")
    states = [trial.state.name for trial in study(four.root).trials]
    assert "RUNNING" not in states and sum(state in ("COMPLETE", "PRUNED") for state in states) == 3
    assert trainings(counted(four)) <= 2  # the two before it were kept


def test_hydras_grammar_becomes_a_space() -> None:
    from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

    from tunec.sweeping.study import _space

    words = [
        "++a=tag(log, interval(1e-4, 1e-2))",
        "++b=choice(x,y)",
        "++c=int(interval(1, 9))",
        "++d=range(1,4)",
        "++e=5",
    ]
    space = _space(words)
    assert space.searched == {
        "++a": FloatDistribution(1e-4, 1e-2, log=True),
        "++b": CategoricalDistribution(["x", "y"]),
        "++c": IntDistribution(1, 9),
        "++d": CategoricalDistribution([1, 2, 3]),
    }
    assert space.fixed == ["++e=5"]
