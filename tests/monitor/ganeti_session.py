#!/usr/bin/env python3
"""Ganeti's client of QEMU's monitor talks to a machine as it talks to QEMU: capabilities, descriptors, a network card
plugged in on a TAP interface, and out again. Ganeti manages clusters of virtual machines; nobody wrote it for this.

    usage: ganeti_session.py MACHINE-RUN FOLDER      what tests/monitor/fetch-ganeti has unpacked

The guest's part of the hot-plug, ejecting the slot, is done through qtest."""

import fcntl
import os
import re
import struct
import sys
import types

from machine import LIMIT, Qtest, machine

SERVER = "server=on,wait=off"
TUNSETIFF, IFF_TAP, IFF_NO_PI = 0x400454CA, 0x0002, 0x1000
EJECT = 0xAE08  # port of the PCI hot-plug controller: a bit for each slot


def tap():
    """A TAP interface's descriptor, or why there is none."""
    try:
        fd = os.open("/dev/net/tun", os.O_RDWR)
    except OSError as e:
        return None, str(e)
    try:
        fcntl.ioctl(fd, TUNSETIFF, struct.pack("16sH22x", b"", IFF_TAP | IFF_NO_PI))
        return fd, ""
    except OSError as e:
        os.close(fd)
        return None, str(e)


def main():
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    program, root = (os.path.abspath(a) for a in sys.argv[1:])
    sys.path[:0] = [f"{root}/usr/share/ganeti/3.0", f"{root}/usr/lib/python3/dist-packages"]
    sys.dont_write_bytecode = True
    try:
        from ganeti import errors
        from ganeti.hypervisor.hv_kvm import KVMHypervisor
        from ganeti.hypervisor.hv_kvm.monitor import QmpConnection
    except ImportError as e:
        print(f"Ganeti does not run with this Python: {e}")
        return 77

    with machine(program, "-M", "pc", "-accel", "qtest", "-display", "none", "-nic", "none", "-smp", "2", "-qmp",
                 f"unix:{{dir}}/q,{SERVER}", "-qtest", f"unix:{{dir}}/t,{SERVER}") as process:
        guest = Qtest(f"{process.folder}/t")
        client = QmpConnection(f"{process.folder}/q")
        # Each of these connects, asks and goes.
        client.CheckNicHotAddSupport()
        slot = client.GetFreePCISlot()
        client.StopGuestEmulation()
        client.ContinueGuestEmulation()
        assert client.HasDevice("nic-1") is False

        fd, missing = tap()
        if fd is not None:
            card = types.SimpleNamespace(mac="52:54:00:aa:bb:cc", hvinfo={
                "driver": "e1000", "id": "nic-1", "bus": "pci.0", "addr": hex(slot)})
            client.HotAddNic(card, "nic-1", [fd])
            os.close(fd)
            assert client.HasDevice("nic-1") is True
            assert client.GetFreePCISlot() != slot
            client.HotDelNic("nic-1")
            assert client.HasDevice("nic-1") is True, "the guest has not let it go yet"
            answer = guest.command(f"outl {EJECT:#x} {1 << slot:#x}")
            assert answer == "OK", answer
            assert client.HasDevice("nic-1") is False
            assert client.GetFreePCISlot() == slot

        with client:
            assert client.package.startswith("Machina"), client.package
            assert client.Execute("query-status")["status"] == "running"
            # A descriptor goes before the command that names it, in a message of its own.
            ours, theirs = os.pipe()
            number = client._AddFd(theirs)
            assert [s["fdset-id"] for s in client.Execute("query-fdsets")] == [number]
            client._RemoveFdset(number)
            assert client.Execute("query-fdsets") == []
            client._GetFd(theirs, "pipe")
            os.close(theirs)
            client.Execute("closefd", {"fdname": "pipe"})
            assert os.read(ours, 1) == b"", "it is closed"
            # What it reads out of the human monitor.
            text = client.Execute("human-monitor-command", {"command-line": KVMHypervisor._CPU_INFO_CMD})
            threads = [KVMHypervisor._CPU_INFO_RE.search(line) for line in text.splitlines()]
            assert [m and m.group(1) for m in threads] == ["0", "1"], text
            version = client.Execute("human-monitor-command", {"command-line": KVMHypervisor._INFO_VERSION_CMD})
            assert re.match(r"\d+\.\d+\.\d+", version), version
            # Errors become its exceptions, with the class that QEMU's have.
            try:
                client.Execute("device_del", {"id": "nobody"})
                raise AssertionError("that device is not there")
            except errors.HypervisorError as e:
                assert "Device 'nobody' not found (DeviceNotFound)" in str(e), e
            client.Execute("quit")
        assert process.wait(LIMIT) == 0
    print("Ganeti's client of QMP: " + (f"no TAP interface ({missing})" if missing else
          "a card plugged in and out again on a TAP interface") + ", descriptors, errors")
    return 0


if __name__ == "__main__":
    sys.exit(main())
