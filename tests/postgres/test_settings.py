"""Settings: defaults, every variable, and a clear line for each wrong one."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from adapters.settings import MailIntake, Settings, SettingsError, variable_of


def test_defaults() -> None:
    settings = Settings.from_environment({"PATH": "/bin", "DUEBOOK_PORT": ""})
    assert settings.home == Path.cwd() / "var"
    assert settings.master_key_file == settings.home / "master.key"
    assert settings.database_url is None
    assert (settings.host, settings.port) == ("127.0.0.1", 8000)
    assert settings.public_url == "http://127.0.0.1:8000"


def test_every_variable_is_read() -> None:
    given = {
        "DUEBOOK_HOME": "/srv/duebook",
        "DUEBOOK_DATABASE_URL": "postgresql://a@h/d",
        "DUEBOOK_WRITER_URL": "postgres://b@h/d",
        "DUEBOOK_API_URL": "postgresql://c@h/d",
        "DUEBOOK_MASTER_KEY_FILE": "/run/secrets/key",
        "DUEBOOK_HOST": "::1",
        "DUEBOOK_PORT": "9000",
        "DUEBOOK_PUBLIC_URL": "https://duebook.example.com/",
        "DUEBOOK_LOG_LEVEL": "DEBUG",
        "DUEBOOK_POOL_SIZE": "25",
        "DUEBOOK_LOG_AHEAD_UNTIL": "2026-03-31T12:00:00+02:00",
        "DUEBOOK_PAYOUT_URL": "https://bank.example.com/payouts/",
        "DUEBOOK_PAYOUT_TOKEN_FILE": "/run/secrets/payout",
        "DUEBOOK_PRIVATE_ADDRESSES": "Allow",
        "DUEBOOK_MAIL_INTAKE": "lmtp://[::1]:2424",
    }
    assert set(given) == {variable_of(field) for field in Settings.__struct_fields__}
    settings = Settings.from_environment(given)
    assert settings.home == Path("/srv/duebook")
    assert settings.master_key_file == Path("/run/secrets/key")
    assert settings.public_url == "https://duebook.example.com"
    assert settings.log_level == "debug"
    assert settings.pool_size == 25
    assert settings.log_ahead_until == datetime(2026, 3, 31, 10, tzinfo=UTC)
    assert settings.payout_url == "https://bank.example.com/payouts"
    assert settings.payout_token_file == Path("/run/secrets/payout")
    assert settings.private_addresses == "allow"
    assert settings.mail_intake == MailIntake("lmtp", "::1", 2424)


def test_every_field_is_documented() -> None:
    assert Settings.__doc__ is not None
    for field in Settings.__struct_fields__:
        assert field in Settings.__doc__


def test_public_url_of_an_ipv6_address() -> None:
    settings = Settings.from_environment({"DUEBOOK_HOST": "::1"})
    assert settings.public_url == "http://[::1]:8000"


@pytest.mark.parametrize(
    ("variable", "value", "said"),
    [
        ("DUEBOOK_PROT", "1", "did you mean DUEBOOK_PORT?"),
        ("DUEBOOK_PORT", "http", "must be a whole number from 1 to 65535, not 'http'"),
        ("DUEBOOK_PORT", "65536", "from 1 to 65535"),
        ("DUEBOOK_PORT", "0", "from 1 to 65535"),
        ("DUEBOOK_PORT", "٨", "from 1 to 65535"),
        ("DUEBOOK_POOL_SIZE", "-1", "from 1 to 500"),
        ("DUEBOOK_PRIVATE_ADDRESSES", "yes", "one of refuse, allow"),
        ("DUEBOOK_LOG_LEVEL", "loud", "one of debug, info, warning, error"),
        ("DUEBOOK_HOST", "a host", "an address or a name"),
        ("DUEBOOK_PUBLIC_URL", "ftp://x", "must look like https://"),
        ("DUEBOOK_PUBLIC_URL", "http://[::1", "must look like https://"),
        ("DUEBOOK_PUBLIC_URL", "https://x/?a=b", "must look like https://"),
        ("DUEBOOK_DATABASE_URL", "mysql://u:hunter2@h/d", "must look like postgresql://"),
        ("DUEBOOK_API_URL", "host=h password=hunter2", "must look like postgresql://"),
        ("DUEBOOK_MAIL_INTAKE", "127.0.0.1:25", "must look like lmtp://"),
        ("DUEBOOK_MAIL_INTAKE", "smtp://127.0.0.1", "must look like lmtp://"),
        ("DUEBOOK_HOME", "~no-such-user-here/x", "unknown home folder"),
    ],
)
def test_wrong_values_are_one_clear_line(variable: str, value: str, said: str) -> None:
    with pytest.raises(SettingsError) as caught:
        Settings.from_environment({variable: value})
    message = str(caught.value)
    assert variable in message
    assert said in message
    assert "\n" not in message
    assert "hunter2" not in message


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:9/pay", "http://localhost/pay", "http://[::1]/pay"]
)
def test_a_payout_url_on_this_machine_may_do_without_tls(url: str) -> None:
    assert Settings.from_environment({"DUEBOOK_PAYOUT_URL": url}).payout_url == url


@pytest.mark.parametrize(
    "url", ["http://bank.example.com", "http://10.0.0.7/pay", "http://localhost.evil.example"]
)
def test_personal_data_goes_nowhere_else_in_the_clear(url: str) -> None:
    with pytest.raises(SettingsError, match="must begin with https"):
        Settings.from_environment({"DUEBOOK_PAYOUT_URL": url})


def test_an_instant_needs_its_offset() -> None:
    given = {"DUEBOOK_LOG_AHEAD_UNTIL": "2026-03-31T12:00:00Z"}
    found = Settings.from_environment(given).log_ahead_until
    assert found == datetime(2026, 3, 31, 12, tzinfo=UTC)
    for wrong in ("2026-03-31T12:00:00", "soon", "2026"):
        with pytest.raises(SettingsError, match="must be an instant"):
            Settings.from_environment({"DUEBOOK_LOG_AHEAD_UNTIL": wrong})
