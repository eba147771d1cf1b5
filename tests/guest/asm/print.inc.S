# Output on the debug console (port 402h), hexadecimal numbers, and the end through port F4h, for code of 32 and 64 bits.

        .set    CONSOLE, 0x402
        .set    EXIT, 0xf4

        # Changes AL, DX.
        .macro  print_char c
        mov     $\c, %al
        mov     $CONSOLE, %dx
        out     %al, %dx
        .endm

# These encode alike in 32- and 64-bit code; each is assembled for both.
# print: the zero-terminated text at ESI/RSI. hex: EAX as 8 digits. Both keep all registers but flags.
        .macro  library suffix, a, c, d, si, sp
print\suffix:
        push    \a
        push    \d
        push    \si
        mov     $CONSOLE, %edx
1:      lodsb
        test    %al, %al
        jz      2f
        out     %al, %dx
        jmp     1b
2:      pop     \si
        pop     \d
        pop     \a
        ret

hex\suffix:
        push    \a
        push    \c
        push    \d
        push    \si
        mov     %eax, %esi
        mov     $8, %ecx
        mov     $CONSOLE, %edx
1:      rol     $4, %esi
        mov     %esi, %eax
        and     $15, %al
        cmp     $10, %al
        jb      2f
        add     $'a' - '0' - 10, %al
2:      add     $'0', %al
        out     %al, %dx
        dec     %ecx
        jnz     1b
        pop     \si
        pop     \d
        pop     \c
        pop     \a
        ret

# ends the machine with exit code AL << 1 | 1
leave\suffix:
        out     %al, $EXIT
1:      cli
        hlt
        jmp     1b
        .endm

        .code32
        library 32, %eax, %ecx, %edx, %esi, %esp
        .code64
        library 64, %rax, %rcx, %rdx, %rsi, %rsp
