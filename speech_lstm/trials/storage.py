"""The storage of a study or search: an SQLite file, or a PostgreSQL that workers on many machines share."""

from __future__ import annotations

import sqlite3
import threading
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import optuna
from optuna.exceptions import ExperimentalWarning, StorageInternalError
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, NoSuchModuleError, SQLAlchemyError

from speech_lstm.errors import SpeechLSTMError, first_line, foreign, masked, require
from speech_lstm.files import reason
from speech_lstm.trials.definition import Definition
from speech_lstm.trials.recordings import TrialRecordings
from speech_lstm.trials.slots import TARGET

FORMAT = 1  # of the stored data; raise it when an older program could not read a newer study
HEARTBEAT = 20  # seconds from one sign of life of a worker to the next
PATIENCE = 4  # signs of life that may be missing before a worker counts as dead
BUSY = 60  # seconds that SQLite waits while another process writes
CONNECT = 10  # seconds that PostgreSQL has to answer
TRIES = 3  # at making the tables, which another worker may be making
PAUSE = 0.5  # seconds between these attempts


class StorageError(SpeechLSTMError):
    """A storage that cannot be used, or that holds another study or search of the same name."""


def open_storage(text: str, heartbeat: int = HEARTBEAT) -> optuna.storages.RDBStorage:
    """The storage at a URL; a missing SQLite file is made. Raises StorageError."""
    url = parse_url(text)
    options: dict[str, Any] = {"connect_timeout": CONNECT}
    if file := sqlite_file(url):
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise StorageError(f"{file}: cannot be written: {reason(error)}") from None
        options = {"timeout": BUSY}
    else:
        require("psycopg")
    engine = {"connect_args": options, "pool_pre_ping": True}
    failure: Exception = RuntimeError()
    for _ in range(TRIES):
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", ExperimentalWarning)  # heartbeats, since 2021
                return optuna.storages.RDBStorage(
                    url.render_as_string(hide_password=False),
                    engine_kwargs=engine,
                    heartbeat_interval=heartbeat,
                    grace_period=PATIENCE * heartbeat,
                )
        except (SQLAlchemyError, StorageInternalError, RuntimeError, ValueError) as error:
            # a RuntimeError comes from another version of Optuna, a ValueError from an option in the URL
            failure = error
            time.sleep(PAUSE)
    shown = foreign(masked(url.render_as_string(hide_password=True)))
    message = masked(foreign(first_line(first_cause(failure))))
    raise StorageError(f"{shown} cannot be used as a storage ({message}); check the address and the server")


def parse_url(text: str) -> URL:
    """The URL of an SQLite file or a PostgreSQL; raises StorageError for another."""
    if "\0" in text or text.encode("utf-8", "ignore").decode() != text:
        raise StorageError("--storage has characters that are not UTF-8; rename the file or its folder")
    try:
        url = make_url(text)
        backend = url.get_backend_name()
    except (ArgumentError, NoSuchModuleError, ValueError):
        backend = ""
    if backend == "sqlite" and url.database in (None, "", ":memory:"):
        raise StorageError("--storage names no file, so that nothing would be saved; pass sqlite:///FILE")
    if backend not in ("sqlite", "postgresql"):
        raise StorageError("--storage must be sqlite:///FILE or postgresql://USER:PASSWORD@HOST/DATABASE")
    return url.set(drivername="postgresql+psycopg") if backend == "postgresql" else url


def sqlite_file(url: URL) -> Path | None:
    """The file of an SQLite storage; None for a server."""
    return Path(url.database or "") if url.get_backend_name() == "sqlite" else None


def first_cause(error: BaseException) -> BaseException:
    """The database's own error, which others were raised from."""
    while error.__cause__ is not None:
        error = error.__cause__
    return error


