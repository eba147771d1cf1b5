# Three faults in a row: an interrupt descriptor table without entries, and an undefined instruction.

        .include "lib.inc.S"

        begin_in_protected_mode
        print_char 't'
        lidt    no_idt
        ud2
        print_char '!'                  # not reached
        jmp     leave32
no_idt: .word   0
        .long   0
