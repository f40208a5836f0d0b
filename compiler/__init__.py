"""task.yaml -> a DVC stage graph, in five passes, each a pure function: parse, resolve, validate, plan, emit.

Nothing here reads the disk: what a pass needs of it comes through `workspace.Workspace`. No ML library is imported.
"""

from compiler.compile import Compiled, compile_task

__all__ = ["Compiled", "compile_task"]
