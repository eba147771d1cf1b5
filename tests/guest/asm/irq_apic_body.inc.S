# Interrupts of one CPU through its local APIC, in real mode: PIT through the I/O APIC (pin 2), a level-triggered pin
# with its remote IRR, messages, the APIC's own timer, NMI and an interrupt to itself. Prints the counts of each step.

        .code16
#include "real.inc.S"
#include "apic.inc.S"
        .equ    timer_ticks, VARS
        .equ    level_ticks, VARS + 2
        .equ    message_ticks, VARS + 4
        .equ    apic_ticks, VARS + 6
        .equ    nmi_ticks, VARS + 8
        .equ    self_ticks, VARS + 10
        .equ    remote_irr, VARS + 12
        .equ    in_service, VARS + 14

        .section .text16, "ax"
        .globl start16
start16:
        start_real
        reach_all_memory
        set_vector 2, on_nmi
        set_vector 0x40, on_timer
        set_vector 0x51, on_level
        set_vector 0x62, on_message
        set_vector 0x73, on_apic_timer
        set_vector 0x84, on_self
        init_pic 0xff, 0xff
        enable_apic

        # PIT, one shot, 2 ms: one interrupt.
        route_pin 2, 0x40, 0
        outp    0x30, 0x43
        outp    0x52, 0x40
        outp    0x09, 0x40
        wait_for timer_ticks, 1
        sti
        call    wait_10ms               # no second
        cli
        mov     timer_ticks, %ax
        call    put_word
        # PIT, periodic, 2 ms: ten.
        movw    $0, timer_ticks
        outp    0x34, 0x43
        outp    0x52, 0x40
        outp    0x09, 0x40
        wait_for timer_ticks, 10
        route_pin 2, 0x10040, 0
        outp    0x30, 0x43
        mov     timer_ticks, %ax
        call    put_word

        # A level-triggered pin: again after each EOI until the handler lowers the line, at the third.
        route_pin 11, 0x8051, 0
        outp    0x8b, 0x510
        wait_for level_ticks, 3
        sti
        call    wait_10ms               # no fourth
        cli
        mov     level_ticks, %ax
        call    put_word
        mov     remote_irr, %ax         # in the handlers: 1 each
        call    put_word
        mov     in_service, %ax         # likewise
        call    put_word
        mov     $(0x10 + 2 * 11), %ecx
        call    ioapic_read
        shr     $14, %eax
        and     $1, %ax                 # and now: 0
        call    put_word

        # Messages of a device: three.
        mov     $3, %bp
1:      mov     $0x62, %eax
        mov     $0x514, %dx
        out     %eax, %dx
        sti
        hlt
        cli
        dec     %bp
        jnz     1b
        mov     message_ticks, %ax
        call    put_word

        # The local APIC's timer, one shot: one. Divide by 1.
        write_apic APIC_DIVIDE, 0xb
        write_apic APIC_TIMER, 0x73
        write_apic APIC_INITIAL, 1000000
        wait_for apic_ticks, 1
        sti
        call    wait_10ms
        cli
        mov     apic_ticks, %ax
        call    put_word
        # Periodic: five.
        movw    $0, apic_ticks
        write_apic APIC_TIMER, 0x20073
        write_apic APIC_INITIAL, 2000000
        wait_for apic_ticks, 5
        write_apic APIC_INITIAL, 0
        mov     apic_ticks, %ax
        call    put_word

        # NMI, although interrupts are off.
        send_ipi 0x4400, $0
        call    wait_10ms
        mov     nmi_ticks, %ax
        call    put_word
        # Itself, by shorthand.
        send_ipi 0x44084, $0
        sti
        call    wait_10ms
        cli
        mov     self_ticks, %ax
        call    put_word
        leave_guest 0

        # EOI of what counts in \counter.
        .macro  count_and_end counter
        pushal
        incw    \counter
        write_apic APIC_EOI, 0
        popal
        iret
        .endm

on_timer:       count_and_end timer_ticks
on_message:     count_and_end message_ticks
on_apic_timer:  count_and_end apic_ticks
on_self:        count_and_end self_ticks
on_nmi:
        incw    nmi_ticks
        iret
on_level:
        pushal
        incw    level_ticks
        mov     $(0x10 + 2 * 11), %ecx
        call    ioapic_read
        shr     $14, %eax
        and     $1, %ax
        add     %ax, remote_irr
        mov     $0x120, %ecx            # ISR, vectors 40h to 5Fh
        call    apic_read
        shr     $17, %eax
        and     $1, %ax
        add     %ax, in_service
        cmpw    $3, level_ticks
        jb      1f
        outp    0x00, 0x513
1:      write_apic APIC_EOI, 0
        popal
        iret
