"""The payout that an installation's settings choose."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

from adapters.payouts.files import FilePayout
from adapters.payouts.http import HttpPayout
from adapters.settings import Settings, SettingsError, variable_of
from schedulers.refund_payouts import Payout

FOLDER = "payouts"


@contextlib.contextmanager
def chosen_payout(settings: Settings) -> Iterator[Payout]:
    """Over HTTP where the settings name a provider, else as files in the home. Raises SettingsError."""
    if settings.payout_url is None:
        yield FilePayout(settings.home / FOLDER)
        return
    token = _token(settings.payout_token_file) if settings.payout_token_file else None
    with HttpPayout(settings.payout_url, token) as payout:
        yield payout


def _token(file: Path) -> str:
    variable = variable_of("payout_token_file")
    try:
        token = file.read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"{variable} names a file that cannot be read: {file}") from error
    if not token or not token.isprintable() or " " in token:
        raise SettingsError(f"{variable} must name a file with a token on one line: {file}")
    return token
