# MSRs: what RDMSR gives back of WRMSR, and #GP for one that does not exist. Output as in real.S.

        .include "check.inc.S"

        .code16
        .section .text16, "ax"
        .globl start16
start16:
        cli
        cld
        xor     %ax, %ax
        mov     %ax, %ds
        mov     %ax, %ss
        mov     $0x7000, %sp
        movw    $general_protection, 13 * 4
        movw    %cs, 13 * 4 + 2

        .macro  round_trip index, low, high
        mov     $\index, %ecx
        mov     $\low, %eax
        mov     $\high, %edx
        wrmsr
        xor     %eax, %eax
        xor     %edx, %edx
        rdmsr
        cmp     $\low, %eax
        .endm

        round_trip 0x174, 0x1234, 0             # SYSENTER_CS
        check   'a'
        round_trip 0x175, 0x89abcdef, 0x00001234  # SYSENTER_ESP
        check   'b'
        cmp     $0x1234, %edx
        check   'c'
        round_trip 0x277, 0x00070406, 0x00070406  # PAT
        check   'd'
        round_trip 0xc0000081, 0, 0x00230010    # STAR
        check   'e'
        round_trip 0xc0000082, 0x12345678, 0x00000001  # LSTAR
        check   'f'
        round_trip 0x2ff, 0xc06, 0              # MTRR_DEF_TYPE
        check   'g'
        mov     $0x1b, %ecx                     # APIC_BASE: FEE00900h on the bootstrap processor
        rdmsr
        cmp     $0xfee00900, %eax
        check   'h'
        xor     %bp, %bp
        mov     $0x12345, %ecx                  # nobody has it
        rdmsr
        cmp     $1, %bp
        check   'i'
        mov     $0x12345, %ecx
        wrmsr
        cmp     $2, %bp
        check   'j'
        rdtsc
        mov     %eax, %ebx
        rdtsc
        cmp     %eax, %ebx
        setne   %al                             # it moves
        cmp     $1, %al
        check   'k'
        xor     %al, %al
        out     %al, $0xf4
1:      cli
        hlt
        jmp     1b

general_protection:                             # counts, and goes on behind the instruction (2 bytes)
        inc     %bp
        push    %bx
        mov     %sp, %bx
        addw    $2, %ss:2(%bx)
        pop     %bx
        iret

        define_report %ax, %dx
