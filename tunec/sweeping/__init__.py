"""Sweeps: many variants of one task as one graph.

    command line -> Hydra (a sweeper makes jobs, the launcher takes all of a batch)
                 -> jobs.py      what each job changes of the task
                 -> union.py     one `sweep=[...]` override, compiled and built like any other task
                 -> results.py   what was measured on dev; showing.py prints it, adopting.py writes a winner back

The guard remembers the override, so `dvc repro` alone builds the same variants again.
"""
