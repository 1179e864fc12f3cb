"""Payouts as files: whole or not there, once, never replaced, and readable by their owner alone."""

import os
import stat
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from pathlib import Path
from uuid import UUID

import msgspec
import pytest
from msgspec.structs import replace

from adapters.payouts.files import FilePayout
from ledger.money import Money
from schedulers.refund_payouts import HandedOver, Instruction, NotHandedOver

TENANT, REFUND = UUID(int=1), UUID(int=2)
INSTRUCTION = Instruction(
    refund_id=REFUND,
    tenant_id=TENANT,
    customer_id=UUID(int=3),
    amount=Money("12.30", "EUR"),
    destination="PT50 0002",
    requested_on=date(2024, 3, 8),
)


def files(folder: Path) -> list[str]:
    return sorted(
        path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()
    )


def test_an_instruction_is_a_file(tmp_path: Path) -> None:
    folder = tmp_path / "payouts"
    assert FilePayout(folder).hand_over(INSTRUCTION) == HandedOver("file", f"{REFUND}.json")
    assert files(folder) == [f"{TENANT}/{REFUND}.json"]
    file = folder / str(TENANT) / f"{REFUND}.json"
    assert msgspec.json.decode(file.read_bytes()) == {
        "refund_id": str(REFUND),
        "tenant_id": str(TENANT),
        "customer_id": str(UUID(int=3)),
        "amount": {"amount": "12.30", "currency": "EUR"},
        "destination": "PT50 0002",
        "requested_on": "2024-03-08",
    }
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    for above in (folder, file.parent):
        assert stat.S_IMODE(above.stat().st_mode) == 0o700


def test_again_it_changes_nothing(tmp_path: Path) -> None:
    payout = FilePayout(tmp_path)
    payout.hand_over(INSTRUCTION)
    file = tmp_path / str(TENANT) / f"{REFUND}.json"
    before = file.stat()
    assert isinstance(payout.hand_over(INSTRUCTION), HandedOver)
    after = file.stat()
    assert (after.st_ino, after.st_mtime_ns) == (before.st_ino, before.st_mtime_ns)


def test_another_content_under_the_id_is_for_a_person(tmp_path: Path) -> None:
    payout = FilePayout(tmp_path)
    payout.hand_over(INSTRUCTION)
    file = tmp_path / str(TENANT) / f"{REFUND}.json"
    before = file.read_bytes()
    outcome = payout.hand_over(replace(INSTRUCTION, amount=Money("99.00", "EUR")))
    assert outcome == NotHandedOver(f"{REFUND}.json is there with other content", unknown=True)
    assert file.read_bytes() == before


def test_what_a_killed_run_left_aside_is_removed(tmp_path: Path) -> None:
    folder = tmp_path / str(TENANT)
    folder.mkdir()
    (folder / f".{REFUND}.abc").write_bytes(b'{"refund_id": "00')
    (folder / f".{UUID(int=9)}.abc").write_bytes(b"of another refund")
    assert isinstance(FilePayout(tmp_path).hand_over(INSTRUCTION), HandedOver)
    assert files(tmp_path) == [f"{TENANT}/.{UUID(int=9)}.abc", f"{TENANT}/{REFUND}.json"]


def test_many_at_once_leave_one_whole_file(tmp_path: Path) -> None:
    payout = FilePayout(tmp_path)
    with ThreadPoolExecutor(16) as executor:
        outcomes = list(executor.map(lambda _: payout.hand_over(INSTRUCTION), range(200)))
    assert set(outcomes) == {HandedOver("file", f"{REFUND}.json")}
    assert files(tmp_path) == [f"{TENANT}/{REFUND}.json"]
    assert (
        msgspec.json.decode(
            (tmp_path / str(TENANT) / f"{REFUND}.json").read_bytes(), type=Instruction
        )
        == INSTRUCTION
    )


def test_a_folder_that_cannot_be_made_is_no_hand_over(tmp_path: Path) -> None:
    (tmp_path / "payouts").write_text("a file in the way")
    outcome = FilePayout(tmp_path / "payouts").hand_over(INSTRUCTION)
    assert isinstance(outcome, NotHandedOver)
    assert "cannot write" in outcome.reason


def test_the_name_is_on_the_disk_before_it_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The content is flushed before it gets its name, and the folder after."""
    steps: list[str] = []
    fsync, link = os.fsync, os.link

    def synced(number: int) -> None:
        steps.append("folder" if stat.S_ISDIR(os.fstat(number).st_mode) else "content")
        fsync(number)

    def linked(source: str, target: Path) -> None:
        steps.append("name")
        link(source, target)

    monkeypatch.setattr(os, "fsync", synced)
    monkeypatch.setattr(os, "link", linked)
    (tmp_path / str(TENANT)).mkdir()
    FilePayout(tmp_path).hand_over(INSTRUCTION)
    assert steps == ["content", "name", "folder"]
