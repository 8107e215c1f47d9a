"""The parser of the command line."""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Sequence
from importlib import import_module
from itertools import takewhile
from pathlib import Path
from types import ModuleType
from typing import Any, NoReturn

from speech_lstm import commands
from speech_lstm.commands.completion import SHELLS, Completion
from speech_lstm.errors import FAILED, masked, nearest, printable


class Parser(argparse.ArgumentParser):
    """A parser that reports an error in one line, and takes no empty path: it would mean the current folder."""

    def __init__(self, *arguments: object, **named: object) -> None:
        super().__init__(*arguments, **named)  # type: ignore[arg-type]
        self.register("type", Path, path)

    def error(self, message: str) -> NoReturn:
        line = printable(masked(message), 500)
        self.exit(2, f"{self.prog}: {line}; see {self.prog} --help\n")

    def parse_known_args(self, args: Sequence[str] | None = None, namespace: Any = None) -> Any:  # type: ignore[override]
        """As argparse does it, but a command refuses what it does not know itself: the error names its help.

        A flag that it does not know is named before one that is missing.
        """
        if args and self._subparsers is None:
            flags = [word for word in takewhile(lambda word: word != "--", args) if word.startswith("--")]
            known = tuple(self._option_string_actions)
            unknown = [flag for flag in flags if not any(name.startswith(flag.partition("=")[0]) for name in known)]
            if unknown:
                self.error(unknown_argument(unknown, known))
        namespace, unknown = super().parse_known_args(args, namespace)
        if unknown:
            self.error(unknown_argument(unknown, self._option_string_actions))
        return namespace, unknown

    def _check_value(self, action: argparse.Action, value: Any) -> None:
        if action.choices is not None and value not in action.choices:
            choices = [str(choice) for choice in action.choices]
            hint = nearest(str(value), choices) or f"choose from {', '.join(choices)}"
            raise argparse.ArgumentError(action, f"invalid choice: {value!r}; {hint}")


class Version(argparse.Action):
    """The flag that prints the version, which is looked up only then."""

    def __call__(self, parser: argparse.ArgumentParser, *rest: object) -> NoReturn:
        import speech_lstm

        print(f"{parser.prog} {speech_lstm.__version__}")
        parser.exit()


def path(text: str) -> Path:
    """`text` as a path; raises ArgumentTypeError for the empty one."""
    if not text:
        raise argparse.ArgumentTypeError("the path is empty; name a file or a folder")
    return Path(text)


def unknown_argument(words: Sequence[str], flags: Iterable[str]) -> str:
    """The message about words that no flag or argument takes."""
    flag = next((word.partition("=")[0] for word in words if word.startswith("--")), None)
    if flag is None:
        return f"unexpected argument {words[0]!r}"
    hint = nearest(flag, (name for name in flags if name.startswith("--")))
    return "; ".join(filter(None, (f"unknown flag {flag}", hint)))


def build_parser() -> argparse.ArgumentParser:
    """The parser of `speech-lstm`. In the namespace it returns, `run` is the function of the chosen command."""
    modules = {name: import_module(f"speech_lstm.commands.{name.replace('-', '_')}") for name in commands.NAMES}
    parser = Parser(
        prog="speech-lstm",
        usage="speech-lstm COMMAND …",
        description="Recognise spoken commands with recurrent networks.",
        epilog=listing(modules),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action=Version, nargs=0, help="show the version and exit")
    parser.add_argument(
        "--completion",
        action=Completion,
        choices=SHELLS,
        metavar="SHELL",
        help=f"print the completion script of {', '.join(SHELLS)}",
    )
    parser.set_defaults(run=lambda arguments: usage(parser))
    subparsers = parser.add_subparsers(metavar="COMMAND", prog=parser.prog, help=argparse.SUPPRESS)
    for name, module in modules.items():
        example = f"example: speech-lstm {module.EXAMPLE}" if hasattr(module, "EXAMPLE") else None
        sub = subparsers.add_parser(name, help=summary(module.__doc__), description=module.__doc__, epilog=example)
        module.add_flags(sub)
        sub.set_defaults(run=module.run)
    return parser


def listing(modules: dict[str, ModuleType]) -> str:
    """The commands in their groups, a line each, and the example of each group's first command."""
    lines = []
    for group, names in commands.GROUPS.items():
        lines += [f"{group}:", *(f"  {name:<11}  {summary(modules[name].__doc__)}" for name in names)]
        lines += [f"    $ speech-lstm {modules[names[0]].EXAMPLE}", ""]
    return "\n".join([*lines, "`speech-lstm COMMAND --help` describes a command."])


def usage(parser: argparse.ArgumentParser) -> int:
    """What `speech-lstm` does without a command: the help, and the exit status of a failure, as of git."""
    parser.print_help()
    return FAILED


def summary(docstring: str | None) -> str:
    """The first line of a docstring in the style of argparse: lower case, no full stop."""
    line = (docstring or "").partition("\n")[0].removesuffix(".")
    return line[:1].lower() + line[1:]
