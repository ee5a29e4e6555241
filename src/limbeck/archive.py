"""The zip form of a bundle, or of a ladder: one file to copy. Knows one way to write a zip and reads no other; knows no manifest.

Entries are stored, not compressed, in one order, with one date, and nothing else lies in the file. So there is exactly one archive
for the content of a bundle: what differs from it by a byte is refused, and none of the zip format's odd corners (entries that
overlap, two directories, encryption, zip64, comments, data between entries) is ever interpreted. What is read is never unpacked to disk.

Source: PKWARE, APPNOTE.TXT 6.3.10, sections 4.3.7, 4.3.12 and 4.3.16.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator, Mapping

from limbeck.errors import BundleError
from limbeck.manifest import MANIFEST, MOST_BYTES, SIGNATURE, is_plain

SUFFIX = ".zip"
MOST_FILES = 16
MOST_ARCHIVE_BYTES = MOST_BYTES + 64 * 2**20
"""Of the archive: its files with manifest, headers and directory."""

_LOCAL = struct.Struct("<4s5H3I2H")
_CENTRAL = struct.Struct("<4s6H3I5H2I")
_END = struct.Struct("<4s4H2IH")
_VERSION = 20
_UNIX = 3 << 8  # made on Unix, so that the mode below counts
_MODE = 0o100644 << 16
_DATE = 0x21  # 1 January 1980, the first day a zip can name


def packed(content: Mapping[str, bytes]) -> Iterator[bytes]:
    """The parts of the archive of these files, in order."""
    order = [name for name in (MANIFEST, SIGNATURE) if name in content]
    order += sorted(name for name in content if name not in order)
    directory, offset = [], 0
    for name in order:
        data, text = content[name], name.encode("ascii")
        checksum, size = zlib.crc32(data), len(data)
        header = _LOCAL.pack(b"PK\3\4", _VERSION, 0, 0, 0, _DATE, checksum, size, size, len(text), 0)
        yield header + text
        yield data
        directory.append(
            _CENTRAL.pack(
                b"PK\1\2",
                _UNIX | _VERSION,
                _VERSION,
                0,
                0,
                0,
                _DATE,
                checksum,
                size,
                size,
                len(text),
                0,
                0,
                0,
                0,
                _MODE,
                offset,
            )
            + text
        )
        offset += len(header) + len(text) + size
    listed = b"".join(directory)
    yield listed + _END.pack(b"PK\5\6", 0, 0, len(order), len(order), len(listed), offset, 0)


def unpacked(
    data: bytes,
    where: str,
    most_files: int = MOST_FILES,
    made: str = "a bundle that limbeck packed",
    by: str = "limbeck pack BUNDLE --out FILE.zip",
) -> dict[str, bytes]:
    """The files of an archive that `packed` could have written, by name.

    Args:
        data: the archive.
        where: its name, for messages.
        most_files: more are refused.
        made, by: what it should be, and the command that makes it.

    Raises:
        BundleError: it could not; the message names what is odd.
    """
    view, content, offset = memoryview(data), dict[str, bytes](), 0

    def refuse(reason: str) -> BundleError:
        return BundleError(f"{where} is not {made}: {reason}. Make it with: {by}")

    while data[offset : offset + 4] == b"PK\3\4":
        if len(content) == most_files:
            raise refuse(f"it holds more than {most_files} files")
        if len(data) - offset < _LOCAL.size:
            raise refuse(f"it ends within the header of an entry, at byte {offset:,}")
        _, _, flags, method, _, _, _, size, full, length, extra = _LOCAL.unpack_from(data, offset)
        start = offset + _LOCAL.size
        name = bytes(view[start : start + length]).decode("ascii", "replace")
        if not is_plain(name):
            raise refuse(f"it holds an entry '{name:.100}', which is not a plain file name")
        if name in content:
            raise refuse(f"it holds '{name}' twice")
        if flags or method or extra or size != full:
            odd = (
                "encrypted or of a form with flags"
                if flags
                else "compressed"
                if method or size != full
                else "followed by extra data"
            )
            raise refuse(f"'{name}' is {odd}; entries are stored as they are")
        start += length
        if start + size > len(data):
            raise refuse(f"'{name}' has {size:,} bytes by its header, but the file ends before")
        content[name] = bytes(view[start : start + size])
        offset = start + size
    if not content:
        raise refuse("it does not begin with a zip entry")
    offset = 0
    for part in packed(content):
        if view[offset : offset + len(part)] != part:
            raise refuse(f"a checksum, a date or its directory differs (byte {offset:,} and behind)")
        offset += len(part)
    if offset != len(data):
        raise refuse(f"{len(data) - offset:,} bytes lie behind its end")
    return content
