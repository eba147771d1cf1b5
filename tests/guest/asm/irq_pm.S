# The power management timer of the PIIX4 (ACPI 6.4, 4.8.2.1): its status is set when bit 23 of the counter changes,
# 2.34 s after reset, and with TMROF_EN that is the SCI, a level-triggered IRQ 9. First through the PIC; while the
# status is still set, TMROF_EN raises it again, through the I/O APIC. Prints what docs and test say about each number.

        .code16
#include "real.inc.S"
#include "apic.inc.S"
        .equ    pic_events, VARS
        .equ    ioapic_events, VARS + 2
        .equ    status, VARS + 8        # as the handler found it
        .equ    counter, VARS + 12

        .equ    PM, 0x600               # where this guest puts the ports
        .equ    PMSTS, PM
        .equ    PMEN, PM + 2
        .equ    PMCNTRL, PM + 4
        .equ    PMTMR, PM + 8
        .equ    TMROF, 1

        .macro  outpw value, port
        mov     $\value, %ax
        mov     $\port, %dx
        out     %ax, %dx
        .endm

        .macro  pci_config register     # of function 3 of device 1
        mov     $(0x80000b00 + \register), %eax
        mov     $0xcf8, %dx
        out     %eax, %dx
        mov     $0xcfc, %dx
        .endm

        .section .text16, "ax"
        .globl start16
start16:
        start_real
        reach_all_memory
        set_vector 0x29, on_pic
        set_vector 0x59, on_ioapic
        init_pic 0xfb, 0xfd             # the cascade and IRQ 9
        outp    0x02, 0x4d1             # ELCR: IRQ 9 is level triggered

        pci_config 0x40
        mov     $PM, %eax
        out     %eax, %dx               # PMBA
        pci_config 0x80
        mov     $1, %al
        out     %al, %dx                # PMREGMISC: the ports are decoded
        outpw   1, PMCNTRL              # SCI_EN

        # Nothing has happened yet, and nothing is let through before it is enabled.
        mov     $PMSTS, %dx
        in      %dx, %ax
        and     $TMROF, %ax
        call    put_word                # 0
        outpw   TMROF, PMEN
        wait_for pic_events, 1
        sti
        call    wait_10ms               # no second one
        cli
        mov     pic_events, %ax
        call    put_word                # 1
        mov     status, %ax
        call    put_word                # TMROF_STS was set
        mov     counter + 2, %ax
        call    put_word                # bits 16 to 31 of the counter: bit 23 has just changed

        # Through the I/O APIC: pin 9, level triggered.
        outp    0xff, 0xa1
        enable_apic
        route_pin 9, 0x8059, 0
        outpw   TMROF, PMEN
        wait_for ioapic_events, 1
        sti
        call    wait_10ms
        cli
        mov     ioapic_events, %ax
        call    put_word                # 1; 2 where KVM ends an interrupt at its delivery
        mov     $PMSTS, %dx
        in      %dx, %ax
        and     $TMROF, %ax
        call    put_word                # 0: the handler has cleared it
        leave_guest 0

# Leaves the status set and takes the enable away: that lowers the SCI.
on_pic:
        pushal
        incw    pic_events
        mov     $PMSTS, %dx
        in      %dx, %ax
        mov     %ax, status
        mov     $PMTMR, %dx
        in      %dx, %eax
        mov     %eax, counter
        outpw   0, PMEN
        outp    0x20, 0xa0
        outp    0x20, 0x20
        popal
        iret

# Clears the status by writing 1 to it: that lowers the SCI.
on_ioapic:
        pushal
        incw    ioapic_events
        outpw   TMROF, PMSTS
        write_apic APIC_EOI, 0
        popal
        iret
