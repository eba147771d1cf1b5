#!/usr/bin/env python3
"""Every mode of the video BIOS, text, planar, chained and linear: set and drawn into by the BIOS, looked at by
screendump. The expectations come from the BIOS's own description of the mode (VBE function 1) and from the palette of
16 colours that all of its modes begin with.

usage: bios_modes.py MACHINE_RUN SECTOR [-accel NAME]
"""

import struct
import sys

from screen import Screen, boot_disk, command, machine

COLOURS = [0x000000, 0x0000aa, 0x00aa00, 0x00aaaa, 0xaa0000, 0xaa00aa, 0xaa5500, 0xaaaaaa,
           0x555555, 0x5555ff, 0x55ff55, 0x55ffff, 0xff5555, 0xff55ff, 0xffff55, 0xffffff]
CGA = [0x000000, 0x55ffff, 0xff55ff, 0xffffff]

# Mode of function 0: columns and rows of text, picture.
TEXT = {0x00: (40, 25, 720, 400), 0x01: (40, 25, 720, 400), 0x02: (80, 25, 720, 400), 0x03: (80, 25, 720, 400),
        0x07: (80, 25, 720, 400)}
# Pixels, dots a pixel, and the colours that it has.
GRAPHICS = {0x04: (320, 200, 2, 2, CGA), 0x05: (320, 200, 2, 2, None), 0x06: (640, 200, 1, 2, [0, 0xffffff]),
            0x0d: (320, 200, 2, 2, COLOURS), 0x0e: (640, 200, 1, 2, COLOURS), 0x0f: (640, 350, 1, 1, None),
            0x10: (640, 350, 1, 1, COLOURS), 0x11: (640, 480, 1, 1, [0, 0xffffff]),
            0x12: (640, 480, 1, 1, COLOURS), 0x13: (320, 200, 2, 2, COLOURS)}


