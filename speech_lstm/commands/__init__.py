"""The commands, one module each: `add_flags` declares the flags, `run` does the work.

The module's docstring is the help text; its first line is that of the list of commands. `EXAMPLE`, if there is one,
is shown below. A module imports what it needs inside `run`, so `--help` answers at once.
`flags` has what several commands share; the other rooms do not import this one.
"""

GROUPS = {  # of the help
    "recognise": ("classify", "listen", "serve", "devices", "models"),
    "teach": ("teach", "record", "review"),
    "train and measure": (
        "train",
        "download",
        "evaluate",
        "suspects",
        "mine",
        "make-stream",
        "stream-test",
        "calibrate",
    ),
    "look inside": ("web", "gates", "cells", "gradients"),
    "study": ("study", "search"),
    "ship": ("export",),
}
NAMES = tuple(name for names in GROUPS.values() for name in names)
