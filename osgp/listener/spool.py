"""The spool: pushes on disk while the database is away.

Files to which records are appended, the oldest of which is read from its beginning. A record is its length,
its CRC-32 and its octets. What :meth:`Spool.append` was given is on the disk when it returns, whatever
happens to the process or the machine afterwards. A file is deleted when all of it was taken. How far the
oldest one was taken is not written down: after a restart it is taken from its beginning once more, so that
whoever takes records has to bear some of them twice.
"""

import fcntl
import logging
import os
import struct
import zlib
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

logger = logging.getLogger(__name__)

_HEAD = struct.Struct(">II")
LONGEST_RECORD = 256 * 1024
"""Octets; more is no record, but damage."""
FILE_SIZE = 16 * 1024 * 1024
"""Octets after which another file is begun."""
SUFFIX = ".spool"
DAMAGED = ".damaged"


class SpoolFull(Exception):
    """There is no room for more."""


class SpoolInUse(Exception):
    """Another process has the directory."""


class Spool:
    """A queue of records in ``directory``, of ``limit`` octets at most. For one thread at a time.

    Raises SpoolInUse if another process has it, and OSError if the directory cannot be used. Only the owner
    may read it: it holds what meters sent.
    """

    def __init__(self, directory: Path, limit: int, file_size: int = FILE_SIZE) -> None:
        self._directory = directory
        self._limit = limit
        self._file_size = file_size
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._lock = os.open(directory / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            os.close(self._lock)
            raise SpoolInUse(f"another listener has the spool {directory}") from error
        self._sizes: dict[int, int] = {}
        """Of the files, by their numbers, the oldest first."""
        self._writing: BinaryIO | None = None
        self._number = 0
        """Of the file that is written, or was written last."""
        self._position = 0
        """Up to where the oldest file was taken."""
        # Not a number that was used before: what was set aside under it is for people.
        set_aside = (path.stem for path in directory.glob(f"*{DAMAGED}"))
        self._number = max((int(stem) for stem in set_aside if stem.isdigit()), default=0)
        for path in sorted(directory.glob(f"*{SUFFIX}")):
            self._recover(path)

    @property
    def size(self) -> int:
        """Octets in it."""
        return sum(self._sizes.values())

    @property
    def is_empty(self) -> bool:
        """Whether all was taken. Safe in other threads."""
        return not self._sizes

    def append(self, records: Sequence[bytes]) -> None:
        """Put records at the end, all or none. Raises SpoolFull, or OSError if the disk takes none."""
        octets = b"".join(_HEAD.pack(len(record), zlib.crc32(record)) + record for record in records)
        if self.size + len(octets) > self._limit:
            raise SpoolFull(f"the spool {self._directory} has its limit of {self._limit} octets")
        file = self._writing or self._begin_file()
        try:
            _write(file, octets)
            os.fsync(file.fileno())
        except OSError:
            self._give_up_file(file)
            raise
        self._sizes[self._number] += len(octets)
        if self._sizes[self._number] >= self._file_size:
            self._close_file()

    def read(self, most: int, octets: int) -> tuple[list[bytes], int]:
        """Return the oldest records, up to ``most`` and about ``octets``, and a mark for :meth:`take`."""
        if self.is_empty:
            return [], 0
        number = next(iter(self._sizes))
        end = self._position
        records: list[bytes] = []
        with self._find(number).open("rb") as file:
            file.seek(end)
            for record in _read_records(file, self._sizes[number]):
                records.append(record)
                end += _HEAD.size + len(record)
                octets -= len(record)
                if len(records) >= most or octets <= 0:
                    break
        if not records:
            # Written whole once, so the disk has lost it. What is left is for people.
            self._set_aside(number)
        return records, end

    def take(self, mark: int) -> None:
        """Forget the records up to ``mark``, as the last :meth:`read` gave it."""
        self._position = mark
        number, size = next(iter(self._sizes.items()))
        if mark < size:
            return
        if number == self._number:
            self._close_file()
        self._find(number).unlink()
        del self._sizes[number]
        self._position = 0

    def set_aside(self, record: bytes) -> None:
        """Keep a record that nobody can use in a file for people; such records are not counted as size."""
        with (self._directory / f"unusable{DAMAGED}").open("ab") as file:
            file.write(_HEAD.pack(len(record), zlib.crc32(record)) + record)
            file.flush()
            os.fsync(file.fileno())

    def close(self) -> None:
        """Let another process have it. What is in it stays."""
        self._close_file()
        os.close(self._lock)

    def _find(self, number: int) -> Path:
        return self._directory / f"{number:012}{SUFFIX}"

    def _begin_file(self) -> BinaryIO:
        self._number += 1
        path = self._find(self._number)
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_CLOEXEC, 0o600)
        self._writing = os.fdopen(descriptor, "ab", buffering=0)
        try:
            self._synchronize_directory()
        except OSError:
            self._close_file()
            path.unlink(missing_ok=True)
            raise
        self._sizes[self._number] = 0
        return self._writing

    def _synchronize_directory(self) -> None:
        """Make a new file's name as durable as what it holds."""
        directory = os.open(self._directory, os.O_RDONLY | os.O_CLOEXEC)
        try:
            os.fsync(directory)
        finally:
            os.close(directory)

    def _give_up_file(self, file: BinaryIO) -> None:
        """Cut off what was written in part, and write to another file from now on."""
        size = self._sizes[self._number]
        try:
            os.ftruncate(file.fileno(), size)
        except OSError:
            logger.warning("the spool file %s could not be cut", self._find(self._number))
        self._close_file()
        if size == 0:
            self._find(self._number).unlink(missing_ok=True)
            del self._sizes[self._number]

    def _close_file(self) -> None:
        if self._writing is not None:
            self._writing.close()
            self._writing = None

    def _recover(self, path: Path) -> None:
        """Take over a file of a former process, without the last record if that was written in part."""
        number = int(path.stem)
        self._number = max(self._number, number)
        with path.open("r+b") as file:
            size = os.fstat(file.fileno()).st_size
            whole = sum(_HEAD.size + len(record) for record in _read_records(file, size))
            if whole < size:
                logger.warning("cutting %s octets off the spool file %s", size - whole, path)
                file.seek(whole)
                with suppress(OSError):
                    # Written in part, and so never acknowledged; or damaged, and then people may want it.
                    path.with_suffix(DAMAGED).write_bytes(file.read())
                file.truncate(whole)
                os.fsync(file.fileno())
        if whole:
            self._sizes[number] = whole
        else:
            path.unlink()

    def _set_aside(self, number: int) -> None:
        path = self._find(number)
        logger.error("the spool file %s is damaged at octet %s and was set aside", path, self._position)
        if number == self._number:
            self._close_file()
        path.rename(path.with_suffix(DAMAGED))
        del self._sizes[number]
        self._position = 0


def _write(file: BinaryIO, octets: bytes) -> None:
    """Write all of it to an unbuffered file, which may take less at a time."""
    rest = memoryview(octets)
    while rest:
        rest = rest[file.write(rest) :]


def _read_records(file: BinaryIO, size: int) -> Iterator[bytes]:
    """Yield the records from the present position up to ``size``, or to the first that is not whole."""
    position = file.tell()
    while position + _HEAD.size <= size:
        head = file.read(_HEAD.size)
        if len(head) < _HEAD.size:
            return
        length, checksum = _HEAD.unpack(head)
        position += _HEAD.size + length
        if length > LONGEST_RECORD or position > size:
            return
        record = file.read(length)
        if len(record) < length or zlib.crc32(record) != checksum:
            return
        yield record
