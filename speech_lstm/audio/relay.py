"""A pipe between a sender and a reader in C, which can be ended from this side."""

from __future__ import annotations

import os
import select
import stat
import threading

CAN_RELAY = hasattr(select, "poll")  # not on Windows, where only sockets can be waited for
CHUNK = 1 << 16  # bytes copied at once


class Relay:
    """Copies what arrives at the descriptor `source` to its own `descriptor`, until `close`.

    A C library that reads a silent pipe cannot be interrupted. Reading `descriptor` instead, it gets the end of the
    sound from `close`. A file is not copied: reading it never waits for anybody.
    """

    def __init__(self, source: int) -> None:
        self.descriptor = self._source = source
        self._thread: threading.Thread | None = None
        if CAN_RELAY and not stat.S_ISREG(os.fstat(source).st_mode):
            self.descriptor, self._entry = os.pipe()
            self._wake, self._waker = os.pipe()
            os.set_blocking(self._entry, False)
            self._thread = threading.Thread(target=self._copy, daemon=True, name="relay of standard input")
            self._thread.start()

    def close(self) -> None:
        """End the copying; whoever reads `descriptor` gets what is left in it, and then the end."""
        if self._thread is not None:
            os.close(self._waker)
            self._thread.join()
            os.close(self._wake)
            self._thread = None

    def leave(self) -> None:
        """The reader has finished with `descriptor`: the sender will find nobody who reads."""
        if self.descriptor != self._source:
            os.close(self.descriptor)

    def _copy(self) -> None:
        """In the thread: copy until the end of the source, or until nobody reads."""
        try:
            while self._ready(self._source, select.POLLIN) and (part := os.read(self._source, CHUNK)):
                while part and self._ready(self._entry, select.POLLOUT):
                    part = part[os.write(self._entry, part) :]
        except OSError:  # the reader is gone, or the source broke: for the reader this is the end
            pass
        finally:
            os.close(self._entry)

    def _ready(self, descriptor: int, event: int) -> bool:
        """Wait until the descriptor is ready; False if `close` was called."""
        poll = select.poll()
        poll.register(descriptor, event)
        poll.register(self._wake, select.POLLIN)
        return self._wake not in dict(poll.poll())
