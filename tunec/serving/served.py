"""What is served, read off a release's folder: the model file, its contract, how it is prompted, and its limits."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stages.diagnostics import fail
from tunec.releasing import manifest

if TYPE_CHECKING:
    from stages.answers import Answer, Engine
    from stages.chat import ChatTemplate, Prompt
    from stages.contract import Contract


@dataclass(frozen=True)
class Served:
    """folder: a release's, verified. whole: its manifest."""

    folder: Path
    whole: Mapping[str, Any]

    @property
    def name(self) -> str:
        return str(self.whole["release"])

    @property
    def model(self) -> Path:
        return self.folder / "model.gguf"

    @property
    def system(self) -> str | None:
        said = self.whole["contract"]["system_prompt"]
        return str(said) if said else None

    @property
    def longest(self) -> int:
        """Tokens of an answer, at most: what it was measured with."""
        return int(self.whole["config"]["evaluation"]["max_new_tokens"])

    @property
    def fields(self) -> frozenset[str]:
        """The input's fields, which its template reads."""
        from stages.templating import placeholders

        return placeholders(str(self.whole["contract"]["input_template"]))

    def message(self, given: Mapping[str, Any]) -> str:
        """The user's message of an input, as in training. Raises T322 when it cannot be made of it."""
        from stages.chat import user_message

        return user_message(str(self.whole["contract"]["input_template"]), dict(given))

    @cached_property
    def contract(self) -> Contract:
        from tunec.releasing.judged import contract

        return contract(self.whole)

    @property
    def decoding(self) -> str:
        return str(self.whole["config"]["evaluation"]["decoding"])

    @cached_property
    def grammar(self) -> str | None:
        """The same grammar that the answers were measured under; none where decoding was free."""
        return None if self.decoding == "free" else self.contract.grammar()

    def answer(self, engine: Engine, prompt: Prompt) -> Answer:
        """As it was measured: the likeliest label, where that was scored; else greedily, under the grammar."""
        if self.decoding == "likelihood":
            (answer,) = engine.label([prompt], self.contract.labels, sequences=1)
        else:
            (answer,) = engine.answer(
                [prompt], max_new_tokens=self.longest, grammar=self.grammar, hopeless=self.contract.hopeless
            )
        return answer

    @cached_property
    def template(self) -> ChatTemplate:
        """The file's own chat template. Raises T323 when it has none, T350 when the file is damaged."""
        from contextlib import closing

        from stages.engines.llama_cpp import LlamaCpp

        with closing(LlamaCpp(self.model)) as engine:
            return engine.chat_template()


def opened(folder: Path) -> Served:
    """A folder whose every byte is what was released. Raises T583 when it is no release's, and what verifying finds."""
    from stages.diagnostics import UserError
    from tunec.releasing import verifying

    if not (folder / manifest.NAME).is_file():
        help = "name a release (`tunec release list`), or the folder of one"
        raise fail("T583", f"{folder.as_posix()!a} is no folder of a release", help=help)
    checked = verifying.folder(folder)
    if not checked.whole:
        raise UserError(*checked.found)
    path = folder / manifest.NAME
    return Served(folder, manifest.opened(path.read_bytes(), path.as_posix()))
