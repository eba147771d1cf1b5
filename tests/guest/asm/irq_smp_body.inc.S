# Four CPUs: INIT and start-up IPIs to all, an interrupt to each and to all others, and a start-up IPI that finds nobody
# waiting. Prints how many CPUs came, how many interrupts they took, and how often one of them started.

        .code16
#include "real.inc.S"
#include "apic.inc.S"
        .equ    OTHERS, 3
        .equ    arrived, VARS           # CPUs that started
        .equ    taken, VARS + 2         # interrupts that they took
        .equ    ids, VARS + 8           # a bit for each APIC ID
        .equ    AP_STACKS, 0x6000       # 256 bytes each, below

        .section .text16, "ax"
        .globl start16
start16:
        start_real
        reach_all_memory
        set_vector 0x45, on_ipi
        init_pic 0xff, 0xff
        enable_apic
        start_others_at start_ap
        call    wait_10ms
        send_ipi 0xc4608, $0            # as the specification wants, twice; the second finds nobody waiting
1:      pause
        mov     arrived, %ax
        cmp     $OTHERS, %ax
        jb      1b
        call    put_word
        mov     ids, %ax
        call    put_word

        # To each.
        mov     $1, %ebp
2:      send_ipi 0x4045, %ebp
        inc     %ebp
        cmp     $(OTHERS + 1), %ebp
        jb      2b
3:      pause
        cmpw    $OTHERS, taken
        jb      3b
        # To all others at once.
        send_ipi 0xc4045, $0
4:      pause
        cmpw    $(2 * OTHERS), taken
        jb      4b
        # To CPUs that sleep in HLT: a start-up IPI is lost, and they sleep on.
        send_ipi 0xc4608, $0
        call    wait_10ms
        mov     taken, %ax
        call    put_word
        mov     arrived, %ax
        call    put_word
        # INIT and start-up again: they come anew.
        send_ipi 0xc4500, $0
        call    wait_10ms
        send_ipi 0xc4608, $0
5:      pause
        mov     arrived, %ax
        cmp     $(2 * OTHERS), %ax
        jb      5b
        call    put_word
        leave_guest 0

start_ap:
        cli
        xor     %ax, %ax
        mov     %ax, %ds
        mov     %ax, %es
        mov     %ax, %ss
        mov     $1, %eax                # a stack of its own before anything is called
        cpuid
        shr     $24, %ebx               # initial APIC ID
        shl     $8, %bx
        mov     $AP_STACKS, %sp
        sub     %bx, %sp
        reach_all_memory
        enable_apic
        mov     $APIC_ID, %ecx
        call    apic_read
#ifndef X2APIC
        shr     $24, %eax
#endif
        mov     %ax, %cx
        mov     $1, %bx
        shl     %cl, %bx
        lock orw %bx, ids
        lock incw arrived
1:      sti
        hlt
        jmp     1b

on_ipi:
        pushal
        lock incw taken
        write_apic APIC_EOI, 0
        popal
        iret
