"""The curves of a run in the form that TensorBoard reads."""

from __future__ import annotations

import io
import os
import socket
import time
from pathlib import Path
from typing import TYPE_CHECKING

from speech_lstm.files import OutputError, reason

if TYPE_CHECKING:
    from tensorboard.compat.proto.event_pb2 import Event


class Events:
    """One file of events, made at the first point.

    It is written here, not by torch's SummaryWriter, whose thread prints a traceback if the disk is full.
    """

    def __init__(self, folder: Path) -> None:
        self.path = folder / f"events.out.tfevents.{time.time():.0f}.{socket.gethostname()}.{os.getpid()}"
        self.begun = False

    def add(self, epoch: int, values: dict[str, float]) -> None:
        """Add the points of an epoch; raises OutputError."""
        from tensorboard.compat.proto.event_pb2 import Event, SessionLog
        from tensorboard.compat.proto.summary_pb2 import Summary

        now = time.time()
        events = []
        if not self.begun:
            events.append(Event(wall_time=now, step=epoch, file_version="brain.Event:2"))
            # Hides what an interrupted run wrote from this epoch on.
            events.append(Event(wall_time=now, step=epoch, session_log=SessionLog(status=SessionLog.START)))
        for name, value in values.items():
            summary = Summary(value=[Summary.Value(tag=name, simple_value=value)])
            events.append(Event(wall_time=now, step=epoch, summary=summary))
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with self.path.open("ab") as file:
                file.write(records(events))
        except OSError as error:
            raise OutputError(f"{self.path.parent}: cannot be written: {reason(error)}") from error
        self.begun = True


def records(events: list[Event]) -> bytes:
    """Events as TensorBoard stores them: each with its length and checksums."""
    from tensorboard.summary.writer.record_writer import RecordWriter

    content = io.BytesIO()
    writer = RecordWriter(content)
    for event in events:
        writer.write(event.SerializeToString())
    return content.getvalue()
