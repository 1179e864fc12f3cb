"""What an installation may set: environment variables, read once at start and refused when wrong."""

import difflib
import os
from collections.abc import Mapping
from datetime import datetime
from ipaddress import ip_address
from pathlib import Path
from urllib.parse import urlsplit

import msgspec

PREFIX = "DUEBOOK_"
LOG_LEVELS = ("debug", "info", "warning", "error")


class SettingsError(Exception):
    """An environment variable is unknown or has a value that cannot be used; the message is one line."""


class MailIntake(msgspec.Struct, frozen=True):
    """Where mails that come back are taken."""

    protocol: str
    host: str
    port: int


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """One installation's settings. A field `pool_size` is the variable `DUEBOOK_POOL_SIZE`.

    home             folder of everything kept on disk: the embedded database, keys, demo tenant
    database_url     an existing PostgreSQL 15 or later, with a login that may migrate; unset: embedded
    writer_url       the login of bulk work, where an installation manages its logins itself
    api_url          the login of the API, bound by row-level security, likewise
    master_key_file  32 random bytes that wrap every customer's key; default: master.key in the home
    host, port       where the service listens
    public_url       what the service calls itself in links; default: http:// with host and port
    log_level        debug, info, warning or error
    pool_size        connections each pool may open (one pool for the writer, one for the API)
    log_ahead_until  an instant up to which the log's last event may lie after now: after a wrong system clock has
                     written events; unset: none
    payout_url       where refunds are handed over, by `PUT` of an instruction under the refund's id, over https except
                     on this machine; unset: as files in the folder `payouts` of the home
    payout_token_file  a file with the bearer token of the payout URL; unset: none is sent
    private_addresses  refuse or allow: whether servers that tenants name may be on private addresses, such as this
                       machine's own; refused where tenants do not run the installation
    mail_intake      where `worker` and `up` take delivery reports from a mail server, such as lmtp://127.0.0.1:2424 or
                     smtp://127.0.0.1:2525; unset: nowhere
    """

    home: Path
    database_url: str | None = None
    writer_url: str | None = None
    api_url: str | None = None
    master_key_file: Path
    host: str = "127.0.0.1"
    port: int = 8000
    public_url: str
    log_level: str = "info"
    pool_size: int = 10
    log_ahead_until: datetime | None = None
    payout_url: str | None = None
    payout_token_file: Path | None = None
    private_addresses: str = "refuse"
    mail_intake: MailIntake | None = None

    @classmethod
    def from_environment(cls, environ: Mapping[str, str] = os.environ) -> "Settings":
        """Read and check every variable. Raises SettingsError. An empty value counts as unset."""
        known = {PREFIX + name.upper(): name for name in cls.__struct_fields__}
        given: dict[str, str] = {}
        for variable, value in environ.items():
            if not variable.startswith(PREFIX):
                continue
            if variable not in known:
                raise SettingsError(_unknown(variable, list(known)))
            if value.strip():
                given[known[variable]] = value.strip()

        home = _path("home", given.get("home", "./var"))
        host = given.get("host", "127.0.0.1")
        port = _number("port", given.get("port", "8000"), 1, 65535)
        return cls(
            home=home,
            database_url=_postgres_url("database_url", given.get("database_url")),
            writer_url=_postgres_url("writer_url", given.get("writer_url")),
            api_url=_postgres_url("api_url", given.get("api_url")),
            master_key_file=(
                _path("master_key_file", given["master_key_file"])
                if "master_key_file" in given
                else home / "master.key"
            ),
            host=_host(host),
            port=port,
            public_url=_web_url("public_url", given.get("public_url"), host, port),
            log_level=_one_of("log_level", given.get("log_level", "info").lower(), LOG_LEVELS),
            pool_size=_number("pool_size", given.get("pool_size", "10"), 1, 500),
            log_ahead_until=_instant("log_ahead_until", given.get("log_ahead_until")),
            payout_url=(
                _encrypted_url("payout_url", given["payout_url"]) if "payout_url" in given else None
            ),
            payout_token_file=_token_file(given),
            private_addresses=_one_of(
                "private_addresses",
                given.get("private_addresses", "refuse").lower(),
                ("refuse", "allow"),
            ),
            mail_intake=_mail_intake(given.get("mail_intake")),
        )


