"""A server on loopback or in one's own network to which a mail server hands over what came back, by SMTP or LMTP.

A mail is answered for once what it says is recorded; until then, and when that fails, the mail server keeps it.
"""

import asyncio
import logging
import socket
import threading
import time
from typing import Final

from aiosmtpd.lmtp import LMTP
from aiosmtpd.smtp import SMTP, Envelope, Session

from adapters.messages.intake.receiving import MAX_MAIL_BYTES, Intake, NotAboutOurs
from adapters.settings import MailIntake
from adapters.wiring import Books
from ledger.message import MessageBeingSent

log = logging.getLogger("duebook.intake")

COMMAND_SECONDS: Final = 300.0
STOPPING_SECONDS: Final = 10.0


class IntakeServer:
    """Listens, in a thread of its own, from `start` to `stop`."""

    def __init__(self, books: Books, where: MailIntake) -> None:
        self._handler = _Handler(Intake(books))
        self._where = where
        self._thread: threading.Thread | None = None
        self._loop = asyncio.new_event_loop()
        self._stopping = asyncio.Event()

    def start(self) -> int:
        """The port it listens on. Raises OSError when the address cannot be taken."""
        listener = socket.create_server(
            (self._where.host, self._where.port),
            family=socket.AF_INET6 if ":" in self._where.host else socket.AF_INET,
        )
        port: int = listener.getsockname()[1]
        self._thread = threading.Thread(
            target=self._run, args=(listener,), name="duebook-intake", daemon=True
        )
        self._thread.start()
        return port

    def stop(self) -> None:
        """Takes no more mails; those that are being recorded are answered for first."""
        if self._thread is not None:
            self._loop.call_soon_threadsafe(self._stopping.set)
            self._thread.join()
            self._thread = None

    def _run(self, listener: socket.socket) -> None:
        with asyncio.Runner(loop_factory=lambda: self._loop) as runner:
            runner.run(self._serve(listener))

    async def _serve(self, listener: socket.socket) -> None:
        server = await self._loop.create_server(self._protocol, sock=listener)
        await self._stopping.wait()
        server.close()
        await self._handler.finished()

    def _protocol(self) -> SMTP:
        made = LMTP if self._where.protocol == "lmtp" else SMTP
        return made(
            self._handler,
            loop=self._loop,
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
