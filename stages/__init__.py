"""What DVC runs, one module a stage."""

import sys

# With the package `kernels` there, transformers and bitsandbytes fetch code from the Hub, and run it: for a model whose
# config.json says flash_attention_2 or mxfp4, or on some processors for every 4-bit one. To them it is not there.
sys.modules["kernels"] = None  # type: ignore[assignment]
