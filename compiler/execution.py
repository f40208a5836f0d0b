"""The section `execution` of task.yaml: where stages run, and what runs side by side. Nothing that is built depends on
it, so no stage reads it: it stands in the guard's `meta`, and `tunec run` goes by it.

What ends in a command of ssh, rsync or Slurm has a pattern here that leaves room for no option and no second word.
"""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from compiler.section import Section, unit, unwritten

# What ssh takes as one word that is no option and no command.
HOST = r"([A-Za-z0-9_][A-Za-z0-9_.-]*@)?[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?"
_PART = r"\.?[A-Za-z0-9_][A-Za-z0-9_.+-]*"  # of a path; neither `.` nor `..`
_PATH = rf"^/?{_PART}(/{_PART})*$"
_NAMES = r"^[A-Za-z0-9_][A-Za-z0-9_.,-]*$"
_MINUTES = {"m": 1, "h": 60, "d": 24 * 60}

Type = Literal["local", "remote_ssh", "slurm", "ray"]
# The keys that each type reads, beside `type` and `slots`.
READS: dict[str, tuple[str, ...]] = {
    "local": ("report_to", "parallel", "processes"),
    "remote_ssh": ("host", "port", "key", "folder", "python"),
    "slurm": ("partition", "gpus", "time", "account"),
    "ray": ("address", "gpus"),
}


class Shared(Section):
    """What the stages share that `tunec build -j N` runs side by side."""

    gpus: int | None = Field(
        default=None,
        ge=0,
        le=1024,
        description="GPUs, each for one stage at a time; default: those of this machine.",
        json_schema_extra=unit("GPUs"),
    )
    memory: float | None = Field(
        default=None,
        gt=0,
        description="Main memory in GB, of which each stage takes what it took of late; default: "
        "what is free on this machine.",
        json_schema_extra=unit("GB"),
    )


class Execution(Section):
    """Where the stages of a build run. It is no part of what is built: another machine gives the same artifacts."""

    type: Type = Field(
        default="local",
        description="local: on this machine; remote_ssh: on `host`, over SSH; slurm: as jobs of this cluster; ray: as "
        "tasks of a Ray cluster. Or a preset of conf/execution/.",
    )
    host: str | None = Field(
        default=None, max_length=200, description="remote_ssh: USER@NAME, or a name of ~/.ssh/config."
    )
    port: int | None = Field(default=None, ge=1, le=65535, description="remote_ssh: default: what ssh takes.")
    key: str | None = Field(
        default=None,
        pattern=rf"^(~/|/)?{_PART}(/{_PART})*$",
        description="remote_ssh: the file of a private key, such as ~/.ssh/id_ed25519; default: those that ssh tries.",
    )
    folder: str | None = Field(
        default=None, pattern=_PATH, description="remote_ssh: a folder there for files and runs; counts from the home."
    )
    python: str | None = Field(
        default=None,
        pattern=_PATH,
        description="remote_ssh: the Python there that has tunec, such as venv/bin/python; counts from the home.",
    )
    partition: str | None = Field(default=None, pattern=_NAMES, description="slurm: the partition of the jobs.")
    gpus: int | None = Field(
        default=None, ge=0, le=64, description="slurm, ray: GPUs for a stage.", json_schema_extra=unit("GPUs")
    )
    time: str | None = Field(
        default=None, pattern=r"^[1-9][0-9]{0,4}[mhd]$", description="slurm: the longest a stage may take: 90m, 8h, 2d."
    )
    account: str | None = Field(default=None, pattern=_NAMES, description="slurm: who pays for the jobs.")
    address: str | None = Field(
        default=None,
        pattern=r"^(auto|local|(ray://)?[A-Za-z0-9][A-Za-z0-9.-]*:[0-9]{1,5})$",
        description="ray: HOST:PORT, ray://HOST:PORT, auto (the cluster that this machine is part of) or local.",
    )
    report_to: list[Literal["mlflow", "wandb", "tensorboard"]] = Field(
        default_factory=list,
        description="local: who is told of every training step, beside the curve that is always kept.",
    )
    parallel: Literal["ddp", "fsdp"] | None = Field(
        default=None,
        description="local: train on several GPUs at once; ddp: each holds the whole model and takes a part of every "
        "step's rows; fsdp: weights and optimizer are parted, for a training that one GPU cannot hold.",
    )
    processes: int | None = Field(
        default=None,
        ge=2,
        le=64,
        description="local, with `parallel`: how many processes train; default: one a GPU.",
        json_schema_extra=unit("processes"),
    )
    slots: Shared = unwritten(Shared)

    def written(self) -> dict[str, Any] | None:
        """As dvc.yaml holds it for `tunec run`; None for a local build in one process, which needs no word."""
        if self.type == "local" and not self.parallel:
            return None
        read = {key: getattr(self, key) for key in READS[self.type] if key != "report_to"}
        return {"type": self.type, **{key: value for key, value in read.items() if value is not None}}


def minutes(time: str) -> int:
    """`90m`, `8h` or `2d` in minutes."""
    return int(time[:-1]) * _MINUTES[time[-1]]
