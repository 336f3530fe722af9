"""Parameters of the binary protocol: (type, value) pairs to bytes, every type that drivers use."""

import struct

from wire import lenenc_string

# The name of a type to its code; "u" in front of a name makes it unsigned.
CODES = {
    "tiny": 1, "short": 2, "long": 3, "float": 4, "double": 5, "null": 6, "timestamp": 7, "longlong": 8,
    "date": 10, "time": 11, "datetime": 12, "year": 13, "varchar": 15, "bit": 16, "json": 245, "newdecimal": 246,
    "enum": 247, "set": 248, "blob": 252, "var_string": 253, "string": 254, "geometry": 255,
}  # fmt: skip
WIDTHS = {"tiny": 1, "short": 2, "year": 2, "long": 4, "longlong": 8}


def type_bytes(kind):
    unsigned = kind.startswith("u")
    return bytes([CODES[kind[1:] if unsigned else kind], 0x80 if unsigned else 0])


def _datetime(value):
    """(year, month, day[, hour, minute, second[, microsecond]]), or () for all zero."""
    data = b""
    if value:
        data = struct.pack("<HBB", *value[:3])
    if len(value) > 3:
        data += struct.pack("<BBB", *value[3:6])
    if len(value) > 6:
        data += struct.pack("<I", value[6])
    return bytes([len(data)]) + data


def _time(value):
    """(negative, days, hours, minutes, seconds[, microsecond]), or () for zero."""
    data = struct.pack("<BIBBB", *value[:5]) if value else b""
    if len(value) > 5:
        data += struct.pack("<I", value[5])
    return bytes([len(data)]) + data


def value_bytes(kind, value):
    kind = kind.removeprefix("u")
    if kind in WIDTHS:
        return (value & (1 << 8 * WIDTHS[kind]) - 1).to_bytes(WIDTHS[kind], "little")
    if kind == "float":
        return struct.pack("<f", value)
    if kind == "double":
        return struct.pack("<d", value)
    if kind in ("date", "datetime", "timestamp"):
        return _datetime(value)
    if kind == "time":
        return _time(value)
    return lenenc_string(value if isinstance(value, bytes) else str(value).encode())


def block(parameters, bind, sent_long, names=None):
    """NULL bitmap, the flag that says whether types follow, types, values.

    sent_long: indexes that went ahead with COM_STMT_SEND_LONG_DATA.
    names: with query attributes, each type carries a name.
    """
    bitmap = bytearray((len(parameters) + 7) // 8)
    types = values = b""
    for index, (kind, value) in enumerate(parameters):
        types += type_bytes(kind) + (lenenc_string(names[index]) if names is not None else b"")
        if value is None:
            bitmap[index // 8] |= 1 << index % 8
        elif index not in sent_long:
            values += value_bytes(kind, value)
    return bytes(bitmap) + (b"\x01" + types if bind else b"\x00") + values
