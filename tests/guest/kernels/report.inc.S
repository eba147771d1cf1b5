# What test kernels print, a line each: "name value…\n". Numbers are eight hexadecimal digits; of 64-bit ones the upper
# half comes first.

        .include "print.inc.S"

# \text at its place in the code.
        .macro  say suffix, si, text
        .pushsection .rodata
9990:   .asciz  "\text"
        .popsection
        push    \si
        mov     $9990b, \si
        call    print\suffix
        pop     \si
        .endm

        .macro  say32 text
        say     32, %esi, "\text"
        .endm
        .macro  say64 text
        say     64, %rsi, "\text"
        .endm

        .section .text, "ax"
        .code32
        .macro  reports suffix, a, b, c, si, di
# EAX as a number and a space
number\suffix:
        call    hex\suffix
        say\suffix " "
        ret
# a number from memory: 32 or 64 bits at ESI/RSI, which goes on behind it
long\suffix:
        mov     (\si), %eax
        add     $4, \si
        jmp     number\suffix
quad\suffix:
        mov     4(\si), %eax
        call    number\suffix
        mov     (\si), %eax
        add     $8, \si
        jmp     number\suffix
# ECX bytes at ESI/RSI, as they are
bytes\suffix:
        push    \si
        push    \c
        jecxz   2f
        mov     $CONSOLE, %edx
1:      lodsb
        out     %al, %dx
        dec     %ecx
        jnz     1b
2:      pop     \c
        pop     \si
        ret
newline\suffix:
        push    \a
        push    \si
        mov     $CONSOLE, %edx
        mov     $10, %al
        out     %al, %dx
        pop     \si
        pop     \a
        ret
        .endm

        .code32
        reports 32, %eax, %ebx, %ecx, %esi, %edi
        .code64
        reports 64, %rax, %rbx, %rcx, %rsi, %rdi

# --- once more after a reset: with a command line that starts with 'r' a kernel that runs for the first time since the
# machine was switched on destroys what it was loaded with and resets the machine by a triple fault. RAM keeps the count.
        .set    BOOTS, 0x80000
        .macro  again suffix, cmdline, first, bytes
        cmpb    $'r', (\cmdline)
        jne     1f
        cmpl    $0, BOOTS
        jne     1f
        incl    BOOTS
        lidt    no_idt
        mov     $\first, %edi           # from where on; the code that does it is behind
        mov     $\bytes, %ecx
        xor     %eax, %eax
        movb    $0, (\cmdline)
        cld
        rep     stosb
        ud2
1:
        .endm

        .section .text
no_idt: .quad   0, 0
