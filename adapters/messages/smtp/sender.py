"""A mail server as a sender: connections that are opened before a message is claimed, and commands one by one.

What fails before a message's text is being written was not submitted. What fails from then on may have been.
"""

import ssl
from hashlib import sha256
from typing import Final
from uuid import UUID

from aiosmtplib import (
    SMTP,
    SMTPDataError,
    SMTPException,
    SMTPResponseException,
    SMTPServerDisconnected,
    SMTPTimeoutError,
)

from adapters.messages.smtp.addresses import connected
from adapters.messages.smtp.classification import Command, classify, lost
from adapters.messages.smtp.dkim import DkimKey
from ledger.sender import SmtpSettings
from schedulers.delivery import (
    Connection,
    Faulty,
    Outcome,
    Outgoing,
    SenderAtFault,
    SenderUnavailable,
    Taken,
    Throttled,
)

COMMAND_SECONDS: Final = 60.0
DATA_SECONDS: Final = 600.0
"""The wait for the answer to the final dot (RFC 5321, 4.5.3.2.6)."""
GREETED_AS: Final = "localhost"
MAX_REFERENCE_LENGTH: Final = 120


class SmtpSender:
    """A tenant's mail server.

    password       of its login
    dkim           signs its messages
    allow_private  whether the server may be on a private address
    trust          certificates to trust besides the system's; for tests with a server of their own
    """

    recognises_repeats = False

    def __init__(
        self,
        sender_id: UUID,
        key: str,
        smtp: SmtpSettings,
        password: str = "",
        *,
        dkim: DkimKey | None = None,
        allow_private: bool = False,
        trust: ssl.SSLContext | None = None,
    ) -> None:
        self.sender_id: UUID | None = sender_id
        self.key = key
        self.sent_from = smtp.from_address
        self.return_domain = smtp.return_domain
        self.receipts = smtp.receipts
        self.connections = smtp.connections
        self.pause_seconds = smtp.pause_ms / 1000
        self.max_per_second = smtp.max_per_second
        self.smtp = smtp
        self.password = password
        self.dkim = dkim
        self.allow_private = allow_private
        self.tls = trust or ssl.create_default_context()

    def connect(self) -> Connection:
        return SmtpConnection(self)


