"""The payout that an installation's settings choose."""

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path
from uuid import UUID

from adapters.payouts.files import FilePayout
from adapters.payouts.http import HttpPayout
from adapters.settings import Settings, SettingsError, variable_of
from schedulers.refund_payouts import Instruction, Outcome, Payout

FOLDER = "payouts"


class PayoutByTenant:
    """Files for tenants in test mode, whose money is nobody's; the provider for the others."""

    def __init__(self, provider: Payout, files: Payout, is_test: Callable[[UUID], bool]) -> None:
        self._provider = provider
        self._files = files
        self._is_test = is_test

    def hand_over(self, instruction: Instruction) -> Outcome:
        chosen = self._files if self._is_test(instruction.tenant_id) else self._provider
        return chosen.hand_over(instruction)


@contextlib.contextmanager
def chosen_payout(settings: Settings, is_test: Callable[[UUID], bool]) -> Iterator[Payout]:
    """Over HTTP where the settings name a provider, else as files in the home. Raises SettingsError.

    is_test  whether a tenant is in test mode: its refunds are files whatever the settings name
    """
    files = FilePayout(settings.home / FOLDER)
    if settings.payout_url is None:
        yield files
        return
    token = _token(settings.payout_token_file) if settings.payout_token_file else None
    with HttpPayout(settings.payout_url, token) as provider:
        yield PayoutByTenant(provider, files, is_test)


def _token(file: Path) -> str:
    variable = variable_of("payout_token_file")
    try:
        token = file.read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"{variable} names a file that cannot be read: {file}") from error
    if not token or not token.isprintable() or " " in token:
        raise SettingsError(f"{variable} must name a file with a token on one line: {file}")
    return token
