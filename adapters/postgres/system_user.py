"""The system user that runs the embedded database for root, and the ways it must be able to walk."""

import os
import shutil
import stat
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from adapters.postgres.errors import EmbeddedPostgresError

NAME = "pgserver"
FALLBACKS = ("postgres", "nobody", "daemon")
_WITHOUT_LOGIN = (
    "--system",
    "--user-group",
    "--no-create-home",
    "--home-dir=/nonexistent",
    "--shell=/usr/sbin/nologin",
)


class ServerUser(NamedTuple):
    name: str
    uid: int
    gid: int


def server_user(data: Path) -> ServerUser | None:
    """Whom the server runs as: None for oneself; for root the owner of the cluster, or a user made for it."""
    if os.geteuid() != 0:
        return None
    if data.exists() and data.stat().st_uid != 0:
        found = data.stat()
        return ServerUser(str(found.st_uid), found.st_uid, found.st_gid)
    user = _look_up(NAME) or _make(NAME)
    for name in FALLBACKS:
        user = user or _look_up(name)
    if user is None:
        raise EmbeddedPostgresError(
            "PostgreSQL refuses to run as root, and there is no other user for it: "
            f"make one with `useradd --system {NAME}`"
        )
    return user


def grant_search(paths: Iterable[Path], user: ServerUser) -> None:
    """Let the user pass through the folders above each path, without letting it list them.

    Only a missing search bit is added, and each one is told on stderr.
    """
    for path in paths:
        for folder in reversed(path.parents):
            found = folder.stat()
            if found.st_uid == user.uid:
                bit = stat.S_IXUSR
            elif found.st_gid == user.gid:
                bit = stat.S_IXGRP
            else:
                bit = stat.S_IXOTH
            if not found.st_mode & bit:
                folder.chmod(stat.S_IMODE(found.st_mode) | bit)
                print(
                    f"duebook: let the database's user {user.name} pass through {folder} "
                    "(search only, not list)",
                    file=sys.stderr,
                )


def _look_up(name: str) -> ServerUser | None:
    import pwd  # not on every system; only root on a Unix gets here

    try:
        entry = pwd.getpwnam(name)
    except KeyError:
        return None
    return ServerUser(name, entry.pw_uid, entry.pw_gid) if entry.pw_uid != 0 else None


def _make(name: str) -> ServerUser | None:
    """A user without password, shell and home; None where the system has no useradd."""
    program = shutil.which("useradd", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin")
    if program is None:
        return None
    made = subprocess.run(
        [program, *_WITHOUT_LOGIN, name],
        capture_output=True,
        check=False,
        text=True,
    )
    user = _look_up(name)  # also when another process was first
    if user is None:
        print(f"duebook: useradd failed: {' '.join(made.stderr.split())}", file=sys.stderr)
    return user
