"""Protocol buffers as they lie in a file, read strictly. Knows the encoding; knows nothing of ONNX.

A parser of the protobuf library forgives: it skips unknown fields, takes the last of two values, reads a number that is written in
more bytes than it needs. Two parsers that forgive in different ways see two models in one file. This one forgives nothing: every
field is declared, a single one comes once, numbers are as short as they can be, and texts are UTF-8.

Source: "Encoding", Protocol Buffers documentation.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from limbeck.errors import ModelFileError

MOST_FIELDS = 2_000_000
"""In one file, in all its messages: what bounds the time that reading takes."""

Kind = Literal["int", "float", "text", "bytes", "floats", "doubles", "ints", "message", "refused"]
_WIRE = {"int": 0, "float": 5, "text": 2, "bytes": 2, "floats": 2, "doubles": 2, "ints": 2, "message": 2}
_UNPACKED = {"ints": 0, "floats": 5}
"""Wire types of arrays that are written number by number, as ONNX does with dims and with the attributes of a node."""
_WIRE_NAMES = {0: "a varint", 1: "8 bytes", 2: "a length", 3: "a group", 4: "the end of a group", 5: "4 bytes"}


@dataclass(frozen=True, slots=True)
class Field:
    """A field of a message.

    kind: int is a varint read as a signed 64-bit number; floats, doubles and ints are packed arrays, kept as bytes. many: it may
    be repeated, and becomes a list, of numbers where it is an array. message: what the bytes of a message hold. reason: why a refused field is refused.
    """

    name: str
    kind: Kind
    many: bool = False
    message: Message | None = None
    reason: str = ""


Message = Mapping[int, Field]


class Reader:
    """Reads the messages of one file.

    Args:
        where: the file, for messages.
    """

    def __init__(self, where: str) -> None:
        self._where = where
        self._fields = 0

    def refuse(self, reason: str) -> ModelFileError:
        """The error to raise for something in this file."""
        return ModelFileError(f"{self._where}: {reason}")

    def message(self, data: memoryview, fields: Message, place: str) -> dict[str, Any]:
        """The fields of a message by name; what is not there is not in the result.

        Args:
            data: all bytes of the message.
            fields: what it may hold.
            place: where it lies in the file, in words.

        Raises:
            ModelFileError: it is not well-formed, or holds a field that is refused or not declared.
        """
        found: dict[str, Any] = {}
        at, end = 0, len(data)
        while at < end:
            tag, at = self._varint(data, at, place)
            number, wire = tag >> 3, tag & 7
            field = fields.get(number)
            if field is None:
                raise self.refuse(f"{place} holds an unknown field {number}")
            if field.kind == "refused":
                raise self.refuse(f"{place} holds {field.name}: {field.reason}")
            self._fields += 1
            if self._fields > MOST_FIELDS:
                raise self.refuse(f"it holds more than {MOST_FIELDS:,} fields")
            unpacked = field.many and wire == _UNPACKED.get(field.kind)
            if wire != _WIRE[field.kind] and not unpacked:
                raise self.refuse(f"{place}: {field.name} is stored as {_WIRE_NAMES.get(wire, f'wire type {wire}')}")
            value: Any
            if wire == 0:
                value, at = self._varint(data, at, place)
                value = value - 2**64 if value >= 2**63 else value
            elif wire == 5:
                if end - at < 4:
                    raise self.refuse(f"{place} ends within {field.name}")
                (value,), at = struct.unpack_from("<f", data, at), at + 4
            else:
                length, at = self._varint(data, at, place)
                if length > end - at:
                    raise self.refuse(f"{place}: {field.name} has {length:,} bytes by its length, but {end - at:,} are left")
                value, at = self._value(data[at : at + length], field, place), at + length
            if field.many:
                found.setdefault(field.name, []).extend(value if field.kind in _UNPACKED and wire == 2 else [value])
            elif field.name in found:
                raise self.refuse(f"{place} holds {field.name} twice")
            else:
                found[field.name] = value
        return found

    def _value(self, data: memoryview, field: Field, place: str) -> Any:
        match field.kind:
            case "message":
                assert field.message is not None, field
                return self.message(data, field.message, f"{place}.{field.name}" if len(place) < 200 else place)
            case "text":
                try:
                    return str(data, "utf-8")
                except UnicodeDecodeError as error:
                    raise self.refuse(f"{place}: {field.name} is not UTF-8") from error
            case "floats" | "doubles":
                if len(data) % (4 if field.kind == "floats" else 8):
                    raise self.refuse(f"{place}: {field.name} ends within a number")
                if field.many:
                    return list(struct.unpack(f"<{len(data) // 4}f", data))
            case "ints":
                self._count(data, field.name, place)
                if field.many:
                    return self.integers(data, place)
        return data

    def _count(self, data: memoryview, name: str, place: str) -> None:
        """Whether packed varints end where they should and none is longer than a number can be."""
        ends = np.flatnonzero(np.frombuffer(data, np.uint8) < 0x80)
        lengths = np.diff(ends, prepend=-1)
        if len(data) and (not len(ends) or ends[-1] != len(data) - 1 or lengths.max() > 10):
            raise self.refuse(f"{place}: {name} holds a number that does not end")

    def integers(self, data: memoryview, place: str) -> list[int]:
        """Packed varints as signed 64-bit numbers."""
        found, at = [], 0
        while at < len(data):
            value, at = self._varint(data, at, place)
            found.append(value - 2**64 if value >= 2**63 else value)
        self._fields += len(found)
        if self._fields > MOST_FIELDS:
            raise self.refuse(f"it holds more than {MOST_FIELDS:,} fields")
        return found

    def _varint(self, data: memoryview, at: int, place: str) -> tuple[int, int]:
        value = shift = 0
        for position in range(at, min(at + 10, len(data))):
            byte = data[position]
            value |= (byte & 0x7F) << shift
            if byte < 0x80:
                if (byte == 0 and position > at) or value >= 2**64:
                    raise self.refuse(f"{place} holds a number in more bytes than it needs")
                return value, position + 1
            shift += 7
        raise self.refuse(
            f"{place} ends within a number" if len(data) - at < 10 else f"{place} holds a number that does not end"
        )
