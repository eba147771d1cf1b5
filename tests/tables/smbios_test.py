#!/usr/bin/env python3
"""SMBIOS structures of several machines, read by dmidecode."""

import os
import struct
import subprocess
import sys
import tempfile

from machine_tables import guest_of, start

NARROW, WIDE = "_SM_", "_SM3_"


def program():
    if len(sys.argv) != 2 or not os.access(sys.argv[1], os.X_OK):
        sys.exit(f"usage: {sys.argv[0]} MACHINE-RUN")
    return os.path.abspath(sys.argv[1])


def placed(anchor, address):
    """The entry point after firmware has put the structures at that address."""
    anchor = bytearray(anchor)
    assert sum(anchor) & 0xFF == 0
    if anchor.startswith(WIDE.encode()):
        anchor[0x10:0x18] = struct.pack("<Q", address)
        anchor[5] = 0
        anchor[5] = -sum(anchor) & 0xFF
    else:
        assert sum(anchor[0x10:]) & 0xFF == 0
        anchor[0x18:0x1C] = struct.pack("<I", address)
        anchor[0x15] = anchor[4] = 0
        anchor[0x15] = -sum(anchor[0x10:]) & 0xFF
        anchor[4] = -sum(anchor) & 0xFF
    return bytes(anchor)


def dmidecode(*arguments):
    """What dmidecode says of a machine; it must find nothing wrong. Returns the text and the entry point's kind."""
    with start(program(), *arguments) as process:
        guest = guest_of(process)
        structures = guest.content("etc/smbios/smbios-tables")
        anchor = guest.content("etc/smbios/smbios-anchor")
    with tempfile.NamedTemporaryFile(prefix="machina-smbios-") as dump:
        dump.write(placed(anchor, 32).ljust(32, b"\0") + structures)
        dump.flush()
        done = subprocess.run(["dmidecode", "--from-dump", dump.name], capture_output=True, text=True, timeout=60)
    text = done.stdout + done.stderr
    assert done.returncode == 0 and not done.stderr, text
    for complaint in ("<BAD INDEX>", "<OUT OF SPEC>", "broken", "truncated", "Invalid", "Wrong", "implementation"):
        assert complaint not in text, text
    assert "End Of Table" in text, text
    return text, WIDE if anchor.startswith(WIDE.encode()) else NARROW


def expect(text, *lines):
    for line in lines:
        assert line in text, f"{line} is missing:\n{text}"


def pc():
    text, kind = dmidecode("-M", "pc", "-m", "5G", "-smp", "4,sockets=2,cores=2",
                           "-uuid", "00112233-4455-6677-8899-aabbccddeeff")
    assert kind == NARROW
    expect(text, "SMBIOS 2.8 present", "Product Name: Standard PC (i440FX + PIIX3, 1996)",
           "UUID: 00112233-4455-6677-8899-aabbccddeeff", "Socket Designation: CPU 1", "Core Count: 2",
           "Maximum Capacity: 5 GB", "Size: 5 GB", "Range Size: 3584 MB", "Starting Address: 0x00100000000",
           "Status: No errors detected")
    assert "BIOS Information" not in text  # firmware brings its own
    assert "Base Board" not in text


def entry_point_of_64_bits():
    text, kind = dmidecode("-M", "pc", "-smbios", "entry-point=64")
    assert kind == WIDE
    expect(text, "SMBIOS 3.0.0 present")


def what_the_user_says():
    with tempfile.NamedTemporaryFile(prefix="machina-structure-") as structure:
        # Type 41, onboard device: a name, type 3 (video, enabled), instance 1, segment 0, bus 0, 02.0.
        structure.write(bytes([41, 11, 0x34, 0x12, 1, 0x83, 1, 0, 0, 0, 0x10]) + b"A screen\0\0")
        structure.flush()
        text, _ = dmidecode("-M", "isapc", "-smbios", "type=0,vendor=V,version=W,date=02/03/2004,release=5.6",
                            "-smbios", "type=1,manufacturer=Someone,product=Thing,serial=S1,family=F,sku=K",
                            "-smbios", "type=2,product=Plank,asset=A2,location=Here",
                            "-smbios", "type=3,manufacturer=Tin,sku=K3",
                            "-smbios", "type=4,sock_pfx=LGA,max-speed=3210,part=P4",
                            "-smbios", "type=11,value=first", "-smbios", "type=11,value=a,,b",
                            "-smbios", "type=17,bank=B,manufacturer=Chips,speed=1600",
                            "-smbios", "file=" + structure.name)
    expect(text, "Vendor: V", "Release Date: 02/03/2004", "BIOS Revision: 5.6", "Manufacturer: Someone",
           "Serial Number: S1", "SKU Number: K", "Product Name: Plank", "Location In Chassis: Here",
           "Manufacturer: Tin", "Socket Designation: LGA 0", "Max Speed: 3210 MHz", "String 1: first",
           "String 2: a,b", "Bank Locator: B", "Speed: 1600 MT/s", "Reference Designation: A screen",
           "Bus Address: 0000:00:02.0")


for test in (pc, entry_point_of_64_bits, what_the_user_says):
    print(test.__name__, flush=True)
    test()
