"""Settings: defaults, every variable, and a clear line for each wrong one."""

from pathlib import Path

import pytest

from adapters.settings import Settings, SettingsError, variable_of


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
        "DUEBOOK_PAYOUT_URL": "https://bank.example.com/payouts/",
        "DUEBOOK_PAYOUT_TOKEN_FILE": "/run/secrets/payout",
    }
    assert set(given) == {variable_of(field) for field in Settings.__struct_fields__}
    settings = Settings.from_environment(given)
    assert settings.home == Path("/srv/duebook")
    assert settings.master_key_file == Path("/run/secrets/key")
    assert settings.public_url == "https://duebook.example.com"
    assert settings.log_level == "debug"
    assert settings.pool_size == 25
    assert settings.payout_url == "https://bank.example.com/payouts"
    assert settings.payout_token_file == Path("/run/secrets/payout")


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
        ("DUEBOOK_LOG_LEVEL", "loud", "one of debug, info, warning, error"),
        ("DUEBOOK_HOST", "a host", "an address or a name"),
        ("DUEBOOK_PUBLIC_URL", "ftp://x", "must look like https://"),
        ("DUEBOOK_PUBLIC_URL", "http://[::1", "must look like https://"),
        ("DUEBOOK_PUBLIC_URL", "https://x/?a=b", "must look like https://"),
        ("DUEBOOK_DATABASE_URL", "mysql://u:hunter2@h/d", "must look like postgresql://"),
        ("DUEBOOK_API_URL", "host=h password=hunter2", "must look like postgresql://"),
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
