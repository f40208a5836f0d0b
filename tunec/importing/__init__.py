"""The training file of another project -> a task.yaml to start from, and a report of every key that stayed behind.

reading (text -> nodes) -> axolotl or llamafactory (nodes -> draft, each key told once in a ledger) -> writing (draft
-> task.yaml) -> reporting. What both formats have in common stands in shared.py and rows.py; the keys of task.yaml that
are written stand in targets.py, and nowhere else.
"""

from tunec.importing.importing import import_files

__all__ = ["import_files"]
