"""A machine whose screen is looked at: through the video BIOS on one side, screendump and VNC on the other. Standard
library only."""

import os
import socket
import struct
import sys
import time
import zlib

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "monitor"))

from machine import LIMIT, Qmp, connect, machine  # noqa: E402,F401


class Picture:
    """Pixels as bytes, three each."""

    def __init__(self, width, height, rgb):
        assert len(rgb) == width * height * 3, (width, height, len(rgb))
        self.width, self.height, self.rgb = width, height, rgb

    def at(self, x, y):
        start = (y * self.width + x) * 3
        return int.from_bytes(self.rgb[start:start + 3], "big")

    def __eq__(self, other):
        return (self.width, self.height, self.rgb) == (other.width, other.height, other.rgb)

    def differences(self, other):
        """What to say of two that should be equal."""
        if (self.width, self.height) != (other.width, other.height):
            return f"{self.width}x{self.height} and {other.width}x{other.height}"
        wrong = [i // 3 for i in range(0, len(self.rgb), 3) if self.rgb[i:i + 3] != other.rgb[i:i + 3]]
        if not wrong:
            return "none"
        x, y = wrong[0] % self.width, wrong[0] // self.width
        return f"{len(wrong)} pixels, first at {x},{y}: {self.at(x, y):06x} and {other.at(x, y):06x}"


def read_ppm(path):
    data = open(path, "rb").read()
    magic, width, height, depth, rgb = data.split(maxsplit=4) if data[-1:] else (None,) * 5
    # The pixels begin after one white space; a split would take more if they look like it.
    head = len(magic) + len(width) + len(height) + len(depth) + 4
    assert magic == b"P6" and depth == b"255", data[:20]
    del rgb
    return Picture(int(width), int(height), data[head:])


def read_png(path):
    """Eight bits a sample, true colour. Alpha is left out: gtk-vnc leaves it 0 where it fills a tile with one colour."""
    data = open(path, "rb").read()
    assert data[:8] == b"\x89PNG\r\n\x1a\n", data[:8]
    at, packed = 8, b""
    while at < len(data):
        size, kind = struct.unpack(">I4s", data[at:at + 8])
        body = data[at + 8:at + 8 + size]
        assert zlib.crc32(kind + body) == struct.unpack(">I", data[at + 8 + size:at + 12 + size])[0], kind
        if kind == b"IHDR":
            width, height, bits, colour, _, _, interlace = struct.unpack(">IIBBBBB", body)
            assert bits == 8 and colour in (2, 6) and interlace == 0, body
            step = 3 if colour == 2 else 4
        elif kind == b"IDAT":
            packed += body
        at += 12 + size
    raw, rows, before = zlib.decompress(packed), [], bytes(width * step)
    for y in range(height):
        start = y * (width * step + 1)
        line = unfilter(raw[start], bytearray(raw[start + 1:start + 1 + width * step]), before, step)
        rows.append(line if step == 3 else b"".join(line[i:i + 3] for i in range(0, len(line), 4)))
        before = line
    return Picture(width, height, b"".join(bytes(r) for r in rows))


def write_png(picture, path):
    def chunk(kind, body):
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    step = picture.width * 3
    lines = b"".join(b"\0" + picture.rgb[y * step:(y + 1) * step] for y in range(picture.height))
    with open(path, "wb") as file:
        file.write(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", picture.width, picture.height, 8, 2, 0, 0, 0)) +
                   chunk(b"IDAT", zlib.compress(lines)) + chunk(b"IEND", b""))


def unfilter(kind, line, above, step):
    """PNG specification, section 9."""
    if kind == 2:
        return bytearray((a + b) & 255 for a, b in zip(line, above))
    for i, value in enumerate(line):
        left = line[i - step] if i >= step else 0
        corner = above[i - step] if i >= step else 0
        if kind == 1:
            line[i] = (value + left) & 255
        elif kind == 3:
            line[i] = (value + (left + above[i]) // 2) & 255
        elif kind == 4:
            guess = left + above[i] - corner
            near = min((left, above[i], corner), key=lambda c: abs(guess - c))
            line[i] = (value + near) & 255
    return line


class Font:
    """What the characters of 80x25 text look like, for reading a picture."""

    WIDTH, HEIGHT = 9, 16

    def __init__(self):
        self.characters = {}

    def cell(self, picture, column, row):
        """Which of its dots are not black."""
        start, size = column * self.WIDTH * 3, self.WIDTH * 3
        lines = []
        for y in range(row * self.HEIGHT, (row + 1) * self.HEIGHT):
            at = y * picture.width * 3 + start
            line = picture.rgb[at:at + size]
            lines.append(tuple(any(line[i:i + 3]) for i in range(0, size, 3)))
        return tuple(lines)

    def learn(self, picture, column, row, character):
        self.characters.setdefault(self.cell(picture, column, row), character)

    def read(self, picture):
        """Lines of text; '?' for what is none of its characters, such as one under the cursor."""
        if (picture.width, picture.height) != (80 * self.WIDTH, 25 * self.HEIGHT):
            return ""
        return "\n".join("".join(self.characters.get(self.cell(picture, column, row), "?") for column in range(80))
                         .rstrip() for row in range(25))


class VideoBios:
    """Calls int 10h in the guest, by the boot sector tests/guest/kernels/video_bios.S."""

    def __init__(self, path):
        self.line = connect(path)
        self.line.settimeout(LIMIT)

    def wait(self):
        while self.receive(1) != b"!":  # the firmware says things too
            pass

    def receive(self, count):
        data = b""
        while len(data) < count:
            some = self.line.recv(count - len(data))
            assert some, "the serial line ended"
            data += some
        return data

    def call(self, ax, bx=0, cx=0, dx=0):
        self.line.sendall(b"R" + struct.pack("<4H", ax, bx, cx, dx))
        return struct.unpack("<4H", self.receive(8))

    def buffer(self):
        self.line.sendall(b"D")
        return self.receive(512)

    def set_mode(self, mode):
        """A number of int 10h, function 0, or of VBE from 100h on. Without the memory being cleared by hand."""
        if mode < 0x100:
            self.call(mode)
        else:
            assert self.call(0x4f02, mode)[0] == 0x004f, f"{mode:#x} is refused"

    def text(self, row, column, text, attribute):
        for i, c in enumerate(text):
            self.call(0x0200, 0, 0, row << 8 | column + i)
            self.call(0x0900 | ord(c), attribute, 1)

    def pixel(self, x, y, colour):
        self.call(0x0c00 | colour, 0, x, y)

    def cursor_off(self):
        self.call(0x0100, 0, 0x2000)


class Screen:
    """The machine of a `with machine(...)`, its QMP socket at {dir}/qmp."""

    def __init__(self, process):
        self.folder = process.folder
        self.qmp = Qmp(f"{process.folder}/qmp")
        self.qmp.run("qmp_capabilities")

    def dump(self, kind="ppm"):
        path = f"{self.folder}/screen.{kind}"
        self.qmp.run("screendump", filename=path, format=kind)
        return read_ppm(path) if kind == "ppm" else read_png(path)

    def boot(self):
        """Starts a machine with the boot sector, which -S has kept waiting."""
        bios = VideoBios(f"{self.folder}/serial")
        self.qmp.run("cont")
        bios.wait()
        return bios

    def wait_text(self, wanted, font, limit=LIMIT):
        end = time.monotonic() + limit
        while wanted not in (text := font.read(self.dump())):
            assert time.monotonic() < end, f"no {wanted!r} on the screen:\n{text}"
            time.sleep(0.2)


def boot_disk(sector, path):
    """A disk of 1 MiB that starts with the boot sector."""
    data = open(sector, "rb").read()
    assert len(data) == 512 and data[510:] == b"\x55\xaa", len(data)
    with open(path, "wb") as disk:
        disk.write(data.ljust(1 << 20, b"\0"))


def command(disk, *more):
    """Arguments of a machine with VGA, its serial line at {dir}/serial and QMP at {dir}/qmp."""
    return ["-M", "pc", "-m", "64M", "-display", "none", "-nic", "none", "-serial", "unix:{dir}/serial,server=on,wait=off",
            "-qmp", "unix:{dir}/qmp,server=on,wait=off", "-drive", f"file={disk},format=raw,snapshot=on", *more]


class Rfb:
    """As much of a VNC client as types: RFC 6143, versions 3.8, no security."""

    def __init__(self, host, port):
        self.socket = socket.create_connection((host, port), timeout=LIMIT)
        assert self.receive(12) == b"RFB 003.008\n"
        self.socket.sendall(b"RFB 003.008\n")
        kinds = self.receive(self.receive(1)[0])
        assert 1 in kinds, kinds
        self.socket.sendall(b"\x01")
        assert self.receive(4) == bytes(4)
        self.socket.sendall(b"\x01")  # shared
        head = self.receive(24)
        self.width, self.height = struct.unpack(">HH", head[:4])
        self.name = self.receive(struct.unpack(">I", head[20:])[0]).decode()

    def receive(self, count):
        data = b""
        while len(data) < count:
            some = self.socket.recv(count - len(data))
            assert some, "the server hung up"
            data += some
        return data

    def key(self, keysym, down):
        self.socket.sendall(struct.pack(">BBxxI", 4, down, keysym))

    def type(self, text):
        for c in text:
            keysym = 0xff0d if c == "\n" else ord(c)
            self.key(keysym, 1)
            self.key(keysym, 0)
