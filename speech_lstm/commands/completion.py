"""The flag that prints a script for a shell, which then completes commands, flags and file names."""

from __future__ import annotations

import argparse
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NoReturn

SHELLS = ("bash", "zsh", "fish", "tcsh")
FILES = re.compile(r"\b(FILE|PATH|MODEL|RECORDING|SPEECH)\b")  # in what the help shows for a value


class Completion(argparse.Action):
    """The flag."""

    def __call__(self, parser: argparse.ArgumentParser, namespace: Any, values: Any, *rest: object) -> NoReturn:
        import shtab

        for action in actions_of(parser):
            if isinstance(action, argparse._SubParsersAction):
                action.help = "command"  # the list of commands hides it
            elif action.metavar in ("DIR", "DIR,…"):
                action.complete = shtab.DIRECTORY  # type: ignore[attr-defined]
            elif action.type is Path or FILES.search(str(action.metavar)):
                action.complete = shtab.FILE  # type: ignore[attr-defined]
        print(shtab.complete(parser, values))
        parser.exit()


def actions_of(parser: argparse.ArgumentParser) -> Iterator[argparse.Action]:
    """The flags and arguments of a parser and of its commands."""
    for action in parser._actions:
        yield action
        if isinstance(action, argparse._SubParsersAction):
            for command in action.choices.values():
                yield from actions_of(command)
