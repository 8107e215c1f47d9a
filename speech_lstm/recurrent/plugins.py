"""Cells from outside this package: of installed packages, and of files or modules that the user names."""

from __future__ import annotations

import importlib
import importlib.metadata
import importlib.util
import os
import sys
import traceback
from importlib.metadata import EntryPoint
from pathlib import Path
from types import ModuleType

from speech_lstm.errors import ConfigError

GROUP = "speech_lstm.cells"  # the entry points of installed packages
HELP = "give the file or module that registers it: --plugin FILE.py (in Python, import it first)"

LOADER_FILES = (__file__, str(Path(importlib.__file__).parent), "<frozen importlib")  # not the place of a fault
SOURCES: dict[str, str] = {}  # the argument of `load_plugin` by the names of the cells that it registered


def load_plugin(source: str) -> list[str]:
    """Run a file FILE.py or import a module that registers cells; the names of its cells.

    Raises ConfigError, in one line, if it does not exist, fails or registers nothing.
    """
    is_file = source.endswith(".py") or Path(source).name != source
    if is_file and not os.path.isfile(source):  # noqa: PTH113  (Path.is_file raises for a name that is too long)
        raise ConfigError(f"plugin {source}: there is no such file; give FILE.py or the name of a module")
    # Not at the top, as torch takes a second; before the plugin, so that it cannot take the name of one of these.
    import speech_lstm.recurrent.cells  # noqa: F401
    from speech_lstm.recurrent.cell import CELLS

    before = set(CELLS)
    try:
        module = import_file(Path(source)) if is_file else importlib.import_module(source)
    except ConfigError as error:
        raise ConfigError(f"plugin {source}: {error}") from None
    except (Exception, SystemExit) as error:  # foreign code may raise anything
        if isinstance(error, ModuleNotFoundError) and not is_file and is_part(source, str(error.name)):
            raise ConfigError(f"plugin {source}: there is no such module; to name a file give FILE.py") from None
        raise ConfigError(f"plugin {source}: {fault(error)}") from error
    names = [name for name, cell in CELLS.items() if name not in before or is_part(cell.__module__, module.__name__)]
    if not names:
        raise ConfigError(f"plugin {source}: it registers no cell; put @register before the class of the cell")
    SOURCES.update(dict.fromkeys(names, source))
    return names


def load_installed(name: str | None = None) -> list[str]:
    """Import the cells of the installed packages, or of the entry points of this name; a message for each that cannot
    be imported."""
    notes = []
    for point in importlib.metadata.entry_points(group=GROUP):
        if name not in (None, point.name):
            continue
        try:
            point.load()
        except (Exception, SystemExit) as error:  # foreign code may raise anything
            notes.append(f"the cells of {origin(point)} cannot be loaded: {fault(error)}")
    return notes


def origin(point: EntryPoint) -> str:
    """The installed package of an entry point, and the module that it names."""
    package = point.dist.metadata["Name"] if point.dist else "an installed package"
    return f"{package} ({point.value})"


def import_file(path: Path) -> ModuleType:
    """Run a Python file as a module, once, under a name that hides no other module."""
    name = f"speech_lstm_plugin:{path.resolve()}"
    if name in sys.modules:
        return sys.modules[name]
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise ConfigError("not a Python file; its name must end with .py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # where dataclasses and pickle look it up
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    return module


def is_part(name: str, package: str) -> bool:
    """Whether a module is a package or a module in it, by their names."""
    return name == package or name.startswith(f"{package}.")


def fault(error: BaseException) -> str:
    """An exception of foreign code in one line, with the place where it was raised."""
    message = " ".join(str(error).split())
    line = f"{type(error).__name__}: {message}" if message else type(error).__name__
    for frame in traceback.extract_tb(error.__traceback__):
        if not frame.filename.startswith(LOADER_FILES) and not isinstance(error, SyntaxError):  # it names its place
            return f"it fails with {line} ({frame.filename}, line {frame.lineno})"
    return f"it fails with {line}"
