#!/usr/bin/env python3
"""VNC as others see it: gvnccapture (of gtk-vnc) saves the screen, which must be what screendump has, pixel by pixel, in
a text, a chained and a linear mode; and what is typed at a VNC client reaches GRUB's prompt.

usage: vnc_session.py MACHINE_RUN SECTOR MAKE_GRUB_DISK [-accel NAME]

Exit status 77 without gvnccapture.
"""

import os
import shutil
import subprocess
import sys
import tempfile
import time

from screen import LIMIT, Font, Rfb, Screen, boot_disk, command, machine, read_png, write_png

VNC = ["-vnc", "127.0.0.1:50,to=400"]


def where(screen):
    """Host and port."""
    vnc = screen.qmp.run("query-vnc")
    assert vnc["enabled"] and vnc["family"] == "ipv4" and vnc["auth"] == "none", vnc
    return vnc["host"], int(vnc["service"])


def wait_for_clients(screen, count):
    end = time.monotonic() + LIMIT
    while len(clients := screen.qmp.run("query-vnc")["clients"]) != count:
        assert time.monotonic() < end, clients
        time.sleep(0.02)


def capture(screen, name):
    """The picture that gvnccapture saves."""
    host, port = where(screen)
    path = f"{screen.folder}/{name}.png"
    subprocess.run(["gvnccapture", "-q", f"{host}:{port - 5900}", path], check=True, timeout=LIMIT,
                   stdout=subprocess.DEVNULL)
    picture = read_png(path)
    if keep := os.environ.get("KEEP_PICTURES"):
        write_png(picture, f"{keep}/{name}.png")
    return picture


def learn_font(screen, bios):
    font = Font()
    for first in range(0x20, 0x7f, 80):
        some = [chr(c) for c in range(first, min(first + 80, 0x7f))]
        bios.text(0, 0, some, 0x07)
        picture = screen.dump()
        for column, character in enumerate(some):
            font.learn(picture, column, 0, character)
    bios.text(0, 0, " " * 80, 0x07)
    assert len(font.characters) == 0x7f - 0x20, len(font.characters)
    return font


def pictures(program, sector, more):
    arguments = command("{dir}/disk", "-S", *VNC, *more)
    with machine(program, *arguments, prepare=lambda d: boot_disk(sector, f"{d}/disk")) as process:
        screen = Screen(process)
        bios = screen.boot()
        bios.set_mode(0x03)
        bios.cursor_off()
        font = learn_font(screen, bios)
        for row in range(16):
            for column in range(16):
                bios.text(row + 4, column * 4 + 8, chr(row * 16 + column), row << 4 & 0x70 | column)
        seen = {"text": (capture(screen, "text"), screen.dump())}
        bios.set_mode(0x13)
        for i in range(256):
            bios.pixel(i % 16 * 20, i // 16 * 12, i)
        seen["mode-13h"] = (capture(screen, "mode-13h"), screen.dump())
        for mode, name in ((0x103, "800x600x8"), (0x144, "1024x768x32")):
            bios.set_mode(0x4000 | mode)
            for i in range(64):
                bios.pixel(i * 12, i * 9, i % 15 + 1)
            bios.text(10, 10, "Machina", 0x0e)
            seen[name] = (capture(screen, name), screen.dump())
        for name, (vnc, dump) in seen.items():
            assert vnc == dump, f"{name}: VNC and screendump differ: {vnc.differences(dump)}"
            assert len(set(dump.rgb)) > 1, f"{name}: there is nothing on it"
            print(f"{name}: {vnc.width}x{vnc.height}, the same by VNC and by screendump")
        wait_for_clients(screen, 0)
        events = [e["event"] for e in screen.qmp.events if e["event"].startswith("VNC_")]
        assert events == ["VNC_CONNECTED", "VNC_INITIALIZED", "VNC_DISCONNECTED"] * len(seen), events
        screen.qmp.run("quit")
        assert process.wait(timeout=20) == 0
        return font


def keyboard(program, make_disk, font, more):
    with tempfile.TemporaryDirectory(prefix="machina-") as folder:
        disk = f"{folder}/grub.img"
        subprocess.run([make_disk, disk], check=True, stdout=subprocess.DEVNULL)
        with machine(program, *command(disk, *VNC, *more)) as process:
            screen = Screen(process)
            screen.wait_text("grub>", font, 150)
            client = Rfb(*where(screen))
            assert (client.width, client.height) == (720, 400), (client.width, client.height)
            client.type("echo Typed by VNC: A-z_09\n")
            screen.wait_text("\nTyped by VNC: A-z_09\n", font)
            client.type("ls\n")
            screen.wait_text("(hd0)", font)
            wait_for_clients(screen, 1)
            if os.environ.get("KEEP_PICTURES"):
                capture(screen, "grub")
            screen.qmp.run("quit")
            assert process.wait(timeout=20) == 0
    print("GRUB has got what was typed")


def main():
    if len(sys.argv) < 4:
        sys.exit(__doc__)
    if not shutil.which("gvnccapture"):
        print("there is no gvnccapture: Debian's package gvncviewer")
        sys.exit(77)
    program, sector, make_disk, more = sys.argv[1], sys.argv[2], sys.argv[3], sys.argv[4:]
    font = pictures(program, sector, more)
    keyboard(program, make_disk, font, more)


if __name__ == "__main__":
    main()
