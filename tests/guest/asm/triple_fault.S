# Three faults in a row: an interrupt descriptor table without entries, and an undefined instruction.

        .include "lib.inc.S"

        begin_in_protected_mode
        mov     $'t', %al
        mov     $CONSOLE, %edx
        out     %al, %dx
        lidt    no_idt
        ud2
        mov     $'!', %al               # not reached
        out     %al, %dx
        jmp     leave32
no_idt: .word   0
        .long   0
