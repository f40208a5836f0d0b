"""Which stage runs when, played without running any."""

from __future__ import annotations

from tunec.executing.base import Needs, Slots
from tunec.executing.schedule import Schedule, Task, above, below, makespan


def tasks(*given: Task) -> dict[str, Task]:
    return {task.name: task for task in given}


def diamond() -> dict[str, Task]:
    after = frozenset({"data"})
    return tasks(
        Task("data", seconds=1.0),
        Task("short", after, seconds=1.0),
        Task("long", after, seconds=5.0),
        Task("end", frozenset({"short", "long"}), seconds=1.0),
    )


def test_what_is_read_comes_first_and_the_longest_way_before_the_others() -> None:
    schedule = Schedule(diamond(), Slots(jobs=1))
    order = []
    while not schedule.over:
        task = schedule.take()
        assert task is not None and schedule.take() is None  # one at a time
        order.append(task.name)
        schedule.end(task.name, well=True)
    assert order == ["data", "long", "short", "end"]


def test_a_failure_takes_only_those_that_read_it() -> None:
    schedule = Schedule(diamond() | tasks(Task("apart", frozenset({"data"}))), Slots(jobs=9))
    for name, well in (("data", True), ("long", False), ("short", True), ("apart", True)):
        while schedule.take():
            pass
        schedule.end(name, well=well)
    assert schedule.over
    assert (schedule.failed, schedule.missed, schedule.done) == (["long"], {"end"}, {"data", "short", "apart"})


def test_gpus_and_memory_are_shared_out() -> None:
    dear = Needs(gpus=1, memory=60)
    two = tasks(Task("a", needs=dear), Task("b", needs=dear), Task("cheap"))
    schedule = Schedule(two, Slots(jobs=3, gpus=2, memory=100))
    assert {task.name for _ in range(3) if (task := schedule.take())} == {"b", "cheap"}  # b and a want 120 of 100
    assert schedule.running["b"] == (0,)
    schedule.end("b", well=True)
    last = schedule.take()
    assert last is not None and last.name == "a"


def test_where_there_are_no_gpus_nobody_waits_for_one() -> None:
    schedule = Schedule(tasks(Task("a", needs=Needs(gpus=1)), Task("b", needs=Needs(gpus=1))), Slots(jobs=2))
    assert schedule.take() and schedule.take()


def test_what_no_memory_is_enough_for_runs_alone() -> None:
    schedule = Schedule(tasks(Task("huge", needs=Needs(memory=999)), Task("small")), Slots(jobs=2, memory=10))
    first = schedule.take()
    assert first is not None
    schedule.end(first.name, well=True)
    assert schedule.take() is not None


def test_what_would_end_too_late_is_not_begun() -> None:
    schedule = Schedule(tasks(Task("long", seconds=100.0), Task("short", seconds=1.0)), Slots(jobs=2))
    taken = schedule.take(within=10.0)
    assert taken is not None and taken.name == "short" and schedule.take(within=10.0) is None
    assert schedule.left == ["long"]


def test_how_long_it_takes_side_by_side() -> None:
    assert makespan(diamond(), Slots(jobs=1)) == 8.0
    assert makespan(diamond(), Slots(jobs=2)) == 7.0


def test_what_stands_before_and_behind_a_stage() -> None:
    assert below(diamond(), ["short"]) == {"short", "end"}
    assert above(diamond(), ["short"]) == {"short", "data"}
