"""A mail server that takes everything: `python -m tests.bench.mail_sink`. Prints its port; ends with its input.

With a file as its argument it writes the recipient of each mail there, a line each, before it answers.
"""

import asyncio
import sys
from typing import Any

from aiosmtpd.smtp import SMTP


class Sink:
    """Takes mails; the recipient is known before the answer is sent."""

    def __init__(self, told: str | None) -> None:
        self._told = open(told, "a", buffering=1) if told else None  # noqa: SIM115

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:
        if self._told is not None:
            self._told.write("".join(f"{one}\n" for one in envelope.rcpt_tos))
        return "250 2.0.0 taken"


async def serve() -> None:
    loop = asyncio.get_running_loop()
    sink = Sink(sys.argv[1] if len(sys.argv) > 1 else None)
    server = await loop.create_server(lambda: SMTP(sink, loop=loop), "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    async with server:
        await asyncio.to_thread(sys.stdin.read)


if __name__ == "__main__":
    asyncio.run(serve())
