# High precision event timers, in real mode: legacy replacement through the PIC while the 8254 runs as well, the 8254
# again, then the I/O APIC by an edge and by a level, and messages. Prints counts and times, which the test explains.

        .code16
#include "real.inc.S"
#include "apic.inc.S"
        .equ    ticks, VARS
        .equ    clock_ticks, VARS + 2
        .equ    edge_ticks, VARS + 4
        .equ    level_ticks, VARS + 6
        .equ    message_ticks, VARS + 8
        .equ    status, VARS + 12       # as the handler found it
        .equ    began, VARS + 16        # microseconds

        .equ    HPET, 0xfed00000
        .equ    GEN_CONF, 0x10
        .equ    GINTR_STA, 0x20
        .equ    MAIN_CNT, 0xf0
        .equ    T0, 0x100
        .equ    T1, 0x120
        .equ    T2, 0x140
        .equ    COMPARATOR, 8
        .equ    FSB_VALUE, 0x10
        .equ    FSB_ADDRESS, 0x14
        .equ    LEVEL, 2
        .equ    ENABLE, 4
        .equ    PERIODIC, 8
        .equ    SET, 0x40
        .equ    INPUT2, 2 << 9
        .equ    MESSAGE, 0x4000

        # Changes EAX, EDI.
        .macro  hpet_write reg, value
        mov     $\value, %eax
        mov     $(HPET + \reg), %edi
        mov     %eax, (%edi)
        .endm

        .section .text16, "ax"
        .globl start16
start16:
        start_real
        reach_all_memory
        set_vector 0x20, on_timer
        set_vector 0x28, on_clock
        set_vector 0x50, on_edge
        set_vector 0x51, on_level
        set_vector 0x62, on_message
        init_pic 0xfa, 0xfe             # IRQ 0, the cascade, IRQ 8

        mov     $(HPET + 4), %edi
        mov     (%edi), %eax
        mov     %eax, %ebx
        shr     $16, %eax
        call    put_word                # the period, fs
        mov     $(HPET + 4), %edi
        mov     (%edi), %eax
        call    put_word

        # The 8254 at 1 kHz, timer 0 at 100 Hz, timer 1 once after 25 ms. Legacy replacement: five ticks take 50 ms.
        outp    0x34, 0x43
        outp    0xa9, 0x40
        outp    0x04, 0x40
        hpet_write T0, ENABLE | PERIODIC | SET
        hpet_write T0 + COMPARATOR, 1000000
        hpet_write T0 + COMPARATOR, 1000000
        hpet_write T0 + COMPARATOR + 4, 0
        hpet_write T0, ENABLE | PERIODIC | SET
        hpet_write T0 + COMPARATOR + 4, 0
        hpet_write T1, ENABLE
        hpet_write T1 + COMPARATOR, 2500000
        hpet_write T1 + COMPARATOR + 4, 0
        movw    $0, ticks
        call    mark
        hpet_write GEN_CONF, 3
        wait_for ticks, 5
        call    since
        call    put_word
        mov     clock_ticks, %ax
        call    put_word                # 1
        hpet_write GEN_CONF, 0

        # The 8254 is back, and so is its output, which mostly is high: an edge at once. The second tick ends a period that
        # had begun before.
        movw    $0, ticks
        call    mark
        wait_for ticks, 10
        call    since
        call    put_word
        outp    0x30, 0x43              # no more of them
        outp    0xff, 0x40
        outp    0xff, 0x40
        outp    0xff, 0x21
        outp    0xff, 0xa1
        enable_apic

        # Timer 2 to input 2 of the I/O APIC: one shot after 2 ms, by an edge.
        route_pin 2, 0x50, 0
        hpet_write MAIN_CNT, 0
        hpet_write T0, 0
        hpet_write T1, 0
        hpet_write T2, ENABLE | INPUT2
        hpet_write T2 + COMPARATOR, 200000
        hpet_write T2 + COMPARATOR + 4, 0
        hpet_write GEN_CONF, 1
        wait_for edge_ticks, 1
        sti
        call    wait_10ms               # no second
        cli
        mov     edge_ticks, %ax
        call    put_word

        # By a level, until its status is cleared.
        hpet_write GEN_CONF, 0
        hpet_write MAIN_CNT, 0
        hpet_write T2, 0
        route_pin 2, 0x8051, 0
        hpet_write T2, ENABLE | INPUT2 | LEVEL
        hpet_write GEN_CONF, 1
        wait_for level_ticks, 1
        sti
        call    wait_10ms
        cli
        mov     level_ticks, %ax
        call    put_word
        mov     status, %ax
        call    put_word                # timer 2
        route_pin 2, 0x10000, 0

        # Messages to the local APIC, each 2 ms.
        hpet_write GEN_CONF, 0
        hpet_write MAIN_CNT, 0
        hpet_write T2, 0
        hpet_write T1 + FSB_ADDRESS, 0xfee00000
        hpet_write T1 + FSB_VALUE, 0x4062
        hpet_write T1, ENABLE | MESSAGE | PERIODIC | SET
        hpet_write T1 + COMPARATOR, 200000
        hpet_write T1 + COMPARATOR, 200000
        call    mark
        hpet_write GEN_CONF, 1
        wait_for message_ticks, 5
        hpet_write GEN_CONF, 0
        mov     message_ticks, %ax
        call    put_word
        call    since
        call    put_word
        leave_guest 0

on_timer:
        push    %ax
        incw    ticks
        outp    0x20, 0x20
        pop     %ax
        iret

on_clock:
        push    %ax
        incw    clock_ticks
        outp    0x20, 0xa0
        outp    0x20, 0x20
        pop     %ax
        iret

on_edge:
        pushal
        incw    edge_ticks
        write_apic APIC_EOI, 0
        popal
        iret

on_level:
        pushal
        incw    level_ticks
        mov     $(HPET + GINTR_STA), %edi
        mov     (%edi), %eax
        or      %ax, status
        hpet_write GINTR_STA, 4
        write_apic APIC_EOI, 0
        popal
        iret

on_message:
        pushal
        incw    message_ticks
        write_apic APIC_EOI, 0
        popal
        iret

#include "stopwatch.inc.S"