def variable_of(field: str) -> str:
    """The environment variable of a field of Settings."""
    return PREFIX + field.upper()


def _unknown(variable: str, known: list[str]) -> str:
    nearest = difflib.get_close_matches(variable, known, n=1, cutoff=0.0)
    return f"{variable} is not a setting of Duebook; did you mean {nearest[0]}?"


def _path(field: str, value: str) -> Path:
    if "\0" in value:
        raise SettingsError(f"{variable_of(field)} must be a path without zero bytes")
    try:
        return Path(value).expanduser().absolute()
    except RuntimeError as error:
        raise SettingsError(
            f"{variable_of(field)} names an unknown home folder: {value}"
        ) from error


def _number(field: str, value: str, lowest: int, highest: int) -> int:
    if not (value.isascii() and value.isdigit() and lowest <= int(value) <= highest):
        raise SettingsError(
            f"{variable_of(field)} must be a whole number from {lowest} to {highest}, not {value!r}"
        )
    return int(value)


def _instant(field: str, value: str | None) -> datetime | None:
    if value is None:
        return None
    try:
        instant = datetime.fromisoformat(value)
    except ValueError:
        instant = None
    if instant is None or instant.tzinfo is None:
        raise SettingsError(
            f"{variable_of(field)} must be an instant such as 2026-03-31T12:00:00Z, not {value!r}"
        )
    return instant


def _one_of(field: str, value: str, choices: tuple[str, ...]) -> str:
    if value not in choices:
        raise SettingsError(
            f"{variable_of(field)} must be one of {', '.join(choices)}, not {value!r}"
        )
    return value


def _host(value: str) -> str:
    if "/" in value or any(character.isspace() for character in value):
        raise SettingsError(
            f"{variable_of('host')} must be an address or a name to listen on, not {value!r}"
        )
    return value


def _postgres_url(field: str, value: str | None) -> str | None:
    # The value may hold a password: it is never repeated in a message.
    if value is None:
        return None
    if not value.startswith(("postgresql://", "postgres://")):
        raise SettingsError(
            f"{variable_of(field)} must look like postgresql://user:password@host:5432/database"
        )
    return value


def _token_file(given: Mapping[str, str]) -> Path | None:
    if "payout_token_file" not in given:
        return None
    if "payout_url" not in given:
        raise SettingsError(
            f"{variable_of('payout_token_file')} is of no use without {variable_of('payout_url')}"
        )
    return _path("payout_token_file", given["payout_token_file"])


def _mail_intake(value: str | None) -> MailIntake | None:
    if value is None:
        return None
    try:
        parts = urlsplit(value)
        protocol, host, port = parts.scheme, parts.hostname, parts.port
    except ValueError:
        protocol, host, port = "", None, None
    if protocol not in ("smtp", "lmtp") or not host or not port or parts.path or parts.username:
        raise SettingsError(
            f"{variable_of('mail_intake')} must look like lmtp://127.0.0.1:2424 or smtp://127.0.0.1:2525, "
            f"not {value!r}"
        )
    return MailIntake(protocol, host, port)


def _web_url(field: str, value: str | None, host: str, port: int) -> str:
    if value is None:
        shown = f"[{host}]" if ":" in host else host
        return f"http://{shown}:{port}"
    return _usable_url(field, value)


def _encrypted_url(field: str, value: str) -> str:
    """An address to which personal data is sent: over TLS, unless it is on this machine."""
    url = _usable_url(field, value)
    parts = urlsplit(url)
    if parts.scheme != "https" and not _is_loopback(parts.hostname or ""):
        raise SettingsError(
            f"{variable_of(field)} must begin with https://; http:// is taken for this machine only"
        )
    return url


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _usable_url(field: str, value: str) -> str:
    try:
        parts = urlsplit(value)
        usable = parts.scheme in ("http", "https") and bool(parts.hostname)
    except ValueError:
        usable = False
    if not usable or parts.query or parts.fragment or parts.username:
        # A password that somebody has put into it is not repeated.
        shown = "that" if "@" in value else repr(value)
        raise SettingsError(
            f"{variable_of(field)} must look like https://duebook.example.com, not {shown}"
        )
    return value.rstrip("/")
