"""Which weights matter most: llama.cpp's importance matrix, the mean square of what each column of a matrix is fed.

llama.cpp's own tool is not part of its Python package, so what it does is done here, through the callback that it uses:
before each matrix product of a layer the activations are looked at. Source: IMatrixCollector::collect_imatrix of
llama.cpp's tools/imatrix; the layout of `ggml_tensor` is ggml.h's, as of llama-cpp-python 0.3.36.
"""

from __future__ import annotations

import ctypes
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import numpy.typing as npt

from stages.diagnostics import fail

_NAME, _SOURCES, _DIMENSIONS = 64, 10, 4  # GGML_MAX_NAME, GGML_MAX_SRC, GGML_MAX_DIMS
_FLOAT32 = 0  # GGML_TYPE_F32
Matrix = dict[str, npt.NDArray[np.float32]]


class _Tensor(ctypes.Structure):
    """struct ggml_tensor."""


_Tensor._fields_ = [
    ("type", ctypes.c_int),
    ("buffer", ctypes.c_void_p),
    ("ne", ctypes.c_int64 * _DIMENSIONS),
    ("nb", ctypes.c_size_t * _DIMENSIONS),
    ("op", ctypes.c_int),
    ("op_params", ctypes.c_int32 * 16),
    ("flags", ctypes.c_int32),
    ("src", ctypes.POINTER(_Tensor) * _SOURCES),
    ("view_src", ctypes.POINTER(_Tensor)),
    ("view_offs", ctypes.c_size_t),
    ("data", ctypes.c_void_p),
    ("name", ctypes.c_char * _NAME),
    ("extra", ctypes.c_void_p),
    ("padding", ctypes.c_char * 8),
]


class Collector:
    """Sums what each weight's columns are fed. `hear` is llama.cpp's callback, and must live as long as its context."""

    def __init__(self, lib: Any) -> None:
        self.sums: dict[str, npt.NDArray[np.float64]] = {}
        self.counts: dict[str, int] = {}
        self.hear = lib.ggml_backend_sched_eval_callback(self._hear)

    def _hear(self, address: int, asked: bool, _: object) -> bool:
        tensor = ctypes.cast(address, ctypes.POINTER(_Tensor)).contents
        name, fed = self._product(tensor)
        if name is None or fed is None:
            return not asked
        if not asked:
            self._add(name, fed)
        return True

    def _product(self, tensor: _Tensor) -> tuple[str | None, _Tensor | None]:
        """(the weight's name, what it is multiplied with) of a product of a layer's weight; (None, None) otherwise."""
        first, second = tensor.src[0], tensor.src[1]
        if not first or not second:
            return None, None
        name, fed = first.contents.name.decode("utf-8", "replace"), second.contents
        layer = name.startswith("blk.") and name.endswith(".weight")
        plain = (
            fed.type == _FLOAT32 and fed.ne[2] == fed.ne[3] == 1 and fed.ne[1] > 0 and fed.ne[0] == first.contents.ne[0]
        )
        return (
            (name, fed) if layer and plain and first.contents.ne[2] == 1 and first.contents.ne[1] > 1 else (None, None)
        )

    def _add(self, name: str, fed: _Tensor) -> None:
        columns, rows, stride = fed.ne[0], fed.ne[1], fed.nb[1] // 4
        flat = np.ctypeslib.as_array(ctypes.cast(fed.data, ctypes.POINTER(ctypes.c_float)), (rows * stride,))
        values = flat.reshape(rows, stride)[:, :columns].astype(np.float64)
        self.sums[name] = self.sums.get(name, np.zeros(columns)) + (values * values).sum(axis=0)
        self.counts[name] = self.counts.get(name, 0) + rows

    def matrix(self) -> Matrix:
        """Weight -> the mean square of each of its columns' inputs."""
        return {name: (total / self.counts[name]).astype(np.float32) for name, total in sorted(self.sums.items())}


def collect(gguf: Any, texts: Sequence[list[int]]) -> Matrix:
    """Run the texts (token ids) through a loaded Model and say what its weights were fed.

    Raises T715 when nothing was seen: no text, or a kind of model whose products have another form.
    """
    from contextlib import closing

    from stages.engines._llama_native import Batch, Context
    from stages.engines._llama_slots import BATCH

    collector = Collector(gguf.lib)
    kept = [text[: gguf.context] for text in texts if text]
    if kept:
        cells = max(map(len, kept))
        with closing(Context(gguf, cells=cells, sequences=1, batch=BATCH, watch=collector.hear)) as context:
            batch = Batch(context.lib, BATCH)
            for text in kept:
                context.forget(0)
                for begin in range(0, len(text), BATCH):
                    batch.clear()
                    batch.add(text[begin : begin + BATCH], begin, 0, logits=True)
                    batch.wanted[: batch.size] = 1  # the last layer computes only what is asked for
                    context.decode(batch)
    if not collector.sums:
        help = "write `quantization: {imatrix: 0}`, or bring train rows with answers"
        raise fail("T715", "there is nothing to make an importance matrix of", help=help)
    return collector.matrix()


@contextmanager
def given(lib: Any, params: Any, matrix: Matrix | None) -> Iterator[None]:
    """Let llama.cpp's quantization parameters have the matrix inside the block."""
    if not matrix:
        yield
        return
    float_p = ctypes.POINTER(ctypes.c_float)
    items = (lib.llama_model_imatrix_data * (len(matrix) + 1))()  # the last, without a name, ends the list
    names = [name.encode() for name in matrix]
    for item, name, values in zip(items, names, matrix.values(), strict=False):
        item.name, item.size = name, len(values)
        item.data = values.ctypes.data_as(float_p)
    params.imatrix = ctypes.cast(items, ctypes.POINTER(lib.llama_model_imatrix_data))
    yield
