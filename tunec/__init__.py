"""The face of tunec: the command line, and what a person does around a build."""

__version__ = "0.1.0"
