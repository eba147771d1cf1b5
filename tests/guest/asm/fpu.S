# An x87 instruction in protected mode: fine on real hardware; a KVM that emulates kernel mode cannot.

        .include "lib.inc.S"

        begin_in_protected_mode
        mov     $'1', %al
        mov     $CONSOLE, %edx
        out     %al, %dx
        fld1
        mov     $'2', %al
        out     %al, %dx
        xor     %al, %al
        jmp     leave32
