"""Who looks at rows once the gates have: a model and a person, as task.yaml names them."""

from __future__ import annotations

from stages.base import Params


class Told(Params):
    """What a judge is told of the task."""

    goal: str | None
    language: str | None
    system_prompt: str | None


class Spending(Params):
    """At most; answers of earlier builds count too."""

    requests: int | None
    tokens: int | None


class Judging(Params):
    """The section `data.judge`. timeout: seconds an answer. total: points of 35 at least; least: of 5, score by score.
    prompt: the workspace's own, which is an input of the stage.
    """

    endpoint: str
    model: str
    key_env: str | None
    max_tokens: int
    timeout: float
    retries: int
    requests_per_minute: float | None
    total: int
    least: dict[str, int]
    budget: Spending
    prompt: str | None
    about: Told


class Reviewing(Params):
    """The section `data.review`. flags: gates whose warnings make a row wait. share: of all rows, in [0, 1]."""

    flags: tuple[str, ...]
    share: float
