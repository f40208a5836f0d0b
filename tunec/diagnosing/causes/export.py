"""Good before the export, bad after it: the file does not read prompts as the trained weights do."""

from __future__ import annotations

from collections.abc import Iterator

from tunec.diagnosing.build import Build
from tunec.diagnosing.cause import Cause, Sign, strength


def look(build: Build) -> Iterator[Sign]:
    checks = build.checks
    for name, said in (("template", "the chat template"), ("stop", "the token that ends an answer")):
        if not checks[name]:
            yield Sign(f"{said} of the file is not that of the trained weights", 0.9)
    share = checks["tokens"] / max(1, checks["rows"])
    yield Sign(
        f"{checks['tokens']} of {checks['rows']} prompts become other tokens in the file", strength(share, 0.0, 0.1)
    )
    figures, variant = build.dev_figures, build.choice["variant"]
    tuned, f16 = (figures.get(f"{variant}-{name}", {}).get(build.primary) for name in ("tuned", "f16"))
    if tuned and f16:
        lost = tuned["value"] - f16["value"]
        figure = (
            f"{build.primary} on dev is {tuned['value']:.3f} by the trained weights, {f16['value']:.3f} by the f16 file"
        )
        yield Sign(figure, strength(lost, 0.02, 0.1))


def experiment(build: Build) -> str:
    return "the flip list of `tunec report --open`, tuned -> f16: are the lost answers garbled, endless or just other?"


CAUSE = Cause(
    "export",
    "the exported file behaves otherwise",
    look,
    experiment,
    "use the model's official chat template and tokenizer; keep the end-of-turn token; export again",
    before=14,
    command="tunec report --open",
)
