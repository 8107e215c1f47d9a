"""A server of the Wyoming protocol: satellites send their sound, and it answers with the commands in it.

A client can do little harm: what it sends is bounded before it is kept, its sound is computed in turn with that of
the others, and it is cut off when it stalls within an event, reads no answers or breaks the protocol.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import signal
import socket
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, nullcontext, suppress
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Any
from urllib.parse import urlsplit

from wyoming.error import Error
from wyoming.event import Event, async_write_event
from wyoming.wake import Detection

from speech_lstm.errors import ConfigError, SpeechLSTMError, brief, foreign, log_line, printable
from speech_lstm.live.wyoming_session import EventError, Service, Session

logger = logging.getLogger(__name__)

FORM = "tcp://HOST:PORT"
MOST_CLIENTS = 32  # at once; for one more, the one that has been quiet for longest is cut off
MOST_HEADER = MOST_DATA = 64 << 10  # bytes
MOST_PAYLOAD = 1 << 20  # bytes: 32 s at 16 kHz
EVENT_SECONDS = 30.0  # for the rest of an event to arrive, and for a client to read an answer
FAULT_SECONDS = 1.0  # from one printed fault of a client to the next: a flood of them fills no log
SERVICE_TYPE = "_wyoming._tcp.local."  # what Home Assistant looks for


@dataclass(eq=False)
class Client:
    """A connected client."""

    writer: asyncio.StreamWriter
    name: str
    heard: float  # the time of its last event, of the monotonic clock

    def cut_off(self) -> None:
        self.writer.transport.abort()

    async def close(self) -> None:
        """Close the connection once the client has read the last answers, or has had the time for it."""
        self.writer.close()
        with suppress(OSError, TimeoutError):
            await asyncio.wait_for(self.writer.wait_closed(), EVENT_SECONDS)
        self.cut_off()

    async def send(self, event: Event) -> None:
        """Send an event; raises TimeoutError if the client reads nothing."""
        await asyncio.wait_for(async_write_event(event, self.writer), EVENT_SECONDS)


class Server:
    """Serves `service` at `address`, of FORM, until it is interrupted; port 0 is any free one.

    `announced` is the name under which the service is announced on the network (zeroconf), empty for none.
    Raises ConfigError for an invalid address, one that cannot be used, and one that others cannot reach although it
    is to be announced.
    """

    def __init__(self, address: str, service: Service, announced: str = "") -> None:
        self.host, self.port = split_address(address)
        self.service, self.announced = service, announced
        self.clients: set[Client] = set()
        self.last_fault = -FAULT_SECONDS

    async def run(self) -> None:
        server = await self.open()
        try:
            host, port = server.sockets[0].getsockname()[:2]
            async with announcement(self.announced, host, port) if self.announced else nullcontext():
                words = ", ".join(printable(word) for word in self.service.words)
                log_line(logger, f"serving {words} at tcp://{bracketed(host)}:{port}; Ctrl-C ends", shown=True)
                await end_signal()
        finally:
            server.close()
            for client in self.clients:
                client.cut_off()

    async def open(self) -> asyncio.Server:
        try:
            return await asyncio.start_server(self.serve, self.host, self.port, limit=MOST_HEADER)
        except (OSError, UnicodeError) as error:  # UnicodeError: an impossible host
            number = error.errno if isinstance(error, OSError) else None
            cause = os.strerror(number).lower() if number else error
            raise ConfigError(
                f"tcp://{bracketed(self.host)}:{self.port} cannot be served ({foreign(cause)}); "
                "choose another port, or end the program that uses it"
            ) from None

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer one client until it goes away or is cut off."""
        name = str(writer.get_extra_info("peername", ("?",))[0])
        client = Client(writer, name, time.monotonic())
        self.admit(client)
        try:
            await self.converse(client, reader)
        except SpeechLSTMError as error:
            self.report_fault(client, error)
            with suppress(OSError, TimeoutError):
                await client.send(Error(str(error)).event())
        except (OSError, TimeoutError, asyncio.IncompleteReadError) as error:
            logger.info("%s: gone (%s)", name, foreign(error))
        finally:
            await client.close()
            self.clients.discard(client)

    def admit(self, client: Client) -> None:
        if len(self.clients) >= MOST_CLIENTS:
            quietest = min(self.clients, key=lambda client: client.heard)
            self.clients.discard(quietest)
            quietest.cut_off()
        self.clients.add(client)
        connection = client.writer.get_extra_info("socket")
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)  # one whose power fails is noticed

    async def converse(self, client: Client, reader: asyncio.StreamReader) -> None:
        session = Session(self.service)
        while (event := await read_event(reader)) is not None:
            client.heard = time.monotonic()
            await asyncio.sleep(0)  # the others' turn
            for answer in session(event):
                if answer is not None:
                    report_detection(client, answer)
                    await client.send(answer)
                await asyncio.sleep(0)

    def report_fault(self, client: Client, error: SpeechLSTMError) -> None:
        """Log why a client is cut off; print it if that has not just been done."""
        shown = time.monotonic() - self.last_fault >= FAULT_SECONDS
        if shown:
            self.last_fault = time.monotonic()
        log_line(logger, f"{client.name}: cut off: {error}", shown)


