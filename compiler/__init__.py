"""task.yaml -> a DVC stage graph, in five passes, each a pure function: parse, resolve, validate, plan, emit.

Nothing here reads the disk: what a pass needs of it comes through `workspace.Workspace`. No ML library is imported.
The passes are loaded when they are asked for, so that who only needs `compiler.workspace` does not wait for them.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from compiler.compile import Compiled, compile_task

__all__ = ["Compiled", "compile_task"]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(name)
    from compiler import compile

    return getattr(compile, name)
