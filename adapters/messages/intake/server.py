"""A server on loopback or in one's own network to which a mail server hands over what came back, by SMTP or LMTP.

A mail is answered for once what it says is recorded; until then, and when that fails, the mail server keeps it.
"""

import asyncio
import logging
import socket
import threading
import time
from functools import partial
from typing import Final, NamedTuple

from aiosmtpd.lmtp import LMTP
from aiosmtpd.smtp import SMTP, Envelope, Session

from adapters.messages.intake.receiving import MAX_MAIL_BYTES, Intake, NotAboutOurs
from adapters.settings import MailIntake
from adapters.wiring import Books
from ledger.message import MessageBeingSent

log = logging.getLogger("duebook.intake")

COMMAND_SECONDS: Final = 300.0
STOPPING_SECONDS: Final = 10.0
ANSWERED_SECONDS: Final = 0.1
"""An answer is on its way to the mail server by then."""


class _Running(NamedTuple):
    thread: threading.Thread
    loop: asyncio.AbstractEventLoop
    stopping: asyncio.Event


class IntakeServer:
    """Listens, in a thread of its own, from `start` to `stop`."""

    def __init__(self, books: Books, where: MailIntake) -> None:
        self._handler = _Handler(Intake(books))
        self._where = where
        self._running: _Running | None = None

    def start(self) -> int:
        """The port it listens on. Raises OSError when the address cannot be taken."""
        listener = socket.create_server(
            (self._where.host, self._where.port),
            family=socket.AF_INET6 if ":" in self._where.host else socket.AF_INET,
        )
        port: int = listener.getsockname()[1]
        loop, stopping = asyncio.new_event_loop(), asyncio.Event()
        thread = threading.Thread(
            target=self._run, args=(loop, listener, stopping), name="duebook-intake", daemon=True
        )
        self._running = _Running(thread, loop, stopping)
        thread.start()
        return port

    def stop(self) -> None:
        """Takes no more mails; those that are being recorded are answered for first."""
        if self._running is not None:
            self._running.loop.call_soon_threadsafe(self._running.stopping.set)
            self._running.thread.join()
            self._running = None

    def _run(
        self, loop: asyncio.AbstractEventLoop, listener: socket.socket, stopping: asyncio.Event
    ) -> None:
        with asyncio.Runner(loop_factory=lambda: loop) as runner:
            runner.run(self._serve(loop, listener, stopping))

    async def _serve(
        self, loop: asyncio.AbstractEventLoop, listener: socket.socket, stopping: asyncio.Event
    ) -> None:
        server = await loop.create_server(partial(self._protocol, loop), sock=listener)
        await stopping.wait()
        server.close()
        await self._handler.finished()
        await asyncio.sleep(ANSWERED_SECONDS)

    def _protocol(self, loop: asyncio.AbstractEventLoop) -> SMTP:
        made = LMTP if self._where.protocol == "lmtp" else SMTP
        return made(
            self._handler,
            loop=loop,
            data_size_limit=MAX_MAIL_BYTES,
            enable_SMTPUTF8=True,
            ident="Duebook",
            hostname="localhost",
            timeout=COMMAND_SECONDS,
        )


class _Handler:
    def __init__(self, intake: Intake) -> None:
        self._intake = intake
        self._recording = 0

    async def finished(self) -> None:
        """Waits until every mail that is being recorded is."""
        give_up_at = time.monotonic() + STOPPING_SECONDS
        while self._recording and time.monotonic() < give_up_at:
            await asyncio.sleep(0.05)

    async def handle_RCPT(
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        # LMTP answers for each recipient; one at a time keeps that a single answer.
        if envelope.rcpt_tos:
            return "452 4.5.3 one recipient at a time"
        envelope.rcpt_tos.append(address)
        return "250 2.1.5 OK"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        raw = envelope.content
        assert isinstance(raw, bytes), "content is not decoded"
        self._recording += 1
        try:
            received = await asyncio.to_thread(self._intake.receive, raw, envelope.rcpt_tos)
        except NotAboutOurs as error:
            return f"550 5.7.1 {error}"
        except MessageBeingSent:
            return "451 4.3.0 the message is being sent at this moment; try again"
        except Exception:
            log.exception("a mail that came back could not be recorded; it is handed over again")
            return "451 4.3.0 not recorded; try again"
        finally:
            self._recording -= 1
        return f"250 2.0.0 {received.kind}"
