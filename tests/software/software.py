#!/usr/bin/env python3
"""Runs a program of Debian's that was made for a PC, and watches how far it comes on its screen and serial line.

usage: software.py MACHINE_RUN GUESTS NAME

Exit status 0: it came to where it comes on a PC. Else what was seen last.
"""

import http.server
import os
import re
import select
import socket
import subprocess
import sys
import tempfile
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "display"))

from screen import read_png  # noqa: E402

LIMIT = 120  # seconds for each thing that is waited for; a busy host may need many


class Machine:
    def __init__(self, machine_run, folder, *arguments):
        self.qtest, self.monitor, self.shot = f"{folder}/qtest", f"{folder}/monitor", f"{folder}/screen.png"
        command = [machine_run, "-M", "pc", "-accel", "jit", "-display", "none", "-serial", "stdio", *arguments]
        command += ["-qtest", f"unix:{self.qtest},server=on,wait=off"]
        command += ["-monitor", f"unix:{self.monitor},server=on,wait=off"]
        print(" ".join(command), flush=True)
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        stderr=subprocess.STDOUT)
        self.raw, self.probe = b"", None

    def serial(self):
        return re.sub(r"\x1b\[[0-9;?=]*[A-Za-z]", "", self.raw.decode(errors="replace")).replace("\r", "")

    def screen(self):
        """The rows of the text screen; None before there is one, and after the machine."""
        try:
            if not self.probe:
                peer = socket.socket(socket.AF_UNIX)
                peer.settimeout(LIMIT)
                peer.connect(self.qtest)
                self.probe = peer.makefile("rw")
            self.probe.write(f"read 0xb8000 {80 * 25 * 2}\n")
            self.probe.flush()
            cells = bytes.fromhex(self.probe.readline().split("0x")[1])[::2]
        except (OSError, IndexError):
            return None
        return [cells[row * 80:row * 80 + 80].decode("cp437").replace("\0", " ").rstrip() for row in range(25)]

    def read_serial(self, seconds):
        while select.select([self.process.stdout], [], [], seconds)[0]:
            data = os.read(self.process.stdout.fileno(), 65536)
            if not data:
                return False
            self.raw += data
            seconds = 0
        return True

    def wait_serial(self, pattern):
        end = time.monotonic() + LIMIT
        running = True
        while not re.search(pattern, self.serial()):
            if not running or time.monotonic() > end:
                self.give_up(f"the serial line did not say '{pattern}'")
            running = self.read_serial(1)
        print(f"serial: {re.search(pattern, self.serial()).group(0)}", flush=True)

    def wait_screen(self, pattern, rows=1):
        """Until so many rows of the screen match; they are the answer."""
        end = time.monotonic() + LIMIT
        while True:
            found = [row for row in self.screen() or [] if re.search(pattern, row)]
            if len(found) >= rows:
                print(f"screen: {found[0].strip()}", flush=True)
                return found
            if time.monotonic() > end or not self.read_serial(0.3):
                self.give_up(f"the screen did not show '{pattern}' in {rows} rows")

    def type(self, text):
        self.process.stdin.write(text.encode())
        self.process.stdin.flush()

    def press(self, key):
        with socket.socket(socket.AF_UNIX) as peer:
            peer.connect(self.monitor)
            peer.sendall(f"sendkey {key}\n".encode())
            time.sleep(0.3)

    def picture(self):
        with socket.socket(socket.AF_UNIX) as peer:
            peer.connect(self.monitor)
            peer.sendall(f"screendump {self.shot} -f png\n".encode())
            end = time.monotonic() + LIMIT
            while not os.path.exists(self.shot):  # it is there at once, or not yet
                if time.monotonic() > end:
                    self.give_up("no picture was taken")
                time.sleep(0.1)
        return read_png(self.shot)

    def wait_end(self):
        end = time.monotonic() + LIMIT
        while self.read_serial(1):
            if time.monotonic() > end:
                self.give_up("the machine did not end")
        if self.process.wait() != 0:
            self.give_up(f"machine-run ended with status {self.process.returncode}")

    def give_up(self, why):
        screen = self.screen()
        print("--- serial line\n" + self.serial()[-4000:])
        if screen:
            print("--- screen\n" + "\n".join(screen))
        self.process.kill()
        sys.exit(f"FAULT: {why}")


class Script(http.server.BaseHTTPRequestHandler):
    """What iPXE is given to run."""

    def do_GET(self):
        body = b"#!ipxe\necho I am ${net0/ip} and this came by ${net0/dhcp-server} over HTTP\nsleep 100\n"
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


def gnumach(start, guests, _):
    """A multiboot kernel: it finds its memory, sets its clock, and misses the server that nobody gave it."""
    m = start("-m", "512", "-nic", "none", "-kernel", f"{guests}/gnumach")
    m.wait_screen(r"^GNU Mach 1\.\d")
    m.wait_screen(time.strftime(r"^RTC time is %Y-%m-", time.gmtime()))
    m.wait_screen("bootstrap_create: No bootstrap code loaded with")


def invaders(start, guests, _):
    """A multiboot game that draws, times and reads the keyboard by itself."""
    m = start("-m", "64", "-nic", "none", "-kernel", f"{guests}/invaders")
    m.wait_screen(r"-\*-.*-\*-.*-\*-", rows=5)
    ship = r"^ +/ *\\ *$"
    before = m.wait_screen(ship)[0].index("/")
    end = time.monotonic() + LIMIT
    while m.wait_screen(ship)[0].index("/") >= before:
        if time.monotonic() > end:
            m.give_up("the ship does not move to the left")
        m.press("left")


