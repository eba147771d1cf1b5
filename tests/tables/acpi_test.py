#!/usr/bin/env python3
"""ACPI tables of several machines: linked as firmware does it, disassembled and compiled again by ACPICA's iasl."""

import os
import re
import struct
import subprocess
import sys
import tempfile

from machine_tables import Memory, acpi_tables, guest_of, link, start


def program():
    if len(sys.argv) != 2 or not os.access(sys.argv[1], os.X_OK):
        sys.exit(f"usage: {sys.argv[0]} MACHINE-RUN")
    return os.path.abspath(sys.argv[1])


def tables_of(*arguments):
    """What firmware ends up with."""
    with start(program(), *arguments) as process:
        guest = guest_of(process)
        # As firmware does before it looks at the tables: where the power management's ports are.
        guest.config_write(1, 3, 0x40, 4, 0x600)
        guest.config_write(1, 3, 0x80, 1, 1)
        content, where = link(guest)
        return acpi_tables(Memory(content, where), where["etc/acpi/rsdp"])


def placed_tables_of(*arguments):
    """What a kernel finds that starts without firmware: in memory, from the root pointer on."""
    with tempfile.TemporaryDirectory(prefix="machina-acpi-") as folder:
        kernel = os.path.join(folder, "kernel")
        with open(kernel, "wb") as file:
            # Multiboot, loaded and entered as its header says; under qtest it does not run.
            address, flags, magic = 0x200000, 1 << 16, 0x1BADB002
            checksum = -(magic + flags) & 0xFFFFFFFF
            file.write(struct.pack("<8I", magic, flags, checksum, address, address, 0, 0, address + 32) + b"\xf4" * 32)
        with start(program(), *arguments, "-kernel", kernel) as process:
            guest = guest_of(process)
            segment = guest.read(0xF0000, 0x10000)
            places = [at for at in range(0, len(segment), 16) if segment[at:at + 8] == b"RSD PTR "]
            assert len(places) == 1, places
            return acpi_tables(guest, 0xF0000 + places[0])


def madt_entries(madt):
    entries, at = [], 44
    while at < len(madt):
        entries.append(madt[at:at + madt[at + 1]])
        at += madt[at + 1]
    assert at == len(madt)
    return entries


def run_iasl(arguments, folder):
    done = subprocess.run(["iasl", *arguments], cwd=folder, capture_output=True, text=True, timeout=60)
    output = done.stdout + done.stderr
    assert done.returncode == 0, output
    return output


def round_trip(tables):
    """Each table through iasl and back: it has nothing to complain about, and the bytes are the same. Returns the ASL of
    the DSDT."""
    with tempfile.TemporaryDirectory(prefix="machina-acpi-") as folder:
        for signature, several in tables.items():
            for number, data in enumerate(several):
                name = f"{signature.lower()}{number}"
                with open(os.path.join(folder, name + ".aml"), "wb") as file:
                    file.write(data)
                output = run_iasl(["-d", name + ".aml"], folder)
                for complaint in ("Error", "Warning", "Invalid", "unresolved", "checksum"):
                    assert complaint not in output, output
                os.rename(os.path.join(folder, name + ".dsl"), os.path.join(folder, name + "-again.dsl"))
                if signature == "FACS":
                    continue  # has no checksum: the compiler takes none
                output = run_iasl(["-oa", "-we", "-vr", name + "-again.dsl"], folder)
                assert " 0 Errors, 0 Warnings" in output or signature != "DSDT", output
                with open(os.path.join(folder, name + "-again.aml"), "rb") as file:
                    again = file.read()
                # The compiler names itself in the header, and so changes the checksum.
                same = [i for i in range(len(data)) if not (i == 9 or 28 <= i < 36)]
                other = [i for i in same if i >= len(again) or again[i] != data[i]]
                at = other[0] if other else 0
                assert len(again) == len(data) and not other, \
                    f"{name} of {len(data)} bytes, again {len(again)}, differs at {at:#x}: " \
                    f"{data[at - 16:at + 16].hex()}, again {again[at - 16:at + 16].hex()}"
        with open(os.path.join(folder, "dsdt0-again.dsl"), encoding="utf-8") as file:
            return file.read()


def run_methods(tables, *more):
    """ACPICA's interpreter evaluates all objects that the specification defines, and the commands of `more`, on
    registers that read 0."""
    with tempfile.TemporaryDirectory(prefix="machina-acpi-") as folder:
        with open(os.path.join(folder, "dsdt.aml"), "wb") as file:
            file.write(tables["DSDT"][0])
        done = subprocess.run(["acpiexec", "-b", ";".join(["execute predefined", *more]), "dsdt.aml"], cwd=folder,
                              capture_output=True, text=True, timeout=60)
    output = done.stdout + done.stderr
    assert done.returncode == 0, output
    results = re.findall(r"^(\\\S+) +returned (AE_\w+)", output, re.MULTILINE)
    assert results, output
    for name, result in results:
        # The interpreter has no buffers to pass: it gives _SRS a number instead of resources.
        assert result == "AE_OK" or name.endswith("._SRS"), (name, output)
    for line in output.splitlines():
        assert "ACPI Warning" not in line or re.search("_(SRS|OST): Argument #[13] type mismatch", line), line
        assert "ACPI Error" not in line or "._SRS" in line, line
    return output


