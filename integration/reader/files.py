"""The records of a file ledger, read as docs/file-ledger.md has it."""

import mmap
import os
import struct
import typing
import uuid
import zlib
from pathlib import Path

from integration.reader.ledger import Ledger, PartitionReader

HEADER, FRAME = struct.Struct(">8sIII8sI"), struct.Struct(">4sB3sqqQIII")
MARKER = struct.Struct(">8sIIq16s24s")
RECORD, TOMBSTONE, SKIP = 1, 2, 3
VALUE_BYTES_MAX, PARTITIONS_MAX, OFFSET_MAX = 67_108_864, 1_024, (1 << 63) - 2


class Damaged(Exception):
    """A file is not what its writer left; the message names it and the byte."""


class Frame(typing.NamedTuple):
    place: int
    end: int
    kind: int
    offset: int
    appended_at_us: int
    synced: int
    value: bytes


def partition_count(directory):
    """What the headers of a directory's files say, all alike."""
    counts = {_header(path, partition) for partition, path in _files(directory)}
    if len(counts) != 1:
        raise Damaged(f"{directory} holds {'no file of a ledger' if not counts else f'files of ledgers of {counts} partitions'}")
    return counts.pop()


def read_partition(directory, partition):
    """Yields each Frame of a partition, skips too. Raises Damaged where the file is, after the frames before that place."""
    path = Path(directory) / f"{partition:04}.log"
    if not path.exists():
        raise Damaged(f"{path} is missing")
    _header(path, partition)
    with open(path, "rb") as file:
        length = os.fstat(file.fileno()).st_size  # Asked for before `writer` is.
        synced = _synced(directory, partition)
        limit = length if synced is None else min(length, synced)
        with mmap.mmap(file.fileno(), length, access=mmap.ACCESS_READ) as data:
            place, lowest = HEADER.size, 0
            while place < limit:
                frame = _frame(data, place, limit)
                if frame is None or frame.offset < lowest:
                    if synced is not None or _shows_damage(data, place, limit):
                        raise Damaged(f"{path}, byte {place}: no good frame stands there")
                    return  # A torn tail.
                yield frame
                place, lowest = frame.end, frame.offset + (frame.kind != SKIP)


def torn_at(directory, partition):
    """Where a torn tail begins, or None. Raises Damaged."""
    end = HEADER.size
    for frame in read_partition(directory, partition):
        end = frame.end
    length = (Path(directory) / f"{partition:04}.log").stat().st_size
    return end if end < length else None


def records(frames):
    """(offset, value) of the records among frames; a record without a value has None."""
    for frame in frames:
        if frame.kind != SKIP:
            yield frame.offset, None if frame.kind == TOMBSTONE else frame.value


def read_ledger_in(directory, ledger_id=None, partitions=None):
    """Judges a whole file ledger, or some of its partitions, as topic.read_ledger judges a topic. Raises Damaged at the end of what
    is good in a file."""
    count = partition_count(directory)
    ledger = Ledger(count, ledger_id)
    for partition in range(count) if partitions is None else partitions:
        reader = PartitionReader(ledger, partition)
        for offset, value in records(read_partition(directory, partition)):
            yield reader, offset, reader.take(offset, value)
        reader.finish()
        yield reader, None, None


def _files(directory):
    for path in sorted(Path(directory).glob("[0-9][0-9][0-9][0-9].log")):
        yield int(path.stem), path


def _header(path, partition):
    """The partition count that a file's header names."""
    with path.open("rb") as file:
        data = file.read(HEADER.size)
    if len(data) < HEADER.size:
        raise Damaged(f"{path}, byte 0: the header is not whole")
    magic, form, own, count, zero, crc = HEADER.unpack(data)
    if magic != b"PWLFILE\n" or crc != zlib.crc32(data[:28]):
        raise Damaged(f"{path}, byte 0: the header is damaged")
    if form != 1:
        raise Damaged(f"{path}, byte 0: format {form} is newer than this program's")
    if own != partition or not own < count <= PARTITIONS_MAX or any(zero):
        raise Damaged(f"{path}, byte 0: the header is that of partition {own} of {count}")
    return count


def _frame(data, place, limit):
    """The good frame at a place, or None; its offset is not compared with the frame before."""
    if limit - place < FRAME.size:
        return None
    head = data[place:place + FRAME.size]
    magic, kind, zero, offset, at_us, synced, value_bytes, value_crc, head_crc = FRAME.unpack(head)
    if magic != b"PWFR" or head_crc != zlib.crc32(head[:40], zlib.crc32(place.to_bytes(8, "big"))):
        return None
    end = place + FRAME.size + value_bytes
    if not RECORD <= kind <= SKIP or any(zero) or not 0 <= offset <= OFFSET_MAX or not HEADER.size <= synced <= place:
        return None
    if value_bytes > (VALUE_BYTES_MAX if kind == RECORD else 0) or end > limit:
        return None
    value = data[place + FRAME.size:end]
    return Frame(place, end, kind, offset, at_us, synced, value) if value_crc == zlib.crc32(value) else None


def _shows_damage(data, place, limit):
    at = place
    while (at := data.find(b"PWFR", at + 1, limit)) >= 0:
        frame = _frame(data, at, limit)
        if frame is not None and frame.synced > place:
            return True
    return False


def _synced(directory, partition):
    """How much of a file is synced, where a writer of this boot says so; else None."""
    try:
        data = (Path(directory) / "writer").read_bytes()
        boot = uuid.UUID(Path("/proc/sys/kernel/random/boot_id").read_text().strip()).bytes
    except (FileNotFoundError, ValueError):
        return None
    if len(data) < MARKER.size:
        return None
    magic, form, count, _, boot_id, _ = MARKER.unpack(data[:MARKER.size])
    if magic != b"PWLWRITE" or form != 1 or boot_id != boot or len(data) < MARKER.size + 8 * count or partition >= count:
        return None
    return int.from_bytes(data[MARKER.size + 8 * partition:][:8], "big")
