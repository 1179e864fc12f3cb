"""The master key's file: whole, private, and the same for everybody."""

import stat
import threading
from pathlib import Path

import pytest

from adapters.master_key import (
    MasterKeyError,
    derive_password,
    fingerprint,
    make_master_key,
    read_master_key,
)


def test_is_made_once_and_private(tmp_path: Path) -> None:
    path = tmp_path / "new" / "master.key"
    key = make_master_key(path)
    assert len(key) == 32
    assert make_master_key(path) == key == read_master_key(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert list(path.parent.iterdir()) == [path]


def test_racing_makers_agree(tmp_path: Path) -> None:
    path = tmp_path / "master.key"
    gate = threading.Barrier(16)
    keys: list[bytes] = []

    def make() -> None:
        gate.wait()
        keys.append(make_master_key(path))

    threads = [threading.Thread(target=make) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(keys) == 16
    assert len(set(keys)) == 1
    assert list(tmp_path.iterdir()) == [path]


def test_what_is_not_a_key_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "master.key"
    with pytest.raises(MasterKeyError, match="there is no master key at"):
        read_master_key(path)
    path.mkdir()
    with pytest.raises(MasterKeyError, match="Is a directory"):
        read_master_key(path)
    path.rmdir()
    path.write_bytes(bytes(33))
    with pytest.raises(MasterKeyError, match="holds 33 bytes"):
        make_master_key(path)
    (tmp_path / "file").write_text("")
    with pytest.raises(MasterKeyError, match="cannot create"):
        make_master_key(tmp_path / "file" / "master.key")


def test_derived_secrets_differ_by_role_and_key() -> None:
    one, other = bytes(32), bytes([1] * 32)
    assert derive_password(one, "a") != derive_password(one, "b")
    assert derive_password(one, "a") != derive_password(other, "a")
    assert fingerprint(one) != fingerprint(other)
    assert fingerprint(one) not in derive_password(one, "a")