def pc():
    tables = tables_of("-M", "pc", "-smp", "3", "-m", "256M", "-serial", "null")
    assert set(tables) == {"RSDT", "XSDT", "FACP", "FACS", "DSDT", "APIC", "HPET", "WAET"}, tables.keys()
    hpet = tables["HPET"][0]
    # Intel, legacy replacement, 64 bits, three timers, revision 1; in memory at FED00000h; block 0; 100 ticks.
    assert struct.unpack_from("<IBBBBQBHB", hpet, 36) == (0x8086A201, 0, 0, 0, 0, 0xFED00000, 0, 100, 0)
    fadt = tables["FACP"][0]
    assert len(fadt) == 244 and fadt[8] == 3
    assert struct.unpack_from("<H", fadt, 46) == (9,)  # SCI
    assert struct.unpack_from("<IBB", fadt, 48) == (0xB2, 0xF1, 0xF0)
    assert struct.unpack_from("<IIIIIII", fadt, 56) == (0x600, 0, 0x604, 0, 0, 0x608, 0xAFE0)
    flags = struct.unpack_from("<I", fadt, 112)[0]
    assert not flags & 1 << 4 and not flags & 1 << 6  # power button and RTC alarm are fixed events
    assert flags & 1 << 10  # reset register
    assert fadt[108] == 0x32  # century
    assert struct.unpack_from("<BBBBQB", fadt, 116) == (1, 8, 0, 0, 0xCF9, 6)
    assert struct.unpack_from("<H", fadt, 109) == (0b11,)  # ISA devices and an 8042; VGA and RTC are not missing
    entries = madt_entries(tables["APIC"][0])
    assert [e[3] for e in entries if e[0] == 0 and e[4] == 1] == [0, 1, 2]
    assert [struct.unpack_from("<II", e, 4) for e in entries if e[0] == 1] == [(0xFEC00000, 0)]
    assert [e[3] for e in entries if e[0] == 0 and e[4] == 0] == []
    overrides = {e[3]: struct.unpack_from("<IH", e, 4) for e in entries if e[0] == 2}
    assert overrides == {0: (2, 0), 5: (5, 13), 9: (9, 13), 10: (10, 13), 11: (11, 13)}, overrides
    assert [bytes(e) for e in entries if e[0] == 4] == [bytes([4, 6, 255, 0, 0, 1])]

    asl = round_trip(tables)
    run_methods(tables)
    for expected in ('EisaId ("PNP0A03")', 'EisaId ("PNP0501")', 'EisaId ("PNP0303")', 'EisaId ("PNP0F13")',
                     'EisaId ("PNP0B00")', 'EisaId ("PNP0C0F")', 'EisaId ("PNP0103")', "Device (LNKD)", "Name (\\_S5",
                     "Name (\\_S3", '"ACPI0007"'):
        assert expected in asl, expected + "\n" + asl
    assert asl.count('"ACPI0007"') == 3
    assert "0x10000000,         // Range Minimum" in asl, asl  # PCI memory starts where RAM ends
    assert asl.count('EisaId ("PNP0501")') == 1


def what_is_not_there_is_not_told():
    tables = tables_of("-M", "pc,hpet=off", "-nodefaults", "-global", "PIIX4_PM.disable_s3=on", "-global",
                       "PIIX4_PM.disable_s4=on")
    asl = round_trip(tables)
    assert "HPET" not in tables and 'EisaId ("PNP0103")' not in asl
    assert 'EisaId ("PNP0501")' not in asl and "_S3" not in asl and "_S4" not in asl and "_S5" in asl
    assert struct.unpack_from("<H", tables["FACP"][0], 109) == (0b111,)  # no VGA either


def tables_of_the_user():
    """-acpitable: a file that iasl has compiled, and content that gets a header."""
    with tempfile.TemporaryDirectory(prefix="machina-acpi-") as folder:
        with open(os.path.join(folder, "extra.asl"), "w", encoding="utf-8") as file:
            file.write('DefinitionBlock ("", "SSDT", 2, "SOMEID", "SOMETABL", 7) { Scope (\\_SB) { Device (XTRA) { '
                       'Name (_HID, "TEST0001") } } }')
        run_iasl(["-we", "extra.asl"], folder)
        with open(os.path.join(folder, "content"), "wb") as file:
            file.write(b"some content")
        tables = tables_of("-M", "pc", "-acpitable", os.path.join(folder, "extra.aml"), "-acpitable",
                           f"sig=OEM1,rev=3,oem_id=ME,oem_rev=9,data={folder}/content")
    assert "XTRA" in tables["SSDT"][0].decode("latin-1")
    own = tables["OEM1"][0]
    assert own[36:] == b"some content" and own[8] == 3 and own[10:16] == b"ME    " and own[24] == 9
    round_trip({"DSDT": tables["DSDT"], "SSDT": tables["SSDT"]})


