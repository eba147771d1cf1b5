#!/usr/bin/env python3
"""gdb in a 16-bit boot sector: from the reset vector through the firmware to it, where pc is an address and not an
offset.

    usage: boot_sector_session.py MACHINE-RUN ACCELERATOR FOLDER      where guests are built"""

from debugged import BOOT_LIMIT, debugged, expect, gdb, main


def test(program, accel, folder):
    disk = ("-drive", f"file={folder}/boot.img,format=raw")
    sixteen = ("set architecture i8086",)
    with debugged(program, accel, *disk) as process:
        # At the reset vector, which is read-only memory: a step is one instruction, and leads to the firmware below
        # 1 MiB.
        seen = gdb(process, "x/i $pc", "p/x $cs_base", "p/x $ip", "stepi", "p/x $pc", "x/2xb 0xfffffff0",
                   "break *0xfe05b", "detach", before=sixteen)
        expect(seen, r"0xfffffff0:\s+ljmp +\$0x3630,\$0xf000e05b|0xfffffff0:\s+ljmp +\$0xf000,\$0xe05b", r"= 0xffff0000",
               r"= 0xfff0", r"= 0xfe05b", r"0xfffffff0:\s+0xea\s+0x5b")
    with debugged(program, accel, *disk) as process:
        # The symbols know nothing of the jump to another base of CS, and need not.
        seen = gdb(process, "break *0x7c00", "continue", "x/i $pc", "p/x $cs", "p/x $cs_base", "break again", "continue",
                   "p/x $pc", "p/x $cs", "p/x $ip", "p/x $bx", "x/3i $pc", "stepi", "p/x $bx", "stepi", "stepi", "p/x $cx",
                   "stepi", "info symbol $pc", "x/1xh &word", "continue", "x/1xh &word",                    "watch *(short*)&word", "continue", "delete", "tbreak over", "continue", "p/x $pc == &over",
                   "set var $bx = 0x4321", "tbreak here", "continue", "p/x $cx", "p $eflags", "monitor info registers",
                   files=(f"{folder}/boot.elf",), before=sixteen, limit=BOOT_LIMIT)
        expect(seen, r"Breakpoint 1, ", r"0x7c00 <_start>:\s+ljmp +\$0x7c0,\$0x5", r"= 0x0", r"= 0x0",
               r"Breakpoint 2, ", r"= 0x7c13", r"= 0x7c0", r"= 0x13", r"= 0x1234",
               r"0x7c13 <again>:\s+inc +%bx", r"= 0x1235", r"= 0x1235", r"^here in section", r"<word>:\s+0x0000",
               r"Breakpoint 2", r"<word>:\s+0x0001", r"[Ww]atchpoint 3: ", r"Old value = 1", r"New value = 2",
               r"Temporary breakpoint", r"= 0x1", r"= 0x4321", r"\[ .*\]", r"CS =07c0 00007c00")
    # Without a word of the user gdb takes the guest for a 32-bit one there, and can change that at any time.
    with debugged(program, accel, *disk) as process:
        seen = gdb(process, "show architecture", "break *0x7c00", "continue", "p/x $eip", "set architecture i8086",
                   "x/i $pc", "set architecture i386:x86-64", "p/x $rip", "p/x $r8", "info registers cs",
                   limit=BOOT_LIMIT)
        expect(seen, r"currently \"i386\"", r"Breakpoint 1, ", r"= 0x7c00", r"ljmp +\$0x7c0,\$0x5", r"= 0x7c00", r"= 0x0",
               r"cs +0x0")
    print("16-bit boot sector: breakpoints by address under two bases of CS, steps, a watchpoint, registers")


if __name__ == "__main__":
    main(test)
