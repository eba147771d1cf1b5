# Time stamp counters of two CPUs. Prints: bits 32 to 47 of the counter at the start (what is above saturates), turns
# taken, and how often a CPU read less than the other had before. Then the machine is reset by a triple fault, and the
# second start prints whether its counter stands below (1) or above (0) what it was before.

        .include "lib.inc.S"

        .code16
#include "real.inc.S"
#include "apic.inc.S"
        .equ    turn, VARS              # whose it is
        .equ    went_back, VARS + 2
        .equ    last, VARS + 8
        .equ    TURNS, 100
        .equ    AP_STACK, 0x6000
        .equ    before_reset, 0x5000    # survives: start_real clears the variables alone
        .equ    marker, 0x5008

        .macro  take_turn mine, next
1:      pause
        cmpw    $\mine, turn
        jne     1b
        rdtsc
        mov     %eax, %esi
        mov     %edx, %edi
        sub     last, %eax
        sbb     last + 4, %edx
        jnc     2f
        lock incw went_back
2:      mov     %esi, last
        mov     %edi, last + 4
        movw    $\next, turn
        .endm

        .section .text16, "ax"
        .globl start16
start16:
        rdtsc
        mov     %eax, %ebp
        mov     %edx, %ebx
        start_real
        cmpl    $0x600d600d, marker
        je      second_start
        cmp     $0xffff, %ebx
        jbe     3f
        mov     $0xffff, %ebx
3:      mov     %bx, %ax
        call    put_word

        reach_all_memory
        init_pic 0xff, 0xff
        enable_apic
        start_others_at start_ap
        xor     %bp, %bp
4:      take_turn 0, 1
        inc     %bp
        cmp     $TURNS, %bp
        jb      4b
        mov     %bp, %ax
        call    put_word
        mov     went_back, %ax
        call    put_word

        # As hardware does it, a reset sets the counter to 0: far enough away from there to tell.
        mov     $5, %bp
5:      call    wait_10ms
        dec     %bp
        jnz     5b
        movl    $0x600d600d, marker
        rdtsc
        mov     %eax, before_reset
        mov     %edx, before_reset + 4
        enter_protected fault32

second_start:
        sub     before_reset, %ebp
        sbb     before_reset + 4, %ebx
        setb    %al
        xor     %ah, %ah
        call    put_word
        leave_guest 0

start_ap:
        cli
        xor     %ax, %ax
        mov     %ax, %ds
        mov     %ax, %ss
        mov     $AP_STACK, %sp
6:      take_turn 1, 0
        jmp     6b

        .section .text, "ax"
        .code32
fault32:
        lidt    no_idt
        ud2
no_idt: .word   0
        .long   0
