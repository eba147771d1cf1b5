# An x87 instruction in protected mode: fine on real hardware; a KVM that emulates kernel mode cannot.

        .include "lib.inc.S"

        begin_in_protected_mode
        print_char '1'
        fld1
        print_char '2'
        xor     %al, %al
        jmp     leave32
