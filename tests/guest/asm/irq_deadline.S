# The local APIC's timer in TSC-deadline mode: SDM vol. 3A, 11.5.4.1. Prints whether CPUID has it and, if so, the
# interrupts after a deadline, whether the counter had reached it then (1), what the MSR reads afterwards, and the
# interrupts after a deadline that was taken back.

        .code16
#include "real.inc.S"
#include "apic.inc.S"
        .equ    ticks, VARS
        .equ    reached, VARS + 2
        .equ    deadline, VARS + 8
        .equ    MSR_DEADLINE, 0x6e0

        # The deadline: \cycles from now.
        .macro  set_deadline cycles
        rdtsc
        add     $\cycles, %eax
        adc     $0, %edx
        mov     %eax, deadline
        mov     %edx, deadline + 4
        mov     $MSR_DEADLINE, %ecx
        wrmsr
        .endm

        .section .text16, "ax"
        .globl start16
start16:
        start_real
        reach_all_memory
        set_vector 0x73, on_deadline
        init_pic 0xff, 0xff
        enable_apic
        mov     $1, %eax
        cpuid
        shr     $24, %ecx
        and     $1, %ecx
        mov     %cx, %bp
        mov     %cx, %ax
        call    put_word
        test    %bp, %bp
        jz      1f

        write_apic APIC_TIMER, 0x40073
        set_deadline 10000000           # 2 to 10 ms
3:      sti
        hlt
        cli
        cmpw    $0, ticks
        je      3b
        sti
        call    wait_10ms               # no second one
        cli
        mov     ticks, %ax
        call    put_word
        mov     reached, %ax
        call    put_word
        mov     $MSR_DEADLINE, %ecx
        rdmsr
        or      %edx, %eax
        call    put_word                # 0: disarmed

        movw    $0, ticks
        set_deadline 10000000
        xor     %eax, %eax
        xor     %edx, %edx
        mov     $MSR_DEADLINE, %ecx
        wrmsr
        sti
        call    wait_10ms
        call    wait_10ms
        cli
        mov     ticks, %ax
        call    put_word
1:      leave_guest 0

on_deadline:
        pushal
        incw    ticks
        rdtsc
        sub     deadline, %eax
        sbb     deadline + 4, %edx
        jc      2f
        incw    reached
2:      write_apic APIC_EOI, 0
        popal
        iret