def check_text(screen, bios, mode):
    columns, rows, width, height = TEXT[mode]
    bios.set_mode(mode)
    bios.cursor_off()
    # A full block in each corner: code DBh covers the whole cell, also the ninth dot.
    marks = [(0, 0, 0x0f), (0, columns - 1, 0x07), (rows - 1, 0, 0x70), (rows - 1, columns - 1, 0x0f)]
    for row, column, attribute in marks:
        bios.text(row, column, "\xdb", attribute)
    picture = screen.dump()
    assert (picture.width, picture.height) == (width, height), (hex(mode), picture.width, picture.height)
    cell_x, cell_y = width // columns, height // rows
    lit = {(row, column) for row, column, attribute in marks if attribute != 0x70}
    for row in range(rows):
        for column in range(columns):
            inks = {picture.at(column * cell_x + dx, row * cell_y + dy) for dx in (0, cell_x // 2, cell_x - 1)
                    for dy in (0, cell_y // 2, cell_y - 1)}
            assert len(inks) == 1, (hex(mode), row, column, inks)
            assert (inks != {0}) == ((row, column) in lit), (hex(mode), row, column, inks)
    if mode != 0x07:
        assert picture.at(0, 0) == 0xffffff and picture.at(width - 1, 0) == 0xaaaaaa, hex(mode)


def check_fifty_rows(screen, bios):
    bios.set_mode(0x03)
    bios.call(0x1112)  # the font of eight lines
    bios.cursor_off()
    bios.text(49, 79, "\xdb", 0x0e)
    picture = screen.dump()
    assert (picture.width, picture.height) == (720, 400)
    assert picture.at(719, 399) == 0xffff55 and picture.at(711, 392) == 0xffff55
    assert picture.at(710, 399) == 0 and picture.at(719, 391) == 0


def check_graphics(screen, bios, mode):
    width, height, wide, high, colours = GRAPHICS[mode]
    bios.set_mode(mode)
    count = len(colours) if colours else 2
    marks = {}
    for i, (x, y) in enumerate([(0, 0), (width - 1, 0), (0, height - 1), (width - 1, height - 1), (width // 2 + 1, 101),
                                (9, height // 2)]):
        colour = max(1, (15 - i) % count)
        bios.pixel(x, y, colour)
        marks[(x, y)] = colours[colour] if colours else None
    picture = screen.dump()
    assert (picture.width, picture.height) == (width * wide, height * high), (hex(mode), picture.width, picture.height)
    lit = 0
    for (x, y), colour in marks.items():
        for dx in range(wide):
            for dy in range(high):
                is_colour = picture.at(x * wide + dx, y * high + dy)
                assert is_colour == colour or (colour is None and is_colour), (hex(mode), x, y, hex(is_colour))
                lit += 1
    black = sum(picture.rgb[i:i + 3] == b"\0\0\0" for i in range(0, len(picture.rgb), 3))
    assert black == picture.width * picture.height - lit, (hex(mode), black, lit)


def vbe_modes(bios):
    """Number, width, height, depth and bytes a line of each graphics mode of VBE, from its functions 0 and 1."""
    bios.call(0x4f00)
    info = bios.buffer()
    assert info[:4] == b"VESA", info[:4]
    listed = struct.unpack("<H", info[14:16])[0] - 0x8000
    assert 0 < listed < 512, listed
    for (mode,) in struct.iter_unpack("<H", info[listed:]):
        if mode == 0xffff:
            return
        assert bios.call(0x4f01, 0, mode)[0] == 0x004f, hex(mode)
        block = bios.buffer()
        attributes, = struct.unpack("<H", block[:2])
        width, height = struct.unpack("<HH", block[18:22])
        if mode >= 0x100 and attributes & 0x11 == 0x11:  # there, and graphics
            yield mode, width, height, block[25], struct.unpack("<H", block[16:18])[0]


def far_pixel(bios, x, y, colour, depth, pitch):
    """In planar and packed modes the BIOS draws in the first 64 KiB of its window only: the window is moved there."""
    if depth > 8:
        return bios.pixel(x, y, colour)
    a_byte = 8 if depth == 4 else 1  # pixels
    bank, offset = divmod(y * pitch + x // a_byte, 0x10000)
    assert bios.call(0x4f05, 0, 0, bank)[0] == 0x004f, bank
    bios.pixel(offset % pitch * a_byte + x % a_byte, offset // pitch, colour)
    return bios.call(0x4f05, 0, 0, 0)


def check_vbe(screen, bios, mode, width, height, depth, pitch):
    bios.set_mode(mode | (0x4000 if depth > 8 else 0))  # the window is moved in modes of windows only
    marks = {(0, 0): 15, (width - 1, 0): 12, (0, height - 1): 10, (width - 1, height - 1): 14}
    for (x, y), colour in marks.items():
        far_pixel(bios, x, y, colour, depth, pitch)
    picture = screen.dump()
    assert (picture.width, picture.height) == (width, height), (hex(mode), picture.width, picture.height)
    mask = {15: 0xf8f8f8, 16: 0xf8fcf8}.get(depth, 0xffffff)  # what the depth keeps of a colour
    for (x, y), colour in marks.items():
        assert picture.at(x, y) & mask == COLOURS[colour] & mask, (hex(mode), depth, x, y, hex(picture.at(x, y)))
    black = picture.rgb.count(0)
    lit = sum(bool(c) for (x, y) in marks for c in picture.at(x, y).to_bytes(3, "big"))
    assert black == len(picture.rgb) - lit, (hex(mode), black, lit)


def main():
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    program, sector, more = sys.argv[1], sys.argv[2], sys.argv[3:]
    with machine(program, *command("{dir}/disk", "-S", *more), prepare=lambda d: boot_disk(sector, f"{d}/disk")) as process:
        screen = Screen(process)
        bios = screen.boot()
        for mode in TEXT:
            check_text(screen, bios, mode)
        check_fifty_rows(screen, bios)
        for mode in GRAPHICS:
            check_graphics(screen, bios, mode)
        depths = {}
        for mode, width, height, depth, pitch in list(vbe_modes(bios)):
            check_vbe(screen, bios, mode, width, height, depth, pitch)
            depths[depth] = depths.get(depth, 0) + 1
        assert {4, 8, 15, 16, 24, 32} <= set(depths), depths
        # Both forms of a dump are the same picture.
        assert screen.dump("png") == screen.dump(), "PNG and PPM differ"
        print(f"{len(TEXT) + 1} text modes, {len(GRAPHICS)} graphics modes, VBE modes by depth: {sorted(depths.items())}")
        screen.qmp.run("quit")
        assert process.wait(timeout=20) == 0


if __name__ == "__main__":
    main()
