"""The commands, one module each: `add_flags` declares the flags, `run` does the work.

The module's docstring is the help text. A module imports what it needs inside `run`, so `--help` answers at once.
`flags` has what several commands share; the other rooms do not import this one.
"""

NAMES = (
    "download",
    "train",
    "suspects",
    "cells",
    "evaluate",
    "export",
    "models",
    "classify",
    "gates",
    "gradients",
    "study",
    "search",
    "listen",
    "record",
    "devices",
    "make-stream",
    "stream-test",
    "calibrate",
    "mine",
)
