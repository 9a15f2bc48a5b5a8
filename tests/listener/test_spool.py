"""The spool: in order, whole or not at all, within its size, also after a process that died."""

import os
from pathlib import Path

import pytest

from osgp.alarms.models import Transport
from osgp.listener.pushes import pack, unpack
from osgp.listener.spool import DAMAGED, SUFFIX, Spool, SpoolFull, SpoolInUse
from tests.listener.samples import make_push

LIMIT = 1_000_000


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    return tmp_path / "spool"


def take_all(spool: Spool, most: int = 3) -> list[bytes]:
    taken: list[bytes] = []
    while not spool.is_empty:
        records, mark = spool.read(most, LIMIT)
        taken += records
        if records:
            spool.take(mark)
    return taken


def spooled_files(directory: Path) -> list[Path]:
    return sorted(directory.glob(f"*{SUFFIX}"))


def die(spool: Spool) -> None:
    """What is left of a process that was killed: its lock is free, and nothing was tidied up."""
    os.close(spool._lock)


def test_records_come_out_in_order_from_many_files(directory: Path) -> None:
    spool = Spool(directory, LIMIT, file_size=50)
    records = [b"record %d" % number for number in range(20)]
    for start in range(0, 20, 4):
        spool.append(records[start : start + 4])
    assert len(spooled_files(directory)) == 5
    assert take_all(spool) == records
    assert spooled_files(directory) == []
    spool.append([b"anew"])
    assert take_all(spool) == [b"anew"]


def test_what_was_not_taken_is_read_again(directory: Path) -> None:
    spool = Spool(directory, LIMIT)
    spool.append([b"a", b"b", b"c"])
    assert spool.read(2, LIMIT)[0] == [b"a", b"b"]
    records, mark = spool.read(2, LIMIT)
    assert records == [b"a", b"b"]
    spool.take(mark)
    assert spool.read(2, LIMIT)[0] == [b"c"]


def test_another_process_goes_on_from_the_beginning_of_the_oldest_file(directory: Path) -> None:
    first = Spool(directory, LIMIT, file_size=30)
    first.append([b"0" * 30])
    first.append([b"a", b"b"])
    first.take(first.read(1, LIMIT)[1])
    first.take(first.read(1, LIMIT)[1])
    die(first)
    second = Spool(directory, LIMIT)
    second.append([b"c"])
    assert take_all(second) == [b"a", b"b", b"c"]


@pytest.mark.parametrize("missing", range(1, 13))
def test_a_torn_last_record_is_cut_off(directory: Path, missing: int) -> None:
    spool = Spool(directory, LIMIT)
    spool.append([b"whole", b"torn"])
    die(spool)
    [path] = spooled_files(directory)
    os.truncate(path, path.stat().st_size - missing)
    spool = Spool(directory, LIMIT)
    spool.append([b"after"])
    assert take_all(spool) == [b"whole", b"after"]


def test_garbage_after_the_last_record_is_cut_off_and_kept_for_people(directory: Path) -> None:
    spool = Spool(directory, LIMIT)
    spool.append([b"whole"])
    die(spool)
    [path] = spooled_files(directory)
    with path.open("ab") as file:
        file.write(b"\xff" * 500)
    assert take_all(Spool(directory, LIMIT)) == [b"whole"]
    assert path.with_suffix(DAMAGED).read_bytes() == b"\xff" * 500


def test_octets_that_changed_on_the_disk_are_no_record(directory: Path) -> None:
    spool = Spool(directory, LIMIT, file_size=10)
    spool.append([b"first", b"second"])
    spool.append([b"third"])
    path = spooled_files(directory)[0]
    octets = path.read_bytes()
    path.write_bytes(octets.replace(b"second", b"sEcond"))
    assert take_all(spool) == [b"first", b"third"]
    assert [path.suffix for path in directory.glob("0*")] == [DAMAGED]


def test_it_has_a_size(directory: Path) -> None:
    spool = Spool(directory, 100)
    spool.append([b"x" * 80])
    with pytest.raises(SpoolFull):
        spool.append([b"y" * 80])
    assert take_all(spool) == [b"x" * 80]
    spool.append([b"y" * 80])
    assert take_all(spool) == [b"y" * 80]


def test_a_disk_that_takes_a_part_takes_nothing(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    spool = Spool(directory, LIMIT)
    spool.append([b"before"])

    def fail(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", fail)
        with pytest.raises(OSError, match="No space"):
            spool.append([b"written, but not safe"])
    spool.append([b"after"])
    assert take_all(spool) == [b"before", b"after"]


def test_a_disk_that_takes_nothing_from_the_start(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    spool = Spool(directory, LIMIT)

    def fail(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", fail)
        with pytest.raises(OSError, match="No space"):
            spool.append([b"a"])
    assert spool.is_empty
    assert spool.size == 0
    spool.append([b"b"])
    assert take_all(spool) == [b"b"]


def test_two_listeners_cannot_share_it(directory: Path) -> None:
    spool = Spool(directory, LIMIT)
    with pytest.raises(SpoolInUse, match="another listener"):
        Spool(directory, LIMIT)
    spool.close()
    Spool(directory, LIMIT).close()


def test_nobody_else_may_read_it(directory: Path) -> None:
    spool = Spool(directory, LIMIT)
    spool.append([b"a reading"])
    assert directory.stat().st_mode & 0o077 == 0
    assert spooled_files(directory)[0].stat().st_mode & 0o077 == 0


@pytest.mark.parametrize(
    "fields",
    [
        {"transport": Transport.UDP, "address": "2001:db8::1", "port": 65535},
        {"outcome": "BAD_CHECKSUM", "problem": "an FCS – wrong"},
        {"octets": b""},
        {"octets": bytes(range(256)) * 256},
    ],
    ids=["udp", "bad", "empty", "long"],
)
def test_a_push_is_the_same_afterwards(fields: dict[str, object]) -> None:
    push = make_push(7, **fields)
    assert unpack(pack(push)) == push


def test_what_was_set_aside_is_not_overwritten(directory: Path) -> None:
    """Not even by a process that found nothing else in the spool, and began to number anew."""
    for garbage in (b"\xff" * 500, b"\xfe" * 400):
        spool = Spool(directory, LIMIT)
        spool.append([b"whole"])
        die(spool)
        [path] = spooled_files(directory)
        with path.open("ab") as file:
            file.write(garbage)
        spool = Spool(directory, LIMIT)
        assert take_all(spool) == [b"whole"]
        die(spool)
    kept = sorted(path.read_bytes() for path in directory.glob(f"*{DAMAGED}"))
    assert kept == [b"\xfe" * 400, b"\xff" * 500]
