"""The installation's one secret: 32 random bytes from which logins derive and which wraps customers' keys.

Losing it loses every personal field for good: it is part of every backup, kept apart from the database's.
"""

import contextlib
import hashlib
import hmac
import os
import secrets
from pathlib import Path

LENGTH_BYTES = 32


class MasterKeyError(Exception):
    """The master key's file is missing, unreadable or not 32 bytes long; the message is one line."""


def read_master_key(path: Path) -> bytes:
    """Read the key. Raises MasterKeyError when it is missing or is not one."""
    try:
        key = path.read_bytes()
    except FileNotFoundError:
        raise MasterKeyError(
            f"there is no master key at {path}; for a new installation make one with: "
            f"head -c {LENGTH_BYTES} /dev/urandom > {path} && chmod 600 {path}"
        ) from None
    except OSError as error:
        raise MasterKeyError(f"cannot read the master key {path}: {error.strerror}") from error
    if len(key) != LENGTH_BYTES:
        raise MasterKeyError(
            f"the master key {path} holds {len(key)} bytes where it needs {LENGTH_BYTES}"
        )
    return key


def make_master_key(path: Path) -> bytes:
    """Create the key unless it exists, and return it. Processes that race agree: the first one's stays.

    The file appears whole under its name, readable by its owner only. Raises MasterKeyError.
    """
    if path.exists():
        return read_master_key(path)
    draft = path.with_name(f".{path.name}.{os.getpid()}.{secrets.token_hex(4)}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(secrets.token_bytes(LENGTH_BYTES))
                file.flush()
                os.fsync(file.fileno())
            # A link fails where a rename would replace a key that another process has just made.
            with contextlib.suppress(FileExistsError):
                os.link(draft, path)
        finally:
            draft.unlink(missing_ok=True)
    except OSError as error:
        raise MasterKeyError(f"cannot create the master key {path}: {error.strerror}") from error
    return read_master_key(path)


def derive_password(master_key: bytes, role: str) -> str:
    """The password of a service login: every process that holds the master key can log in."""
    return hmac.new(master_key, b"role:" + role.encode(), hashlib.sha256).hexdigest()


def fingerprint(master_key: bytes) -> str:
    """What an installation remembers of its master key, to recognise another one. Not a secret."""
    return hmac.new(master_key, b"fingerprint", hashlib.sha256).hexdigest()[:16]
