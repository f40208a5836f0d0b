"""What is seen of a build that is not as it should be, before any cause is looked for."""

from __future__ import annotations

from collections.abc import Iterator

from tunec.diagnosing.build import Build

VALID = 0.98  # of the answers, without a grammar
_UNTRAINED = ("base", "prompted", "few_shot", "majority", "rule", "tfidf", "nearest", "encoder", "rag")
_NOTICED = 0.02  # of a metric from 0 to 1


def symptoms(build: Build) -> Iterator[str]:
    yield from _below(build)
    yield from _gap(build)
    yield from _invalid(build)
    yield from _behind(build)
    yield from _forgotten(build)
    yield from _after_export(build)


def _below(build: Build) -> Iterator[str]:
    figure = build.dev_figures[build.choice["chosen"]][build.primary]
    needed = float(build.compiled.plan["gate"].params["threshold"])
    if figure["value"] < needed:
        ends = f"[{figure['low']:.2f}, {figure['high']:.2f}]"
        yield f"{build.primary} on dev is {figure['value']:.3f} {ends}; needed {needed:g}"


def _gap(build: Build) -> Iterator[str]:
    """The training loss fell, and the dev loss did not follow."""
    losses, dev = build.losses, build.training.get("dev_loss")
    if dev is None or len(losses) < 10:
        return
    last = float(build.training.get("train_loss", losses[-1]))
    if last < 0.5 * losses[0] and dev > 0.5 * losses[0]:
        yield f"the loss fell from {losses[0]:.2f} to {last:.2f} on train rows, and is {dev:.2f} on dev rows"


def _invalid(build: Build) -> Iterator[str]:
    figures = build.dev_figures[build.choice["chosen"]]
    free = figures.get("free_validity", figures.get("schema_validity"))
    if free and free["value"] < VALID and build.contract.type != "text":
        yield f"{1 - free['value']:.1%} of the dev answers break the contract when no grammar holds them"


def _behind(build: Build) -> Iterator[str]:
    """What needs no training does as well. `ahead` is of the test report: told, and never learnt from."""
    held = [
        (name, lead["value"])
        for name, lead in build.test["ahead"].items()
        if any(name == one or name.startswith(f"{one}-") for one in _UNTRAINED) and lead["value"] <= 0
    ]
    for name, lead in sorted(held, key=lambda item: (item[1], item[0]))[:3]:
        yield f"{name} is {'as good' if lead == 0 else f'{-lead:.3f} better'} in {build.primary}, without any training"


def _forgotten(build: Build) -> Iterator[str]:
    seen = build.training.get("signals", {}).get("forgetting")
    if seen:
        yield str(seen["seen"])


def _after_export(build: Build) -> Iterator[str]:
    figures, variant = build.dev_figures, build.choice["variant"]
    tuned, shipped = figures.get(f"{variant}-tuned"), figures[build.choice["chosen"]]
    if tuned and tuned[build.primary]["value"] - shipped[build.primary]["value"] > _NOTICED:
        before, after = (f"{one[build.primary]['value']:.3f}" for one in (tuned, shipped))
        yield f"good before the export, worse after it: {build.primary} on dev is {before}, then {after}"
