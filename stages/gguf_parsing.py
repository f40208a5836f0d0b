"""transformers' reading of a GGUF, in a third of the time."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

from stages.gguf_header import STRING


@contextmanager
def parsed_once() -> Iterator[None]:
    """transformers parses the header, vocabulary and all, for the config, the tokenizer and the weights, and makes the
    table of tensor names once a module: 15 s for 135M parameters on two cores, 7 s with all that remembered.

    What a release of transformers or gguf names otherwise is left as it is there.
    """
    import gguf
    import numpy
    from transformers import modeling_gguf_pytorch_utils as reading

    class Reader(gguf.GGUFReader):  # type: ignore[misc]
        """Of plain arrays: a piece of a mapped file takes numpy three times as long."""

        def _get(self, *place: Any, **how: Any) -> Any:
            self.data: Any = self.data.view(numpy.ndarray)
            return super()._get(*place, **how)

    reader, values = functools.cache(Reader), dict[int, Any]()

    def value(part: Any, types: Any) -> Any:
        if id(part) not in values:  # the reader, which is remembered, holds every part
            values[id(part)] = part.tobytes().decode() if types[-1:] == [STRING] else parse(part, types)
        return values[id(part)]

    parse: Any = getattr(reading, "_gguf_parse_value", None)
    with ExitStack() as stack:
        for module, name, ours in (
            (gguf, "GGUFReader", reader),
            (gguf, "get_tensor_name_map", functools.cache(gguf.get_tensor_name_map)),
            (reading, "_gguf_parse_value", value),
            (reading, "tqdm", lambda items, **_: items),  # a bar that no setting turns off
        ):
            if hasattr(module, name):
                stack.callback(setattr, module, name, getattr(module, name))
                setattr(module, name, ours)
        yield
