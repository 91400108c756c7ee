"""The files that the Toolbox brings with it (`--prebuilt`), read out of its program.

Go keeps embedded files as a table of name, content and hash; names and contents are addresses and lengths. Nobody's copy of
the files is needed, and they are those of the program that answers beside us.
"""

import re
import struct


def read(program):
    """The contents of `tools/*.yaml` by their names."""
    data = open(program, "rb").read()
    table, = struct.unpack_from("<Q", data, 32)
    size, count = struct.unpack_from("<HH", data, 54)
    segments = []
    for index in range(count):
        kind, _, offset, address, _, length, _, _ = struct.unpack_from("<IIQQQQQQ", data, table + index * size)
        if kind == 1:
            segments.append((offset, address, length))

    def address_of(offset):
        return next((a + offset - o for o, a, n in segments if o <= offset < o + n), None)

    def offset_of(address):
        return next((o + address - a for o, a, n in segments if a <= address < a + n), None)

    files = {}
    for match in re.finditer(rb"tools/[a-z0-9-]+\.yaml", data):
        name = match.group()
        address = address_of(match.start())
        entry = data.find(struct.pack("<QQ", address, len(name))) if address else -1
        if entry < 0:
            continue
        start, length = struct.unpack_from("<QQ", data, entry + 16)
        start = offset_of(start)
        if start and 0 < length < 1 << 20:
            files[name.decode().removeprefix("tools/")] = data[start : start + length].decode()
    return files
