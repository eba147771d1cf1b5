# A kernel for gdb to debug: it begins in 32-bit protected mode (PVH), goes to long mode and to high addresses, starts
# the other CPUs, and then does the same few things for ever.

        .equ    CODE32, 0x08
        .equ    DATA, 0x10
        .equ    CODE64, 0x18
        .equ    HIGH, 0xffffffff80000000
        .equ    APIC, 0xfee00000
        .equ    TRAMPOLINE, 0x8000

        .macro  function name
        .globl  \name
        .type   \name, @function
\name:
        .endm

        .section .note.Xen, "a", @note
        .balign 4
        .long   4, 8, 18                # XEN_ELFNOTE_PHYS32_ENTRY
        .asciz  "Xen"
        .quad   entry

        .section .low, "awx", @progbits
        .code32
function entry
        mov     $stack_low, %esp
        call    make_tables
        call    before_paging
        call    page
        ljmp    $CODE64, $low64

function before_paging
        mov     $0x5555, %esi
        ret

make_tables:
        movl    $pdpt + 3, pml4
        movl    $pdpt + 3, pml4 + 511 * 8
        movl    $directory + 3, pdpt
        movl    $directory + 3, pdpt + 510 * 8
        movl    $registers + 3, pdpt + 3 * 8
        movl    $APIC + 0x9b, registers + 503 * 8       # 2 MiB with the local APIC, not cached
        xor     %ecx, %ecx
1:      mov     %ecx, %eax
        shl     $21, %eax
        or      $0x83, %eax
        mov     %eax, directory(, %ecx, 8)
        inc     %ecx
        cmp     $512, %ecx
        jne     1b
        ret

# Long mode, by the tables above; also for the other CPUs.
page:   lgdt    gdt_pointer
        mov     $DATA, %eax
        mov     %eax, %ds
        mov     %eax, %es
        mov     %eax, %ss
        mov     %cr4, %eax
        or      $0x620, %eax            # PAE, OSFXSR, OSXMMEXCPT
        mov     %eax, %cr4
        mov     $pml4, %eax
        mov     %eax, %cr3
        mov     $0xc0000080, %ecx
        rdmsr
        or      $0x100, %eax            # LME
        wrmsr
        mov     %cr0, %eax
        or      $0x80000002, %eax       # PG, MP
        and     $~4, %eax               # EM
        mov     %eax, %cr0
        ret

        .code64
low64:  mov     $start64, %rax
        jmp     *%rax
ap_low64:
        mov     $ap_main, %rax
        jmp     *%rax

        .code16
trampoline:
        cli
        lgdtl   %cs:gdt_pointer_copy - trampoline
        mov     %cr0, %eax
        or      $1, %eax
        mov     %eax, %cr0
        ljmpl   $CODE32, $ap32
gdt_pointer_copy:
        .word   31
        .long   gdt
trampoline_end:
        .code32
ap32:   mov     $DATA, %eax
        mov     %eax, %ds
        mov     %eax, %es
        mov     %eax, %ss
        mov     $1, %eax
        lock xadd %eax, arrived
        mov     %eax, %ebp              # 1 for the first
        shl     $8, %eax
        lea     ap_stacks(%eax), %esp
        call    page
        ljmp    $CODE64, $ap_low64

        .balign 8
gdt:    .quad   0, 0x00cf9b000000ffff, 0x00cf93000000ffff, 0x00af9b000000ffff
gdt_pointer:
        .word   31
        .long   gdt
arrived:
        .long   1
        .balign 4096
pml4:   .skip   4096
pdpt:   .skip   4096
directory:
        .skip   4096
registers:
        .skip   4096
        .skip   256
stack_low:
ap_stacks:
        .skip   256 * 16

        .section .high, "awx", @progbits
        .code64
function start64
        mov     $stack, %rsp
        mov     $trampoline, %esi
        mov     $TRAMPOLINE, %edi
        mov     $trampoline_end - trampoline, %ecx
        rep movsb
        mov     $APIC, %ebx
        movl    $0x1ff, 0xf0(%rbx)
        movl    $0xc4500, 0x300(%rbx)   # INIT to all others
        mov     $20000, %ecx
1:      dec     %ecx
        jnz     1b
        movl    $0xc4608, 0x300(%rbx)   # start-up IPI
        fldpi
        mov     $0x3ff8000000000000, %rax       # 1.5
        movq    %rax, %xmm3
main_loop:
        call    work
        call    modify
        jmp     main_loop

function work
        incq    watched
        mov     only_read, %rax
        inc     %rax
        ret

# Code that changes with each round.
function modify
        incb    patched + 1
        call    patched
        mov     %al, result
        ret

function patched
        mov     $0, %al
        ret

function ap_main
        mov     %ebp, %ebp
ap_loop:
        incq    counters(, %rbp, 8)
        pause
        jmp     ap_loop

        .section .high_data, "aw", @progbits
        .balign 8
        .globl  watched, only_read, result, counters
        .type   watched, @object
        .size   watched, 8
watched:        .quad 0
        .type   only_read, @object
        .size   only_read, 8
only_read:      .quad 77
        .type   counters, @object
counters:       .skip 8 * 16
result:         .quad 0
        .balign 4096                    # an accelerator may not be able to watch a page with the stack
        .skip   512
stack:
