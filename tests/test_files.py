"""Files are written whole or not at all, and an error is one line."""

from __future__ import annotations

import errno
import json
import os
import signal
import socket
import stat
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from speech_lstm.errors import SpeechLSTMError
from speech_lstm.files import InputError, atomic_path, locked, plain, read_text, write_json
from support.full_disk import files_of_at_most, needs_limits


def test_the_file_appears_only_when_the_block_has_ended(tmp_path: Path) -> None:
    path = tmp_path / "new" / "deep" / "out.png"
    with atomic_path(path) as temporary:
        temporary.write_bytes(b"whole")
        assert not path.exists()
        assert temporary.parent == path.parent
        assert temporary.suffix == ".png"  # writers choose the format by it
    assert path.read_bytes() == b"whole"
    assert list(path.parent.iterdir()) == [path]


def write_half(path: Path, fault: type[BaseException]) -> None:
    with atomic_path(path) as temporary:
        temporary.write_text("half")
        raise fault


@pytest.mark.parametrize("fault", [RuntimeError, KeyboardInterrupt])
def test_a_failed_block_leaves_the_old_content_and_nothing_else(tmp_path: Path, fault: type[BaseException]) -> None:
    path = tmp_path / "out.json"
    path.write_text("old")
    with pytest.raises(fault):
        write_half(path, fault)
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_new_files_get_the_usual_permissions(tmp_path: Path) -> None:
    usual = tmp_path / "usual"
    usual.touch()
    write_json(tmp_path / "out.json", {})
    assert stat.S_IMODE((tmp_path / "out.json").stat().st_mode) == stat.S_IMODE(usual.stat().st_mode)


