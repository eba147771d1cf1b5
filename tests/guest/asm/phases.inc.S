# What one CPU changes in steps, called phases, while others use it: code whose result, or memory whose content, is a number
# modulo 128 in each byte of EAX.

        .equ    PHASE, 0x600000         # how many changes have been made, and seen by all

# What mov imm32, %eax loads in this phase.
        .macro  number_of phase
        mov     \phase, %eax
        and     $0x7f, %eax
        imul    $0x01010101, %eax, %eax
        .endm

# What a CPU saw at RDI, in EAX, while phase R10 and maybe others after it were in force, up to the next after R11.
# R13: results that are neither; R14: those that are too old or too new; R15: how many there were.
        .macro  judge
        mov     PHASE, %r11
        inc     %r15
        movzbl  %al, %ecx
        imul    $0x01010101, %ecx, %ecx
        cmp     %ecx, %eax
        je      4f
        inc     %r13
        jmp     5f
4:      sub     %r10, %r11
        cmp     $100, %r11
        ja      5f                      # too many to tell
        inc     %r11
        sub     %r10d, %eax
        and     $0x7f, %eax
        cmp     %r11, %rax
        jbe     5f
        inc     %r14
5:
        .endm
