# Interrupts through the PIC pair, in real mode: PIT counter 0 (IRQ 0), periodic RTC (IRQ 8, through the slave), and
# IRQ 10 of a test device. Prints the counts of each step and the virtual time of the periodic ones.

        .code16
#include "real.inc.S"
        .equ    timer_ticks, VARS
        .equ    rtc_ticks, VARS + 2
        .equ    line_ticks, VARS + 4
        .equ    began, VARS + 8         # microseconds

        .section .text16, "ax"
        .globl start16
start16:
        start_real
        set_vector 0x20, on_timer
        set_vector 0x28, on_rtc
        set_vector 0x2a, on_line
        init_pic 0xfa, 0xff             # IRQ 0 and the cascade

        # One shot: mode 0, 2386 clocks (2 ms). Exactly one interrupt, however long one waits.
        outp    0x30, 0x43
        outp    0x52, 0x40
        outp    0x09, 0x40
        wait_for timer_ticks, 1
        sti
        call    wait_20ms
        cli
        mov     timer_ticks, %ax
        call    put_word

        # Periodic: mode 2, 2386 clocks. Ten of them, then none any more while masked.
        movw    $0, timer_ticks
        call    mark
        outp    0x34, 0x43
        outp    0x52, 0x40
        outp    0x09, 0x40
        wait_for timer_ticks, 10
        outp    0xfb, 0x21
        mov     timer_ticks, %ax
        call    put_word
        call    since                   # hundreds of microseconds
        call    put_word
        outp    0x30, 0x43              # stops the periodic timer
        # What came in after the mask was set is still requested; take it away.
        outp    0xff, 0x40
        outp    0xff, 0x40

        # RTC: 256 Hz periodic, 8 of them.
        outp    0xfe, 0xa1
        outp    0x0a, 0x70
        outp    0x28, 0x71              # divider on, rate 8: 256 Hz
        call    mark                    # before any of them can have come, however late the next instruction is
        outp    0x0c, 0x70
        in      $0x71, %al
        outp    0x0b, 0x70
        outp    0x42, 0x71              # PIE, 24 h
        wait_for rtc_ticks, 8
        outp    0x0b, 0x70
        outp    0x02, 0x71
        mov     rtc_ticks, %ax
        call    put_word
        call    since
        call    put_word

        # A line, edge triggered: three rising edges are three interrupts.
        outp    0xfb, 0xa1
        mov     $3, %cx
3:      outp    0x8a, 0x510
        sti
        hlt                             # emulators look for interrupts here, not after each instruction
        cli
        outp    0x0a, 0x510
        loop    3b
        mov     line_ticks, %ax
        call    put_word

        # Level triggered (ELCR): one that stays up comes again after each EOI; the handler lowers it at the third.
        outp    0x04, 0x4d1
        movw    $0, line_ticks
        outp    0x8a, 0x510
        wait_for line_ticks, 3
        mov     line_ticks, %ax
        call    put_word
        leave_guest 0

on_timer:
        push    %ax
        incw    timer_ticks
        outp    0x20, 0x20
        pop     %ax
        iret

on_rtc:
        push    %ax
        incw    rtc_ticks
        outp    0x0c, 0x70
        in      $0x71, %al              # register C, or there is no next one
        outp    0x20, 0xa0
        outp    0x20, 0x20
        pop     %ax
        iret

on_line:
        push    %ax
        push    %dx
        incw    line_ticks
        cmpw    $3, line_ticks
        jb      1f
        outp    0x00, 0x513
1:      outp    0x20, 0xa0
        outp    0x20, 0x20
        pop     %dx
        pop     %ax
        iret

#include "stopwatch.inc.S"

wait_20ms:
        call    mark
1:      call    since
        cmp     $200, %ax
        jb      1b
        ret
