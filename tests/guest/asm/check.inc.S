# What a guest that checks one thing after the other prints: a letter for each.

# The last comparison should have found equal: prints the letter, with '!' before it when it has not. Changes AL.
        .macro  check letter, routine=report
        mov     $\letter, %al
        call    \routine
        .endm

# Its routine; \a and \d are what AX and DX are pushed as in the mode of the guest, or of a part of it.
        .macro  define_report a, d, routine=report
\routine:
        push    \d
        mov     $0x402, %dx
        je      1f
        push    \a
        mov     $'!', %al
        out     %al, %dx
        pop     \a
1:      out     %al, %dx
        pop     \d
        ret
        .endm