@contextmanager
def connected() -> Iterator[None]:
    """A block that uses the storage: a lost connection is a StorageError, and silent in the heartbeat's thread."""
    before, threading.excepthook = threading.excepthook, hide_lost_storage
    try:
        yield
    except Exception as error:
        if (fault := storage_fault(error)) is None:
            raise
        message = masked(foreign(first_line(first_cause(fault))))
        raise StorageError(
            f"the storage cannot be reached any more ({message}); finished trainings are saved: "
            "run the same command again when it can be reached"
        ) from None
    finally:
        threading.excepthook = before


def hide_lost_storage(arguments: threading.ExceptHookArgs) -> None:
    """Print the traceback of a thread, unless it has lost the storage: the worker will report that."""
    if arguments.exc_value is None or storage_fault(arguments.exc_value) is None:
        threading.__excepthook__(arguments)


def storage_fault(error: BaseException) -> BaseException | None:
    """The storage's own error behind another: Optuna fails in other ways once a connection is lost."""
    fault: BaseException | None = error
    while fault is not None and not isinstance(fault, (StorageInternalError, SQLAlchemyError, sqlite3.Error)):
        fault = fault.__cause__ or fault.__context__
    return fault


@connected()
def join_study(
    storage: optuna.storages.RDBStorage, definition: Definition, recordings: TrialRecordings
) -> optuna.Study:
    """The study in the storage; it is begun if it is missing. Nothing is written to a different one.

    Raises StorageError for a study of the same name with another definition or another corpus.
    """
    study = optuna.create_study(
        storage=storage,
        study_name=definition.stored_name(definition.name),
        direction=definition.direction,
        sampler=definition.sampler,
        load_if_exists=True,
    )
    stored = study.user_attrs
    if not stored and study.get_trials(deepcopy=False):
        raise StorageError(f"the storage has an Optuna study {definition.name!r} of another program; rename the file")
    if "identity" in stored:
        check_same(definition, stored["identity"])
        if stored.get("corpus") not in (None, recordings.fingerprint):
            raise StorageError(
                f"the {definition.KIND} {definition.name!r} was begun with other recordings: restore them, or begin "
                "a new one with another --storage"
            )
    attributes = {
        "format": FORMAT,
        "identity": definition.identity,
        "title": definition.title,
        "facts": recordings.facts(),
        "corpus": recordings.fingerprint,  # the last: a study that has it is complete
    }
    for name, value in attributes.items():
        if "corpus" not in stored:
            study.set_user_attr(name, value)
    return study


def check_same(definition: Definition, stored: dict[str, Any]) -> None:
    """Raise StorageError, with the first difference, unless the stored study has this definition."""
    for table, settings in definition.identity.items():
        before = stored.get(table, {})
        for name in (*settings, *before):
            if settings.get(name) != before.get(name):
                raise StorageError(
                    f"the storage has a {definition.KIND} {definition.name!r} of another definition: "
                    f"{definition.FIELDS.get(name, name)} in [{table}] was {before.get(name)!r} and is "
                    f"{settings.get(name)!r} now; rename the file or use another --storage"
                )


@connected()
def find_stored(kind: type[Definition], name: str, url: str | None = None) -> optuna.Study:
    """The study or search of this name in its storage, to read; raises StorageError."""
    url = url or kind.default_url(name)
    begin = f"begin it with `speech-lstm {kind.KIND} run {name}`"
    file = sqlite_file(parse_url(url))
    if file and not file.exists():
        raise StorageError(f"{file}: there is no such {kind.KIND}; {begin}")
    try:
        study = optuna.load_study(storage=open_storage(url), study_name=kind.stored_name(name))
    except KeyError:
        raise StorageError(f"the storage has no {kind.KIND} {name!r}; {begin}") from None
    stored = study.user_attrs
    if not {"corpus", TARGET} <= set(stored):
        raise StorageError(f"the {kind.KIND} {name!r} in the storage is of another program, or was only just begun")
    if stored["format"] > FORMAT:
        raise StorageError(f"the {kind.KIND} {name!r} is of a newer program; update speech-lstm")
    return study