def xen(start, guests, _):
    """A hypervisor with Linux as its first domain."""
    linux = f"{guests}/cloud.vmlinuz console=hvc0 earlyprintk=xen loglevel=7,{guests}/cloud.test.cpio.gz"
    m = start("-m", "1024", "-cpu", "max", "-nic", "none", "-no-reboot", "-kernel", f"{guests}/xen", "-initrd", linux,
              "-append", "com1=115200,8n1 console=com1 dom0_mem=512M noreboot")
    m.wait_serial(r"\(XEN\) Xen version \S+")
    m.wait_serial("Booting (paravirtualized )?kernel on Xen")
    m.wait_serial("Run /init as init process")
    m.wait_serial("Hardware Dom0 (halted|shutdown)")


def ipxe(start, guests, _):
    """As a Linux kernel would be loaded; the commands are its command line."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Script)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    m = start("-m", "128", "-nic", "user,romfile=", "-kernel", f"{guests}/ipxe.lkrn", "-append",
              f"dhcp && chain http://10.0.2.2:{server.server_port}/script")
    m.wait_screen("iPXE initialising devices...ok|Open Source Network Boot Firmware")
    m.wait_screen(r"I am 10\.0\.2\.15 and this came by 10\.0\.2\.2 over HTTP")


def u_boot(start, guests, _):
    """A firmware of its own, in the place of SeaBIOS."""
    m = start("-m", "512", "-bios", f"{guests}/u-boot.rom")
    m.wait_serial("Jumping to 64-bit U-Boot")
    m.wait_serial("e1000: 52:54:00:12:34:56")
    m.wait_serial("Hit any key")
    m.type("\r")
    m.wait_serial("\n=> ")
    m.type("dhcp\r")
    m.wait_serial(r"DHCP client bound to address 10\.0\.2\.15")


def grub(start, guests, _):
    """GRUB as the firmware, in a text mode that it sets up by itself; what it writes is also to be seen."""
    m = start("-m", "64", "-nic", "none", "-bios", f"{guests}/grub.bin")
    m.wait_screen(r"GNU GRUB +version \d")
    m.press("c")
    m.wait_screen("^grub>")
    written = {number for number, row in enumerate(m.screen()) if row}
    picture = m.picture()
    # A line above the rows, as its split screen begins below the first one.
    lit = {y // 16 for y in range(25 * 16) if any(picture.at(x, y + 1) for x in range(picture.width))}
    if lit != written:
        m.give_up(f"rows {sorted(written)} were written, and rows {sorted(lit)} are to be seen")


def ovmf(start, guests, _):
    """UEFI: its shell."""
    m = start("-m", "256", "-nic", "none", "-bios", f"{guests}/OVMF.fd")
    m.wait_serial("UEFI Interactive Shell")
    m.wait_serial("Shell> ")
    m.type("ver\r")
    m.wait_serial(r"ver\s+UEFI Interactive Shell v\d")


def ovmf_disc(start, guests, _):
    """UEFI starts a disc, with a driver of its own for the CD drive."""
    m = start("-m", "128", "-nic", "none", "-bios", f"{guests}/OVMF.fd", "-cdrom", f"{guests}/memtest.iso")
    m.wait_serial('BdsDxe: starting Boot[0-9]+ "UEFI MACHINA DVD-ROM')


def mbr(start, guests, folder):
    """A boot sector in 16-bit code, which offers what can be booted: here nothing, or a floppy."""
    with open(f"{folder}/disk.img", "wb") as disk:
        disk.truncate(8 << 20)
    subprocess.run([f"{guests}/install-mbr", "-f", f"{folder}/disk.img"], check=True)
    m = start("-m", "16", "-nic", "none", "-drive", f"file={folder}/disk.img,format=raw,if=ide")
    m.wait_screen(r"^MBR FA:")


def memdisk(start, guests, _):
    """A disk in RAM behind the firmware's interrupts, and a boot sector on it that asks them for its geometry."""
    m = start("-m", "64", "-nic", "none", "-kernel", f"{guests}/memdisk", "-initrd", f"{guests}/geometry.img")
    m.wait_screen(r"Loading boot sector\.\.\. booting")
    m.wait_screen("^80CHS 0006,3F,20")
    m.wait_screen("^D=EDD")


PROGRAMS = {"gnumach": gnumach, "grub-invaders": invaders, "xen": xen, "ipxe": ipxe, "u-boot": u_boot,
            "grub-firmware": grub, "ovmf": ovmf, "ovmf-disc": ovmf_disc, "mbr": mbr, "memdisk": memdisk}


def main():
    if len(sys.argv) != 4 or sys.argv[3] not in PROGRAMS:
        sys.exit(f"{__doc__}NAME is one of: {', '.join(PROGRAMS)}")
    machine_run, guests, name = sys.argv[1:]
    with tempfile.TemporaryDirectory() as folder:
        machines = []

        def start(*arguments):
            machines.append(Machine(machine_run, folder, *arguments))
            return machines[-1]

        try:
            PROGRAMS[name](start, guests, folder)
        finally:
            for m in machines:
                m.process.kill()
                m.process.wait()


if __name__ == "__main__":
    main()
