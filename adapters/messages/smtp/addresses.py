"""The address of a mail server: looked up once, refused when it is a private one, and pinned to the connection.

A tenant names its servers, so a name must not lead into the installation's own network, also not by a second look-up
that answers otherwise: what was checked is what is connected to.
"""

import asyncio
import socket
from ipaddress import ip_address

from schedulers.delivery import SenderAtFault, SenderUnavailable

CONNECT_SECONDS = 30.0


async def connected(
    host: str, port: int, source_address: str = "", *, allow_private: bool = False
) -> socket.socket:
    """A socket connected to a server: its addresses are tried in turn.

    Raises SenderUnavailable, and SenderAtFault when the server is on a private address.
    """
    loop = asyncio.get_running_loop()
    try:
        found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except OSError as error:
        raise SenderUnavailable(f"the host's name cannot be looked up: {error.strerror}") from error
    reached = [one for one in found if allow_private or _is_public(str(one[4][0]))]
    if not reached:
        raise SenderAtFault("the host is on a private address, which this installation refuses")
    failure: OSError | None = None
    for family, kind, protocol, _, address in reached:
        try:
            return await _connect(family, kind, protocol, address, source_address)
        except OSError as error:
            failure = error
    assert failure is not None
    raise SenderUnavailable(f"no connection: {_why(failure)}") from failure


async def _connect(
    family: int, kind: int, protocol: int, address: tuple[object, ...], source_address: str
) -> socket.socket:
    made = socket.socket(family, kind, protocol)
    try:
        made.setblocking(False)
        if source_address:
            made.bind((source_address, 0))
        await asyncio.wait_for(
            asyncio.get_running_loop().sock_connect(made, address), CONNECT_SECONDS
        )
    except BaseException:
        made.close()
        raise
    return made


def _is_public(address: str) -> bool:
    found = ip_address(address.partition("%")[0])
    mapped = getattr(found, "ipv4_mapped", None)
    return bool((mapped or found).is_global)


def _why(failure: OSError) -> str:
    return failure.strerror or type(failure).__name__
