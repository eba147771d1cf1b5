# Shared by test guests: output on the debug console (port 402h), the end through port F4h, hexadecimal numbers, the way
# into protected and long mode, gates of interrupts, other CPUs. RAM from 0 to 16 MiB is free to use.

        .set    SCRATCH_PORT, 0x500
        .set    SCRATCH_MEMORY, 0xd0000000
        .set    IDT, 0x20000            # where it is once `make_idt` has made it
        .set    APIC, 0xfee00000        # the local one, of the CPU that looks there

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
        # In 64-bit code, too. Changes AX.
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

# Goes on at \absent unless the bit of the register of the leaf is set. Changes EAX, EBX, ECX, EDX.
        .macro  unless_cpuid leaf, reg, bit, absent
        mov     $\leaf, %eax
        xor     %ecx, %ecx
        cpuid
        bt      $\bit, %\reg
        jnc     \absent
        .endm

# --- long mode
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
        join_long \target
        .endm

# Enters long mode at \target with the page tables that enter_long has made.
        .macro  join_long target
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

# What follows is 64-bit code with flat segments.
        .macro  go_on_in_long_mode
        enter_long start64
        .code64
start64:
        flat_segments
        .endm

# The same as the beginning of a guest.
        .macro  begin_in_long_mode
        begin_in_protected_mode
        go_on_in_long_mode
        .endm

# --- interrupts, in protected and long mode
# An IDT without gates, and room for those of all vectors. Changes EAX, ECX, EDI.
        .macro  make_idt
        mov     $IDT, %edi
        xor     %eax, %eax
        mov     $256 * 16 / 4, %ecx
        rep     stosl
        lidt    idt_pointer
        .endm
idt_pointer:
        .word   256 * 16 - 1
        .quad   IDT

# An interrupt gate at this address, in long mode its lower half; the upper one is 0. Changes EAX.
        .macro  gate at, handler, selector
        mov     $\handler, %eax
        mov     %ax, \at
        movw    $\selector, \at + 2
        movw    $0x8e00, \at + 4
        shr     $16, %eax
        mov     %ax, \at + 6
        .endm
        .macro  gate32 vector, handler
        gate    IDT+(\vector)*8, \handler, CODE32
        .endm
        .macro  gate64 vector, handler, selector=CODE64
        gate    IDT+(\vector)*16, \handler, \selector
        .endm

# --- other CPUs
# Where they begin: they go on at \target, in long mode with the page tables that enter_long has made.
        .macro  define_start_ap target
        .section .text16, "ax"
        .code16
start_ap:
        enter_protected ap32
        .section .text, "ax"
        .code32
ap32:   flat_segments
        join_long \target
        .code64
        .endm

# 64-bit code: switches on the local APIC and starts all others. Changes RBX, RCX.
        .macro  start_others
        movb    $0xea, 0x8000           # start-up IPIs name a page: ljmp $0xf000, $start_ap
        movw    $start_ap, 0x8001
        movw    $0xf000, 0x8003
        mov     $APIC, %ebx
        movl    $0x1ff, 0xf0(%rbx)
        movl    $0xc4500, 0x300(%rbx)   # INIT to all others
        mov     $5000, %ecx
9:      pause
        loop    9b
        movl    $0xc4608, 0x300(%rbx)   # start-up, page 8
        .endm

        .include "print.inc.S"
