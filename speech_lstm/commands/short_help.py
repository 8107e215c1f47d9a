"""The short help of commands with many flags: it leaves out those that few need."""

from __future__ import annotations

import argparse
from typing import Any, NoReturn


class ShortHelp(argparse.HelpFormatter):
    """A help without the flags that few need."""

    def add_usage(self, usage: Any, actions: Any, groups: Any, prefix: str | None = None) -> None:
        super().add_usage(usage, [action for action in actions if not is_rare(action)], groups, prefix)

    def add_argument(self, action: argparse.Action) -> None:
        if not is_rare(action):
            super().add_argument(action)


class HelpAll(argparse.Action):
    """The flag that shows every flag."""

    def __call__(self, parser: argparse.ArgumentParser, *rest: object) -> NoReturn:
        parser.formatter_class = argparse.HelpFormatter
        parser.print_help()
        parser.exit()


def rare(action: argparse.Action) -> None:
    """Leave a flag out of the short help of a command with settings."""
    action.rare = True  # type: ignore[attr-defined]


def is_rare(action: argparse.Action) -> bool:
    """Whether a flag is only in the whole help."""
    return getattr(action, "rare", False)
