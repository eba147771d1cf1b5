# Takes interrupts that the test raises by event descriptors: pin 11, level triggered (each is a tick on port 511h), and
# messages with vector 62h (counted up on port 51Ch). First it writes 5, 6 and 5 to port 600h, which the test listens to.

        .code16
#include "real.inc.S"
#include "apic.inc.S"
        .equ    messages, VARS

        .section .text16, "ax"
        .globl start16
start16:
        start_real
        reach_all_memory
        set_vector 0x51, on_level
        set_vector 0x62, on_message
        init_pic 0xff, 0xff
        enable_apic
        route_pin 11, 0x8051, 0
        mov     $0x600, %dx
        mov     $5, %ax
        out     %ax, %dx
        mov     $6, %ax
        out     %ax, %dx
        mov     $5, %ax
        out     %ax, %dx
        putc    'r'
1:      sti
        hlt
        jmp     1b

on_level:
        pushal
        outp    0, 0x511
        write_apic APIC_EOI, 0
        popal
        iret

on_message:
        pushal
        incl    messages
        mov     messages, %eax
        mov     $0x51c, %dx
        out     %eax, %dx
        write_apic APIC_EOI, 0
        popal
        iret
