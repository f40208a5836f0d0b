"""The recipe: what contradicts itself, and what is far from what is known to work."""

from __future__ import annotations

import re
from collections.abc import Iterator

from compiler.checks._check import Found, Look, check
from stages.facts import adapters, methods

# Highest epochs by row count, and usual rates by model size: the seeds' heuristics (1 to 5 epochs; 1e-5 to 2e-4 for
# models of 0.5B and more) and, below 0.4B parameters, the rates that were measured here.
_EPOCHS = ((200, 10), (5_000, 5), (float("inf"), 3))
_SMALL = 400_000_000
_RATES = {True: (1e-4, 3e-3), False: (1e-5, 5e-4)}
_MODULES = re.compile(r"[A-Za-z_][\w.]*(,[A-Za-z_][\w.]*)*")


@check("T132", "warning")
def alpha_is_near_the_rank(look: Look) -> Iterator[Found]:
    """`lora.alpha` is far from the rank: the update is scaled by alpha / r, usually 1 or 2.

    A large scale acts like a larger learning rate, a small one like a smaller. Write alpha as twice the rank.
    """
    lora = look.task.training.lora
    if not 0.25 <= lora.alpha / lora.r <= 4:
        note = f"alpha / r = {lora.alpha / lora.r:g}"
        at = "training.lora.alpha" if look.written("training.lora.alpha") else "training.lora.r"
        yield Found("the adapter's scale is unusual", at, f"write `alpha: {2 * lora.r}`", note)


@check("T136", "warning")
def epochs_are_sane(look: Look) -> Iterator[Found]:
    """More epochs than these rows bear: small models learn rows by heart, and generalise worse for it.

    Up to 10 below 200 rows, 5 below 5,000, 3 above. Raise the rate or bring more rows instead.
    """
    epochs, rows = look.task.training.epochs, look.rows if look.seen_each else 0
    most = next(most for count, most in _EPOCHS if rows < count) if rows else 5
    if epochs > most:
        what = f"of {rows:,} rows" if rows else "of any data"
        help = f"write {most}; where it learns too little, raise the rate"
        yield Found(f"{epochs:g} epochs {what} are likely to be learnt by heart", "training.epochs", help)


@check("T131")
def method_reads_the_key(look: Look) -> Iterator[Found]:
    """A key of `training` that the method or the adapter does not read, such as `beta` beside sft.

    Remove it, or choose the method that it belongs to.
    """
    training = look.task.training
    for chosen, known in ((training.method, methods()), (training.adapter, adapters())):
        read = known[chosen].keys if chosen in known else ()
        for key in sorted({key for facts in known.values() for key in facts.keys} - set(read)):
            if look.written(f"training.{key}"):
                note = f"read by {', '.join(name for name, facts in known.items() if key in facts.keys)}"
                yield Found(f"`{chosen}` does not read `{key}`", f"training.{key}", "remove it", note, key=True)


@check("T137", "warning")
def rate_is_usual(look: Look) -> Iterator[Found]:
    """A learning rate outside what is known to work for a model of this size.

    Low-rank adapters take 1e-5 to 5e-4 from 0.4B parameters on, 1e-4 to 3e-3 below. Too high diverges, too low learns
    nothing in a few epochs. Training every weight wants a tenth of that, preference methods a fiftieth to a fifth.
    """
    size, rate = look.task.base_model.parameters, look.task.training.learning_rate
    low, high = _RATES[size < _SMALL] if size else (_RATES[False][0], _RATES[True][1])
    gentle = look.task.training.method not in ("sft", "cpt")
    full = 10 if look.task.training.adapter == "full" else 1
    low, high = low / full / (50 if gentle else 1), high / full / (5 if gentle else 1)
    if not low <= rate <= high:
        what = "high" if rate > high else "low"
        note = f"usual here: {low:g} to {high:g}"
        yield Found(f"the learning rate {rate:g} is very {what}", "training.learning_rate", "try the usual first", note)


@check("T155")
def modules_are_names(look: Look) -> Iterator[Found]:
    """`lora.target_modules` is neither all-linear nor names with commas between.

    Write it like `q_proj,v_proj`.
    """
    modules = look.task.training.lora.target_modules
    if modules != "all-linear" and not _MODULES.fullmatch(modules):
        help = "write `all-linear`, or names like `q_proj,v_proj`"
        yield Found("`target_modules` is no list of names", "training.lora.target_modules", help)


@check("T162", "warning")
def batch_has_rows(look: Look) -> Iterator[Found]:
    """A batch of more rows than there are to train on: an epoch is one step.

    A model learns in steps: some hundred of them. Write a smaller batch.
    """
    size, at = look.task.training.batch_size, "training.batch_size"
    if look.seen_each and 0 < look.rows < size and look.written(at):
        message = f"a batch of {size} holds every row there is to train on"
        yield Found(message, at, "write 4 or 8", f"rows: {look.rows}")
