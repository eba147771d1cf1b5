"""The firmware tables of a machine-run, as a reader of its own gets them: through fw_cfg and qtest, or out of memory.

Nothing here shares code with the program: the list of "etc/table-loader" is carried out as SeaBIOS does it.
"""

import os
import struct
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "monitor"))

from machine import Qtest, machine  # noqa: E402

DESCRIPTOR = 0x100000  # where a descriptor of fw_cfg's DMA is written
BUFFER = 0x200000


class Guest(Qtest):
    """What a guest of the machine can do, over qtest."""

    def out(self, size, port, value):
        assert self.command(f"out{'?bw?l'[size]} {port:#x} {value:#x}") == "OK"

    def read(self, address, size):
        data = b""
        while len(data) < size:
            answer = self.command(f"read {address + len(data):#x} {min(size - len(data), 32768):#x}")
            assert answer.startswith("OK 0x"), answer
            data += bytes.fromhex(answer[5:])
        return data

    def write(self, address, data):
        assert self.command(f"write {address:#x} {len(data):#x} 0x{data.hex()}") == "OK"

    def config_write(self, slot, function, register, size, value):
        self.out(4, 0xCF8, 0x80000000 | slot << 11 | function << 8 | register & ~3)
        self.out(size, 0xCFC + (register & 3), value)

    # --- fw_cfg, by DMA ---
    def item(self, key, size):
        select_and_read = key << 16 | 8 | 2
        self.write(DESCRIPTOR, struct.pack(">IIQ", select_and_read, size, BUFFER))
        self.out(4, 0x518, int.from_bytes(DESCRIPTOR.to_bytes(4, "little"), "big"))
        (control,) = struct.unpack(">I", self.read(DESCRIPTOR, 4))
        if control:
            raise RuntimeError(f"fw_cfg: no item {key:#x}")
        return self.read(BUFFER, size)

    def write_item(self, key, data):
        select_and_write = key << 16 | 8 | 16
        self.write(BUFFER, data)
        self.write(DESCRIPTOR, struct.pack(">IIQ", select_and_write, len(data), BUFFER))
        self.out(4, 0x518, int.from_bytes(DESCRIPTOR.to_bytes(4, "little"), "big"))
        assert self.read(DESCRIPTOR, 4) == bytes(4), f"fw_cfg: item {key:#x} cannot be written"

    def files(self):
        (count,) = struct.unpack(">I", self.item(0x19, 4))
        directory = self.item(0x19, 4 + 64 * count)[4:]
        found = {}
        for i in range(count):
            size, key, _, name = struct.unpack(">IHH56s", directory[64 * i:64 * i + 64])
            found[name.rstrip(b"\0").decode()] = (key, size)
        return found

    def content(self, name):
        key, size = self.files()[name]
        return self.item(key, size)


def start(program, *arguments):
    """machine-run under qtest: a context, whose value guest_of() takes."""
    return machine(program, *arguments, "-display", "none", "-qtest", "unix:{dir}/qtest,server=on,wait=off")


def guest_of(process):
    return Guest(f"{process.folder}/qtest")


def link(guest, script="etc/table-loader"):
    """Carries the script out; returns the files by name, and where each "is"."""
    entries = guest.content(script)
    where, content, at = {}, {}, 0x7000000
    for offset in range(0, len(entries), 128):
        entry = entries[offset:offset + 128]
        (command,) = struct.unpack_from("<I", entry)
        name = entry[4:60].rstrip(b"\0").decode()
        if command == 1:
            alignment, zone = struct.unpack_from("<IB", entry, 60)
            assert alignment & (alignment - 1) == 0 and zone in (1, 2)
            content[name] = bytearray(guest.content(name))
            at = (at + alignment - 1) // alignment * alignment
            where[name] = at
            at += len(content[name])
        elif command == 2:
            target = entry[60:116].rstrip(b"\0").decode()
            start, size = struct.unpack_from("<IB", entry, 116)
            value = int.from_bytes(content[name][start:start + size], "little")
            assert value < len(content[target]), f"{name} points beyond {target}"
            content[name][start:start + size] = (value + where[target]).to_bytes(size, "little")
        elif command == 3:
            result, start, length = struct.unpack_from("<III", entry, 60)
            part = content[name][start:start + length]
            assert content[name][result] == 0 and len(part) == length
            content[name][result] = -sum(part) & 0xFF
        elif command == 4:
            target = entry[60:116].rstrip(b"\0").decode()
            start, offset, size = struct.unpack_from("<IIB", entry, 116)
            assert start == 0 and offset < len(content[target])
            guest.write_item(guest.files()[name][0], (where[target] + offset).to_bytes(size, "little"))
        else:
            assert command == 0, f"command {command} of the loader"
    return content, where


class Memory:
    """Linked files at their addresses."""

    def __init__(self, content, where):
        self.content, self.where = content, where

    def read(self, address, size):
        for name, start in self.where.items():
            if start <= address and address + size <= start + len(self.content[name]):
                return bytes(self.content[name][address - start:address - start + size])
        raise AssertionError(f"{address:#x} is in no table")


def acpi_tables(memory, rsdp):
    """All tables that the root pointer leads to, by signature: a list each. Checks sums, lengths and both roots."""
    pointer = memory.read(rsdp, 36)
    assert pointer[:8] == b"RSD PTR " and pointer[15] == 2
    assert sum(pointer[:20]) & 0xFF == 0 and sum(pointer) & 0xFF == 0
    rsdt, _, xsdt = struct.unpack_from("<IIQ", pointer, 16)

    def table(address):
        (length,) = struct.unpack("<I", memory.read(address + 4, 4))
        data = memory.read(address, length)
        if data[:4] != b"FACS":
            assert sum(data) & 0xFF == 0, f"checksum of {data[:4]}"
        return data

    root, extended = table(rsdt), table(xsdt)
    assert root[:4] == b"RSDT" and extended[:4] == b"XSDT"
    addresses = struct.unpack(f"<{(len(root) - 36) // 4}I", root[36:])
    assert addresses == struct.unpack(f"<{(len(extended) - 36) // 8}Q", extended[36:])
    found = {"RSDT": [root], "XSDT": [extended]}
    for address in addresses:
        data = table(address)
        found.setdefault(data[:4].decode(), []).append(data)
    fadt = found["FACP"][0]
    facs, dsdt = struct.unpack_from("<II", fadt, 36)
    assert facs % 64 == 0
    assert struct.unpack_from("<Q", fadt, 140)[0] == dsdt
    found["FACS"], found["DSDT"] = [table(facs)], [table(dsdt)]
    return found
