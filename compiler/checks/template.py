"""What goes in: `input_template` and `system_prompt`."""

from __future__ import annotations

from collections.abc import Iterator

from compiler.checks._check import Found, Look, check
from stages.templating import FILTERS, PLACEHOLDER, is_jinja
from stages.templating import check as read


@check("T104")
def template_reads_the_row(look: Look) -> Iterator[Found]:
    """An input template without a placeholder: every row would look the same.

    Name the columns that go in, such as `{text}`.
    """
    template = look.task.input_template
    if not PLACEHOLDER.search(template) and not is_jinja(template):
        yield Found("`input_template` has no placeholder", "input_template", "name the columns that go in: {text}")


@check("T108")
def template_is_tame(look: Look) -> Iterator[Found]:
    """A Jinja template that goes beyond the part of Jinja whose cost is bounded by the row.

    Use `{field}` placeholders, or move the computation into the data.
    """
    if not is_jinja(look.task.input_template):
        return
    _, refused = read(look.task.input_template)
    if refused:
        note = f"allowed: values, conditions, loops one deep, and the filters {', '.join(sorted(FILTERS))}"
        help = "use {field} placeholders, or move the computation into the data"
        yield Found(f"`input_template`: {refused}", "input_template", help, note)


@check("T159", "warning")
def system_prompt_is_fixed(look: Look) -> Iterator[Found]:
    """A placeholder in `system_prompt`, which is the same for every row.

    Move it to `input_template`.
    """
    found = PLACEHOLDER.search(look.task.system_prompt or "")
    if found:
        message = f"`{found[0]}` is not filled here: the system prompt is the same for every row"
        yield Found(message, "system_prompt", "move it to `input_template`")


@check("T153", "warning")
def system_prompt_is_used(look: Look) -> Iterator[Found]:
    """A `system_prompt` that nothing says: the tuned model has `training.prompt: none`, and no baseline prompts.

    Remove it, or set `training.prompt: system`.
    """
    if look.task.system_prompt and look.task.training.prompt == "none" and not look.task.baselines.get("prompted"):
        help = "remove it, or set `training.prompt: system`"
        yield Found("no model is told this system prompt", "system_prompt", help, "`training.prompt` is none", key=True)


@check("T154")
def prompt_has_a_text(look: Look) -> Iterator[Found]:
    """`training.prompt: system` without a `system_prompt`.

    Write the system prompt, or set `training.prompt: none`.
    """
    if look.task.training.prompt == "system" and not (look.task.system_prompt or "").strip():
        help = "write `system_prompt:`, or set `training.prompt: none`"
        yield Found("there is no system prompt to train with", "training.prompt", help)