def report_detection(client: Client, event: Event) -> None:
    if Detection.is_type(event.type):
        log_line(logger, f"{time.strftime('%Y-%m-%d %H:%M:%S')}  {client.name}  {event.data['name']}", shown=True)


async def read_event(reader: asyncio.StreamReader) -> Event | None:
    """The next event; None at the end. Unlike the one of the package wyoming, it keeps no more than the bounds above.

    Raises EventError for what is no event or too large, TimeoutError for one that does not arrive whole, and OSError
    and IncompleteReadError where the connection breaks.
    """
    if not (first := await reader.read(1)):  # a client may be quiet between its events, as long as it likes
        return None
    async with asyncio.timeout(EVENT_SECONDS):
        try:
            header = parse(first + await reader.readuntil())
        except asyncio.LimitOverrunError:
            raise EventError(f"a line has more than {MOST_HEADER} bytes") from None
        kind, data = header.get("type"), header.get("data") or {}
        if not isinstance(kind, str) or not isinstance(data, dict):
            raise EventError("an event has a type and may have data")
        more = await reader.readexactly(length(header, "data_length", MOST_DATA))
        payload = await reader.readexactly(length(header, "payload_length", MOST_PAYLOAD))
    return Event(kind, data | (parse(more) if more else {}), payload)


def parse(text: bytes) -> dict[str, Any]:
    """A JSON object; raises EventError if it is none."""
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        value = None
    if not isinstance(value, dict):
        raise EventError(f"not a line of JSON: {brief(text)}")
    return value


def length(header: dict[str, Any], name: str, most: int) -> int:
    """A number of bytes in the header of an event, 0 without it; raises EventError for an impossible one."""
    count = header.get(name) or 0
    if type(count) is not int or not 0 <= count <= most:
        raise EventError(f"{name} is {brief(count)}; it must be a whole number of at most {most}")
    return count


def split_address(address: str) -> tuple[str, int]:
    """The host and the port of an address of FORM; raises ConfigError."""
    try:
        parts = urlsplit(address)
        host, port = parts.hostname, parts.port
        rest = parts.path or parts.query or parts.fragment or parts.username
    except ValueError:  # a port that is not a number, an unclosed bracket
        host = port = rest = None
    if not address.startswith("tcp://") or not host or port is None or rest:
        raise ConfigError(f"--wyoming is {brief(address)}; it must be {FORM}, such as tcp://127.0.0.1:10400")
    return host, port


def bracketed(host: str) -> str:
    return f"[{printable(host)}]" if ":" in host else printable(host)


@asynccontextmanager
async def announcement(name: str, host: str, port: int) -> AsyncIterator[None]:
    """Announce the service as `name` to the local network, which is how Home Assistant finds it."""
    from zeroconf import BadTypeInNameException
    from zeroconf.asyncio import AsyncServiceInfo, AsyncZeroconf

    addresses = [address for address in addresses_of(host) if not ip_address(address).is_loopback]
    if not addresses:
        raise ConfigError(
            f"--zeroconf: nobody else can reach tcp://{bracketed(host)}:{port}; serve tcp://0.0.0.0:{port}"
        )
    try:
        info = AsyncServiceInfo(SERVICE_TYPE, f"{name}.{SERVICE_TYPE}", port, parsed_addresses=addresses)
        announcer = AsyncZeroconf()
    except (BadTypeInNameException, OSError) as error:
        raise ConfigError(f"--zeroconf {brief(name)}: cannot be announced ({foreign(error)})") from None
    try:
        await announcer.async_register_service(info, allow_name_change=True)
        yield
    finally:
        await announcer.async_unregister_all_services()
        await announcer.async_close()


def addresses_of(host: str) -> list[str]:
    """The addresses under which a server at the address `host` can be reached."""
    if not ip_address(host).is_unspecified:
        return [host]
    import ifaddr

    return [str(ip.ip) for adapter in ifaddr.get_adapters() for ip in adapter.ips if ip.is_IPv4]


async def end_signal() -> None:
    """Wait for Ctrl-C, SIGTERM or SIGHUP. On Windows, Ctrl-C raises KeyboardInterrupt instead.

    No exception here: it could be raised anywhere, also where the package wyoming suppresses it.
    """
    ended = asyncio.Event()
    with suppress(NotImplementedError):  # Windows
        for name in ("SIGINT", "SIGTERM", "SIGHUP"):
            number = getattr(signal, name)
            if signal.getsignal(number) != signal.SIG_IGN:  # as after nohup
                asyncio.get_running_loop().add_signal_handler(number, ended.set)
    await ended.wait()
