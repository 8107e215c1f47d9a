"""The commands, one module for each: HELP, its flags, and what it does.

A module imports what it needs when it runs, so that `--help` answers at once.
"""

NAMES = (
    "download",
    "train",
    "cells",
    "evaluate",
    "export",
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
)