def test_a_link_is_followed_and_a_pipe_is_written_in_place(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    link = tmp_path / "latest.json"
    link.symlink_to(tmp_path / "real" / "out.json")
    write_json(link, [1])
    assert link.is_symlink()
    assert json.loads((tmp_path / "real" / "out.json").read_text()) == [1]
    write_json(os.devnull, [1])
    assert not Path(os.devnull).is_file()


def refusal(path: Path) -> str:
    with pytest.raises(SpeechLSTMError) as caught:
        write_json(path, {"a": 1})
    message = str(caught.value)
    assert "\n" not in message
    assert str(path) in message
    return message


def test_a_path_through_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("kept")
    assert "choose a folder" in refusal(tmp_path / "file" / "out.json")
    assert "choose a folder" in refusal(tmp_path / "file" / "deeper" / "out.json")
    assert (tmp_path / "file").read_text() == "kept"


def test_a_folder_of_that_name_is_refused(tmp_path: Path) -> None:
    assert "it is a folder" in refusal(tmp_path)
    assert not list(tmp_path.iterdir())


def test_a_name_that_is_too_long_is_refused(tmp_path: Path) -> None:
    assert "too long" in refusal(tmp_path / ("x" * 300 + ".json"))
    assert not list(tmp_path.iterdir())


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_without_permission_is_refused(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    try:
        assert "may write to" in refusal(tmp_path / "out.json")
    finally:
        tmp_path.chmod(0o700)


@pytest.mark.skipif(not Path("/proc/self").is_dir(), reason="/proc is missing")
def test_a_file_system_that_takes_no_files_is_refused() -> None:
    refusal(Path("/proc/out.json"))


@needs_limits
def test_a_write_that_the_system_stops_half_way_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "out.json"
    path.write_text("old")
    with pytest.raises(SpeechLSTMError, match="cannot be written") as caught, files_of_at_most(4096):
        write_json(path, ["x" * 100] * 1000)
    assert "\n" not in str(caught.value)
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_no_space_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(SpeechLSTMError, match="free some disk space"), atomic_path(tmp_path / "out"):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    assert not list(tmp_path.iterdir())


def test_a_fault_of_another_file_passes_through(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError), atomic_path(tmp_path / "out"):
        (tmp_path / "missing.wav").read_bytes()
    assert not list(tmp_path.iterdir())


def test_a_fault_of_a_connection_passes_through(tmp_path: Path) -> None:
    with pytest.raises(ConnectionError), atomic_path(tmp_path / "out"):
        socket.create_connection(("127.0.0.1", 1), timeout=5)
    assert not list(tmp_path.iterdir())


def test_json_holds_numpy_values_paths_odd_names_and_null_for_nan(tmp_path: Path) -> None:
    path = tmp_path / "out.json"
    name = os.fsdecode(b"caf\xe9.wav")  # not UTF-8
    write_json(
        path,
        {
            "array": np.arange(4, dtype=np.int16).reshape(2, 2),
            "scalars": (np.float32(0.5), np.int64(3), np.bool_(True)),
            "lost": [float("nan"), float("inf"), np.float32("nan"), np.array([1.0, np.nan])],
            "path": Path("a") / "b",
            "name": name,
            "word": "tschüß",
        },
    )
    assert json.loads(path.read_text(encoding="utf-8")) == {
        "array": [[0, 1], [2, 3]],
        "scalars": [0.5, 3, True],
        "lost": [None, None, None, [1.0, None]],
        "path": str(Path("a") / "b"),
        "name": name,
        "word": "tschüß",
    }
    assert "tschüß" in path.read_text(encoding="utf-8")


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


@given(JSON)
def test_what_json_holds_already_stays_as_it_is(value: object) -> None:
    assert plain(value) == value


def test_what_json_cannot_hold_is_the_callers_fault_and_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(TypeError):
        write_json(tmp_path / "out.json", {"a": object()})
    assert not list(tmp_path.iterdir())


# --- processes that write the same file, or are killed ----------------------------------------------------------

needs_locks = pytest.mark.skipif(sys.platform == "win32", reason="needs locks of POSIX")


def killed_while(block: str, path: Path) -> None:
    """Run a process that enters a block with `path` and kills itself there."""
    code = f"""
import os, signal, sys
from pathlib import Path
from speech_lstm.files import atomic_path, locked
path = Path(sys.argv[1])
with {block} as temporary:
    if temporary:
        temporary.write_text("half")
    os.kill(os.getpid(), signal.SIGKILL)
"""
    run = subprocess.run([sys.executable, "-c", code, path], timeout=60, check=False)
    assert run.returncode == -signal.SIGKILL


@needs_locks
def test_what_a_killed_process_left_is_removed_by_the_next_write(tmp_path: Path) -> None:
    path = tmp_path / "out.json"
    killed_while("atomic_path(path)", path)
    assert len(list(tmp_path.iterdir())) == 1
    other = tmp_path / "other.json"
    write_json(other, {})
    assert len(list(tmp_path.iterdir())) == 2  # another file's writer leaves it alone
    write_json(path, {})
    assert sorted(tmp_path.iterdir()) == [other, path]


def interrupt(number: int, frame: object) -> None:
    raise KeyboardInterrupt


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="needs timers of POSIX")
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # interrupted in the end of an object
def test_an_interruption_at_any_moment_leaves_nothing(tmp_path: Path) -> None:
    before = signal.signal(signal.SIGALRM, interrupt)
    try:
        for delay in np.linspace(2e-5, 6e-4, 500):
            with suppress(KeyboardInterrupt):
                signal.setitimer(signal.ITIMER_REAL, delay)
                write_json(tmp_path / "out.json", 1)
                signal.setitimer(signal.ITIMER_REAL, 0)
            assert {path.name for path in tmp_path.iterdir()} <= {"out.json"}
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def test_two_writers_of_one_file_do_not_meet(tmp_path: Path) -> None:
    path = tmp_path / "out.json"
    with atomic_path(path) as slow:
        slow.write_text("slow")
        with atomic_path(path) as quick:
            assert quick != slow
            quick.write_text("quick")
        assert path.read_text() == "quick"
        write_json(path, 1)
        assert slow.read_text() == "slow"
    assert path.read_text() == "slow"
    assert list(tmp_path.iterdir()) == [path]


@needs_locks
def test_a_lock_has_one_holder_and_ends_with_its_process(tmp_path: Path) -> None:
    path, refusal = tmp_path / "lock", SpeechLSTMError("busy")
    killed_while('locked(path, Exception("busy"))', path)
    assert path.exists()
    with locked(path, refusal), pytest.raises(SpeechLSTMError, match="busy"), locked(path, refusal):
        pass
    assert not path.exists()
    with locked(path, refusal):
        assert path.exists()


@needs_locks
def test_a_lock_that_its_holder_has_just_removed_is_not_taken_for_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The file is opened, then removed by its holder and made by a third process, and only then locked."""
    import fcntl

    path, refusal = tmp_path / "lock", SpeechLSTMError("busy")
    flock = fcntl.flock
    third = []

    def late(file: object, operation: int) -> None:
        if not third:
            path.unlink()
            third.append(path.open("ab"))
            flock(third[0], fcntl.LOCK_EX)
        flock(file, operation)  # type: ignore[arg-type]

    monkeypatch.setattr(fcntl, "flock", late)
    with pytest.raises(SpeechLSTMError, match="busy"), locked(path, refusal):
        pass
    assert path.exists()
    third[0].close()


# --- text that is read -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("device", ["/dev/zero", "/dev/full"])
def test_a_device_without_end_is_refused(device: str) -> None:
    if not Path(device).exists():
        pytest.skip("the device is missing")
    with pytest.raises(InputError, match="larger than 1000 bytes"):
        read_text(device, 1000)


def test_a_text_has_one_kind_of_line_end_and_no_mark(tmp_path: Path) -> None:
    path = tmp_path / "text"
    path.write_bytes(b"\xef\xbb\xbfone\r\ntwo\n")
    assert read_text(path) == "one\ntwo\n"
    with pytest.raises(InputError, match="larger than 4 bytes"):
        read_text(path, 4)
    with pytest.raises(InputError, match="cannot be read"):
        read_text("a\0b")
