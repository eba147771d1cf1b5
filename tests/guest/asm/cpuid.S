# Prints what CPUID says: one line "LEAF SUBLEAF EAX EBX ECX EDX" for each leaf of the table below, in hexadecimal.

        .include "lib.inc.S"

        begin_in_protected_mode
        mov     $leaves, %ebp
1:      mov     (%ebp), %eax
        cmp     $-1, %eax
        je      2f
        mov     4(%ebp), %ecx
        call    hex32
        mov     $space, %esi
        call    print32
        mov     %ecx, %eax
        call    hex32
        call    print32
        mov     (%ebp), %eax
        cpuid
        mov     %ecx, %edi
        call    hex32
        call    print32
        mov     %ebx, %eax
        call    hex32
        call    print32
        mov     %edi, %eax
        call    hex32
        call    print32
        mov     %edx, %eax
        call    hex32
        mov     $newline, %esi
        call    print32
        add     $8, %ebp
        jmp     1b
2:      xor     %al, %al
        jmp     leave32

space:  .asciz  " "
newline:
        .asciz  "\n"
        .balign 4
leaves: .long   0, 0, 1, 0, 4, 0, 7, 0, 0xb, 0, 0xb, 1, 0xb, 2, 0xd, 0, 0x15, 0
        .long   0x80000000, 0, 0x80000001, 0, 0x80000002, 0, 0x80000003, 0, 0x80000004, 0, 0x80000008, 0
        .long   0x40000000, 0, 0x40000001, 0, 0x40000010, 0
        .long   -1
