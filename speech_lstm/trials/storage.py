"""Where a study is kept: an SQLite file, or a PostgreSQL that workers on many machines share."""

from __future__ import annotations

import sqlite3
import threading
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ClassVar, Protocol

import optuna
from optuna.exceptions import ExperimentalWarning, StorageInternalError
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, NoSuchModuleError, SQLAlchemyError

from speech_lstm.errors import SpeechLSTMError, first_line, require
from speech_lstm.files import reason
from speech_lstm.trials.recordings import StudyRecordings
from speech_lstm.trials.slots import ASKED

FORMAT = 1  # of what is stored; raise it when an older program could not read a newer study
HEARTBEAT = 20  # seconds from one sign of life of a worker to the next
PATIENCE = 4  # signs of life that may be missing before a worker is taken for dead
BUSY = 60  # seconds that SQLite waits for another process's writing
CONNECT = 10  # seconds that PostgreSQL is given to answer
TRIES = 3  # at making the tables, which another worker may be making
FOLDERS = {"study": "studies", "search": "searches"}  # of the SQLite files, by what is kept


class StudyError(SpeechLSTMError):
    """A storage that can't be used, or a study in it that isn't the one asked for."""


class Kept(Protocol):
    """What makes a study this one, or a search: its KIND."""

    KIND: ClassVar[str]

    @property
    def name(self) -> str: ...

    @property
    def title(self) -> str: ...

    @property
    def identity(self) -> dict[str, Any]: ...


def default_url(name: str, kind: str = "study") -> str:
    """The SQLite file of a study whose storage is not named."""
    return f"sqlite:///runs/{FOLDERS[kind]}/{name}.sqlite"


def stored_name(name: str, kind: str) -> str:
    """What the storage calls it: a study and a search may have one name."""
    return name if kind == "study" else f"{kind} {name}"


def open_storage(
    text: str, heartbeat: int = HEARTBEAT, make: bool = True, kind: str = "study"
) -> optuna.storages.RDBStorage:
    """The storage of a URL; an SQLite file that isn't there is made only if `make`. Raises StudyError."""
    url = parse_url(text)
    shown = url.render_as_string(hide_password=True)
    options: dict[str, Any] = {"connect_timeout": CONNECT}
    if url.get_backend_name() == "sqlite":
        check_file(Path(url.database or ""), make, kind)
        options = {"timeout": BUSY}
    else:
        require("psycopg")
    engine = {"connect_args": options, "pool_pre_ping": True}
    said: Exception = RuntimeError()
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
        except (SQLAlchemyError, StorageInternalError, RuntimeError) as error:  # RuntimeError: another Optuna's
            said = error
            time.sleep(0.5)
    raise StudyError(
        f"{shown}: can't be used as a storage ({first_line(first_cause(said))}); check the address and the server"
    )


def parse_url(text: str) -> URL:
    """The URL of an SQLite file or a PostgreSQL; raises StudyError for another."""
    try:
        url = make_url(text)
        backend = url.get_backend_name()
    except (ArgumentError, NoSuchModuleError, ValueError):
        backend = ""
    if backend not in ("sqlite", "postgresql"):
        raise StudyError(
            "--storage must be sqlite:///FILE or postgresql://USER:PASSWORD@HOST/DATABASE; what was given is neither"
        )
    return url.set(drivername="postgresql+psycopg") if backend == "postgresql" else url


def check_file(path: Path, make: bool, kind: str) -> None:
    """Raise StudyError for an SQLite file that can't be opened; its folder is made if it may be."""
    if not path.exists() and not make:
        raise StudyError(f"{path}: there is no such {kind}; begin it with `speech-lstm {kind} run`")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StudyError(f"{path}: can't be written: {reason(error)}") from None


def first_cause(error: BaseException) -> BaseException:
    """The database's own error, which others were raised from."""
    while error.__cause__ is not None:
        error = error.__cause__
    return error


@contextmanager
def connected() -> Iterator[None]:
    """A block that talks to the storage: a connection that breaks is one line, also that of the signs of life."""
    before, threading.excepthook = threading.excepthook, tell_nothing
    try:
        yield
    except Exception as error:
        if (fault := storage_fault(error)) is None:
            raise
        raise StudyError(
            f"the storage can't be reached any more ({first_line(first_cause(fault))}); what was finished is kept: "
            "run the same command when it can"
        ) from None
    finally:
        threading.excepthook = before


def tell_nothing(found: threading.ExceptHookArgs) -> None:
    """What a thread that lost the storage says: nothing, the worker will; others say what they always do."""
    if found.exc_value is None or storage_fault(found.exc_value) is None:
        threading.__excepthook__(found)


def storage_fault(error: BaseException) -> BaseException | None:
    """The storage's own error behind another: Optuna stumbles over a connection that is gone."""
    found: BaseException | None = error
    while found is not None and not isinstance(found, (StorageInternalError, SQLAlchemyError, sqlite3.Error)):
        found = found.__cause__ or found.__context__
    return found


def join_study(
    storage: optuna.storages.RDBStorage,
    definition: Kept,
    recordings: StudyRecordings,
    direction: optuna.study.StudyDirection,
    sampler: optuna.samplers.BaseSampler,
) -> optuna.Study:
    """The study in the storage, begun if it isn't there; nothing is written where it is another one.

    Raises StudyError for a study of the same name with another definition or another corpus.
    """
    study = optuna.create_study(
        storage=storage,
        study_name=stored_name(definition.name, definition.KIND),
        direction=direction,
        sampler=sampler,
        load_if_exists=True,
    )
    told = study.user_attrs
    if not told and study.get_trials(deepcopy=False):
        raise StudyError(f"the storage has an Optuna study {definition.name!r} not of this program; rename it")
    if "identity" in told:
        check_same(definition, told["identity"])
        if told.get("corpus") not in (None, recordings.fingerprint):
            raise StudyError(
                f"the {definition.KIND} {definition.name!r} was begun with other recordings than there are now: "
                "bring them back, or begin a new one with another --storage"
            )
    new = {
        "format": FORMAT,
        "identity": definition.identity,
        "title": definition.title,
        "facts": recordings.facts(),
        "corpus": recordings.fingerprint,  # the last: a study that has it is whole
    }
    for name, value in new.items():
        if "corpus" not in told:
            study.set_user_attr(name, value)
    return study


def check_same(definition: Kept, stored: dict[str, Any]) -> None:
    """Raise StudyError, naming the first difference, unless the stored study has this definition."""
    for table, own in definition.identity.items():
        before = stored.get(table, {})
        for name in (*own, *before):
            if own.get(name) != before.get(name):
                raise StudyError(
                    f"the storage has a {definition.KIND} {definition.name!r} of another definition: {name} in "
                    f"[{table}] was {before.get(name)!r} and is {own.get(name)!r} now; rename the file or use "
                    "another --storage"
                )


def find_stored(storage: optuna.storages.RDBStorage, name: str, kind: str = "study") -> optuna.Study:
    """The study of this name in the storage, to look at; raises StudyError."""
    try:
        study = optuna.load_study(storage=storage, study_name=stored_name(name, kind))
    except KeyError:
        raise StudyError(
            f"the storage has no {kind} {name!r}; begin it with `speech-lstm {kind} run {name}`"
        ) from None
    found = study.user_attrs
    if not {"corpus", ASKED} <= set(found):
        raise StudyError(f"the {kind} {name!r} in the storage is not of this program, or only just begun")
    if found["format"] > FORMAT:
        raise StudyError(f"the {kind} {name!r} is of a newer program; update speech-lstm")
    return study
