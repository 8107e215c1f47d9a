"""A microphone without hardware: a private PulseAudio server whose null sink's monitor is the default input.

It touches nothing of the user: its socket, its settings and the ALSA configuration that points PortAudio to
it lie in a temporary folder, and only a process started with `environment` sees it.
"""

from __future__ import annotations

import ctypes.util
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

ROOT = Path(__file__).parents[2]
PYTHONPATH = os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH"))))
ALSA = Path("/usr/share/alsa/alsa.conf")
DEBIAN = {
    "pulseaudio": "pulseaudio",
    "paplay": "pulseaudio-utils",
    "pactl": "pulseaudio-utils",
}


def missing() -> list[str]:
    """The system packages (by their Debian names) that are needed here and aren't installed."""
    packages = {package for program, package in DEBIAN.items() if shutil.which(program) is None}
    if ctypes.util.find_library("portaudio") is None:
        packages.add("libportaudio2")
    plugin = "alsa-lib/libasound_module_pcm_pulse.so"
    if not any(found for place in ("lib", "lib64", "lib/*") for found in Path("/usr").glob(f"{place}/{plugin}")):
        packages.add("libasound2-plugins")
    return sorted(packages)


class VirtualMicrophone:
    """Context manager; `channels` is that of the sink, `others` are more sinks with their rates."""

    def __init__(self, channels: int = 1, others: Mapping[str, int] | None = None) -> None:
        self.channels, self.others = channels, others or {}

    def __enter__(self) -> Self:
        # Not in pytest's folder: the path of a socket has at most 108 characters.
        self.folder = Path(tempfile.mkdtemp(prefix="mic-"))
        try:
            self.environment = self._configure()
            self.start()
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if hasattr(self, "server"):
            self.kill()
        shutil.rmtree(self.folder, ignore_errors=True)

    def play(self, *paths: Path) -> None:
        """Play recordings, one after the other, in real time."""
        for path in paths:
            subprocess.run(["paplay", "--device=virtual_mic", path], env=self.environment, check=True)

    def start_playing(self, path: Path, sink: str = "virtual_mic") -> subprocess.Popen[bytes]:
        return subprocess.Popen(["paplay", f"--device={sink}", path], env=self.environment)

    def stop(self) -> None:
        """Stop the server as if it hung."""
        self.server.send_signal(signal.SIGSTOP)

    def go_on(self) -> None:
        """Let a stopped server go on."""
        self.server.send_signal(signal.SIGCONT)

    def kill(self) -> None:
        """End the server at once, as if the device were pulled out."""
        self.server.kill()
        self.server.wait()

    def _configure(self) -> dict[str, str]:
        socket = f"unix:{self.folder}/native"
        alsa = self.folder / "asound.conf"
        alsa.write_text(f"<{ALSA}>\npcm.!default {{ type pulse }}\nctl.!default {{ type pulse }}\n")
        client = self.folder / "client.conf"
        client.write_text(f"default-server = {socket}\nautospawn = no\n")
        ours = {name: value for name, value in os.environ.items() if not name.startswith(("PULSE_", "DBUS_"))}
        return ours | {
            "HOME": str(self.folder),
            "XDG_CONFIG_HOME": str(self.folder),
            "XDG_RUNTIME_DIR": str(self.folder),
            "ALSA_CONFIG_PATH": str(alsa),
            "PULSE_CLIENTCONFIG": str(client),
            "PULSE_SERVER": socket,
            "PYTHONPATH": PYTHONPATH,
            "OMP_NUM_THREADS": "1",
        }

    def start(self) -> None:
        """Start the server, at first or after it was killed."""
        log = self.folder / "log"
        command = ["pulseaudio", "-n", "--daemonize=no", "--use-pid-file=no", "--exit-idle-time=-1"]
        command += ["--realtime=no", "--high-priority=no", "--log-target=stderr"]
        command += ["-L", f"module-null-sink sink_name=virtual_mic rate=48000 channels={self.channels} norewinds=1"]
        for name, rate in self.others.items():
            command += ["-L", f"module-null-sink sink_name={name} rate={rate} channels=1 norewinds=1"]
        command += ["-L", f"module-native-protocol-unix socket={self.folder}/native"]
        with log.open("wb") as stderr:
            self.server = subprocess.Popen(command, env=self.environment, stderr=stderr)
        for _ in range(200):
            asked = subprocess.run(["pactl", "info"], env=self.environment, capture_output=True, text=True)
            if "virtual_mic.monitor" in asked.stdout:
                return
            if self.server.poll() is not None:
                break
            time.sleep(0.1)
        raise RuntimeError(f"PulseAudio does not start: {log.read_text()}")


def without_microphone(folder: Path) -> dict[str, str]:
    """The environment of a machine that has no audio device at all."""
    alsa = folder / "asound.conf"
    alsa.write_text("pcm.!default { type pulse }\n")  # PortAudio aborts the process if there is nothing at all
    return dict(os.environ) | {
        "ALSA_CONFIG_PATH": str(alsa),
        "PULSE_SERVER": f"unix:{folder}/none",
        "PYTHONPATH": PYTHONPATH,
    }


def python(code: str, environment: dict[str, str], *arguments: str) -> subprocess.Popen[str]:
    """Start Python on `code` with unbuffered, captured output and a pipe to write to."""
    return subprocess.Popen(
        [sys.executable, "-u", "-c", code, *arguments],
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
