"""Debian's postfix as a relay of its own on loopback, with its configuration, queues and log in a folder."""

import contextlib
import os
import pwd
import shutil
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

POSTFIX = "/usr/sbin/postfix"
MAIN = """
compatibility_level = 3.6
multi_instance_name = postfix-duebook
queue_directory = {home}/spool
data_directory = {home}/lib
maillog_file = {home}/maillog
maillog_file_prefixes = {home}
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
myhostname = relay.example
mydestination =
alias_maps =
alias_database =
local_recipient_maps =
mynetworks = 127.0.0.0/8
smtpd_relay_restrictions = permit_mynetworks, reject
smtp_dns_support_level = disabled
smtp_host_lookup = native
virtual_mailbox_domains = here.example
virtual_mailbox_base = {home}/mail
virtual_mailbox_maps = static:box/
virtual_uid_maps = static:{nobody}
virtual_gid_maps = static:{nobody}
transport_maps = inline:{{{transports}}}
"""
SERVICES = """
127.0.0.1:{port} inet n - n - - smtpd
cleanup unix n - n - 0 cleanup
qmgr unix n - n 1 1 qmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
verify unix - - n - 1 verify
smtp unix - - n - - smtp
lmtp unix - - n - - lmtp
virtual unix - n n - - virtual
error unix - - n - - error
retry unix - - n - - error
anvil unix - - n - 1 anvil
postlog unix-dgram n - n - 1 postlogd
"""


def can_run() -> bool:
    """Whether there is a postfix, and we may start it."""
    return os.access(POSTFIX, os.X_OK) and os.geteuid() == 0


@contextlib.contextmanager
def running_postfix(home: Path, transports: dict[str, str]) -> Iterator[int]:
    """A relay that takes mail for here.example into mailboxes and passes domains on; yields its port.

    transports  where mail for a domain goes, such as `smtp:[127.0.0.1]:2525`
    """
    for folder in ("etc", "spool", "lib", "mail"):
        (home / folder).mkdir(parents=True)
    nobody = pwd.getpwnam("nobody")
    shutil.chown(home / "lib", "postfix")
    shutil.chown(home / "mail", "nobody")
    home.chmod(0o711)
    with socket.create_server(("127.0.0.1", 0)) as free:
        port: int = free.getsockname()[1]
    said = ", ".join(f"{{{domain} = {where}}}" for domain, where in transports.items())
    (home / "etc" / "main.cf").write_text(
        MAIN.format(home=home, nobody=nobody.pw_uid, transports=said)
    )
    (home / "etc" / "master.cf").write_text(SERVICES.format(port=port))
    command = [POSTFIX, "-c", str(home / "etc")]
    subprocess.run([*command, "start"], check=True, capture_output=True, timeout=60)
    try:
        yield port
    finally:
        subprocess.run([*command, "stop"], check=True, capture_output=True, timeout=60)