class SmtpConnection:
    """A connection to a mail server, opened again whenever it was lost."""

    def __init__(self, sender: SmtpSender) -> None:
        self._sender = sender
        self._client: SMTP | None = None

    @property
    def is_open(self) -> bool:
        return self._client is not None and self._client.is_connected

    async def open(self) -> None:
        if self.is_open:
            return
        self._client = None
        try:
            self._client = await self._connected()
        except ssl.SSLError as error:
            raise SenderAtFault(_certificate(error)) from error
        except SMTPResponseException as error:
            raise _of(classify("connect", error.code, error.message)) from error
        except (SMTPException, OSError) as error:
            if isinstance(error.__cause__, ssl.SSLError):
                raise SenderAtFault(_certificate(error.__cause__)) from error
            raise SenderUnavailable(f"no connection: {type(error).__name__}") from error

    async def send(self, outgoing: Outgoing) -> Outcome:
        client = await self._begun(outgoing)
        if not isinstance(client, SMTP):
            return client
        dkim = self._sender.dkim
        content = outgoing.content if dkim is None else dkim.signed(outgoing.content)
        command: Command = "rcpt"
        try:
            asked = self._asked(client, outgoing.recipient)
            await client.rcpt(outgoing.recipient, options=asked)
            command = "data"
            answer = await client.data(content, timeout=DATA_SECONDS)
        except SMTPDataError as error:
            # A success that is not 250 is a success all the same.
            if 200 <= error.code < 300:
                return _taken(content, error.message)
            return await self._refused(client, "data", error)
        except SMTPResponseException as error:
            return await self._refused(client, command, error)
        except (SMTPException, OSError) as error:
            client.close()
            return lost(command, _what(error))
        return _taken(content, answer.message)

    async def _begun(self, outgoing: Outgoing) -> SMTP | Outcome:
        """The connection, on which the message was announced. One that the server has closed meanwhile is opened once
        more: nothing was submitted."""
        for last in (False, True):
            client = self._client
            assert client is not None, "a connection is opened before a message is claimed"
            options = ["RET=HDRS"] if self._reports(client) else []
            try:
                await client.mail(outgoing.returns_to, options=options)
            except SMTPResponseException as error:
                return await self._refused(client, "mail", error)
            except (SMTPException, OSError) as error:
                client.close()
                if last:
                    return lost("mail", _what(error))
            else:
                return client
            try:
                await self.open()
            except SenderAtFault as error:
                return Faulty(str(error))
            except SenderUnavailable as error:
                return Throttled(str(error), "sender")
        raise AssertionError("the second round ends it")

    def _reports(self, client: SMTP) -> bool:
        """Whether somebody reads reports, and the server can be told which (RFC 3461)."""
        return bool(self._sender.return_domain) and client.supports_extension("dsn")

    def _asked(self, client: SMTP, recipient: str) -> list[str]:
        """What is to be reported about a recipient."""
        if not self._reports(client):
            return []
        notify = "SUCCESS,FAILURE,DELAY" if self._sender.receipts else "FAILURE,DELAY"
        return [f"NOTIFY={notify}", f"ORCPT=rfc822;{_xtext(recipient)}"]

    async def close(self) -> None:
        client, self._client = self._client, None
        if client is None or not client.is_connected:
            return
        try:
            await client.quit(timeout=5)
        except (SMTPException, OSError):
            client.close()

    async def _connected(self) -> SMTP:
        smtp = self._sender.smtp
        made = await connected(
            smtp.host, smtp.port, smtp.source_address, allow_private=self._sender.allow_private
        )
        client = SMTP(
            hostname=smtp.host,
            sock=made,
            timeout=COMMAND_SECONDS,
            local_hostname=GREETED_AS,
            use_tls=smtp.security == "tls",
            start_tls=False,
            tls_context=self._sender.tls,
        )
        try:
            await client.connect()
            await client.ehlo()
            if smtp.security == "starttls":
                if not client.supports_extension("starttls"):
                    raise SenderAtFault("the server does not offer STARTTLS")
                await client.starttls(server_hostname=smtp.host)
                await client.ehlo()
            if smtp.username:
                await self._login(client)
        except BaseException:
            client.close()
            raise
        return client

    async def _login(self, client: SMTP) -> None:
        try:
            await client.login(self._sender.smtp.username, self._sender.password)
        except SMTPResponseException as error:
            raise _of(classify("auth", error.code, error.message)) from error
        except SMTPServerDisconnected:
            raise
        except SMTPException as error:
            raise SenderAtFault("the server offers no login that is known here") from error

    async def _refused(
        self, client: SMTP, command: Command, error: SMTPResponseException
    ) -> Outcome:
        """What a refusal means; the connection is made ready for another message."""
        try:
            await client.rset()
        except (SMTPException, OSError):
            client.close()
        return classify(command, error.code, error.message)


def _taken(content: bytes, answer: str) -> Taken:
    reference = "".join(character for character in answer if character.isprintable())
    return Taken(reference[:MAX_REFERENCE_LENGTH], sha256(content).hexdigest())


def _xtext(text: str) -> str:
    """A text as parameters of SMTP have it (RFC 3461, 4)."""
    return "".join(
        one if "!" <= one <= "~" and one not in "+=" else f"+{ord(one):02X}" for one in text
    )


def _what(error: Exception) -> str:
    if isinstance(error, SMTPTimeoutError):
        return "the server did not answer"
    return "the connection was lost"


def _of(outcome: Outcome) -> Exception:
    """What a refusal before any message means for the sender."""
    if isinstance(outcome, Faulty):
        return SenderAtFault(outcome.reason)
    return SenderUnavailable(getattr(outcome, "reason", "refused"))


def _certificate(error: ssl.SSLError) -> str:
    said = getattr(error, "verify_message", "") or error.reason or "the handshake failed"
    return f"the connection cannot be encrypted: {said}"
