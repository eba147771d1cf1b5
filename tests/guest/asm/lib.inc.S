# Shared by test guests: output on the debug console (port 402h), the end through port F4h, hexadecimal numbers, and the
# way into protected and long mode. RAM from 0 to 16 MiB is free to use.

        .set    SCRATCH_PORT, 0x500
        .set    SCRATCH_MEMORY, 0xd0000000

# Selectors of the table below.
        .set    CODE32, 0x08
        .set    DATA32, 0x10
        .set    CODE64, 0x18

# --- real mode: enters protected mode and goes on at \target (a 32-bit label in .text) with flat segments
        .macro  enter_protected target
        cli
        cld
        lgdtl   %cs:gdt_pointer16
        mov     %cr0, %eax
        and     $0x9fffffff, %eax       # caches on
        or      $1, %eax
        mov     %eax, %cr0
        ljmpl   $CODE32, $\target
        .endm

        .section .text16, "ax"
        .code16
gdt_pointer16:
        .word   gdt_end - gdt - 1
        .long   gdt

        .section .text, "ax"
        .balign 8
gdt:    .quad   0
        .quad   0x00cf9b000000ffff      # CODE32: flat, execute/read, accessed
        .quad   0x00cf93000000ffff      # DATA32: flat, read/write, accessed
        .quad   0x00af9b000000ffff      # CODE64
gdt_end:

# --- protected mode: 32-bit code
        .code32
        .macro  flat_segments
        mov     $DATA32, %ax
        mov     %ax, %ds
        mov     %ax, %es
        mov     %ax, %ss
        mov     %ax, %fs
        mov     %ax, %gs
        mov     $0x7000, %esp
        .endm

# The beginning of a guest that has no use for real mode: what follows is 32-bit code with flat segments.
        .macro  begin_in_protected_mode
        .section .text16, "ax"
        .code16
        .globl start16
start16:
        enter_protected start32
        .section .text, "ax"
        .code32
start32:
        flat_segments
        .endm

# Identity-maps the first 4 GiB with 2 MiB pages (PML4 10000h, PDPT 11000h, PDs 12000h to 15FFFh) and enters long mode
# at \target.
        .macro  enter_long target
        cld
        xor     %eax, %eax
        mov     $0x10000, %edi
        mov     $0x6000 / 4, %ecx
        rep     stosl
        movl    $0x11003, 0x10000
        mov     $0x12003, %eax
        mov     $0x11000, %edi
        mov     $4, %ecx
8:      mov     %eax, (%edi)
        add     $0x1000, %eax
        add     $8, %edi
        loop    8b
        mov     $0x83, %eax             # present, writable, 2 MiB
        mov     $0x12000, %edi
        mov     $2048, %ecx
9:      mov     %eax, (%edi)
        add     $0x200000, %eax
        add     $8, %edi
        loop    9b
        mov     %cr4, %eax
        or      $0x20, %eax             # PAE
        mov     %eax, %cr4
        mov     $0x10000, %eax
        mov     %eax, %cr3
        mov     $0xc0000080, %ecx       # EFER.LME
        rdmsr
        or      $0x100, %eax
        wrmsr
        mov     %cr0, %eax
        or      $0x80000000, %eax
        mov     %eax, %cr0
        ljmp    $CODE64, $\target
        .endm

        .include "print.inc.S"