def hotplug():
    """Places of CPUs and PCI functions that may come are described, and their methods run."""
    tables = tables_of("-M", "pc", "-smp", "2,maxcpus=4", "-device", "VGA,addr=05.0")
    asl = round_trip(tables)
    output = run_methods(tables, "execute \\_GPE._E01", "execute \\_GPE._E02", "execute \\_SB.CPUS.C003._OST 1 0 0")
    for name in ("\\_GPE._E01", "\\_GPE._E02", "\\_SB.CPUS.C003._OST"):
        assert "No object was returned from evaluation of " + name in output, output
    madt = tables["APIC"][0]
    assert [madt[at + 4] for at in range(44, 44 + 4 * 8, 8)] == [1, 1, 0, 0]
    assert asl.count('"ACPI0007"') == 4 and asl.count("Method (_OST, 3") == 4
    for expected in ("OperationRegion (PRST, SystemIO, 0xAF00, 0x0C)", "OperationRegion (PCST, SystemIO, 0xAE00, 0x14)",
                     "Device (S18)", "Device (SF8)"):
        assert expected in asl, expected + "\n" + asl
    for slot in ("S00", "S08", "S10", "S28"):  # chipset and screens
        assert f"Device ({slot})" not in asl, slot


def generation():
    """A page of the guest's memory, whose address AML and device learn, and its content when the ID is another one."""
    guid = bytes.fromhex("af6e4e32d1d1f64bbf41b9bb6c91fb87")
    with start(program(), "-M", "pc", "-m", "256M", "-device",
               "vmgenid,guid=324e6eaf-d1d1-4bf6-bf41-b9bb6c91fb87") as process:
        guest = guest_of(process)
        guest.config_write(1, 3, 0x40, 4, 0x600)
        guest.config_write(1, 3, 0x80, 1, 1)
        content, where = link(guest)
        tables = acpi_tables(Memory(content, where), where["etc/acpi/rsdp"])
        page = where["etc/vmgenid_guid"]
        assert page % 4096 == 0 and content["etc/vmgenid_guid"] == bytes(40) + guid + bytes(4096 - 56)
        # The device has written it where firmware said that it put the page.
        assert guest.read(page + 40, 16) == guid
    asl = round_trip(tables)
    output = run_methods(tables, "execute \\_SB.VGEN.ADDR", "execute \\_GPE._E05")
    assert f"Name (VGIA, 0x{page:08X})" in asl, asl
    package = re.search(r"Evaluation of \\_SB.VGEN.ADDR returned.*?\[Package\].*?\n(.*?)\n(.*?)\n", output, re.DOTALL)
    assert package and f"{page + 40:X}" in package.group(1) and re.search(r" 0+$", package.group(2)), output
    assert '"VM_Gen_Counter"' in asl


def panic():
    asl = round_trip(tables_of("-M", "pc", "-device", "pvpanic,ioport=0x606"))
    assert '"QEMU0001"' in asl and "OperationRegion (PEOR, SystemIO, 0x0606, One)" in asl, asl


def nodes():
    tables = tables_of("-M", "pc", "-m", "2G", "-smp", "4", "-numa", "node", "-numa", "node")
    round_trip(tables)
    assert len(tables["SRAT"][0]) == 48 + 4 * 16 + 2 * 40


def many_cpus():
    tables = tables_of("-M", "pc", "-smp", "255,sockets=85,cores=3")
    round_trip(tables)
    # Three cores have IDs of two bits: from socket 64 on they are beyond 254, which takes x2APIC entries.
    entries = madt_entries(tables["APIC"][0])
    ids = [4 * socket + core for socket in range(85) for core in range(3)]
    assert [e[3] for e in entries if e[0] == 0] == [i for i in ids if i < 255]
    assert [struct.unpack_from("<I", e, 4)[0] for e in entries if e[0] == 9] == [i for i in ids if i >= 255]
    assert len([e for e in entries if e[0] == 9]) == 63


def without_firmware():
    """Tables that the program itself has linked and placed."""
    for board, cpus in (("microvm", 2), ("pc,firmware=none", 3)):
        tables = placed_tables_of("-M", board, "-m", "64M", "-smp", str(cpus), "-serial", "null")
        hpet = {"HPET"} if board.startswith("pc") else set()
        assert set(tables) == {"RSDT", "XSDT", "FACP", "FACS", "DSDT", "APIC", "WAET"} | hpet, tables.keys()
        entries = madt_entries(tables["APIC"][0])
        assert [e[3] for e in entries if e[0] == 0 and e[4] == 1] == list(range(cpus))
        asl = round_trip(tables)
        run_methods(tables)
        assert asl.count('"ACPI0007"') == cpus and 'EisaId ("PNP0501")' in asl, asl
        assert ('EisaId ("PNP0A03")' in asl) == board.startswith("pc"), asl


def no_acpi_hardware():
    with start(program(), "-M", "isapc") as process:
        assert "etc/acpi/tables" not in guest_of(process).files()


for test in (pc, what_is_not_there_is_not_told, tables_of_the_user, hotplug, generation, panic, nodes, many_cpus,
             without_firmware, no_acpi_hardware):
    print(test.__name__, flush=True)
    test()
