# A kernel with a PVH entry, which tells what it was given. Source: Xen's x86/HVM direct boot ABI, start_info version 1.

        .include "report.inc.S"

        .section .note.Xen, "a", @note
        .balign 4
        .long   4, 8, 18                # of the name, of the data; XEN_ELFNOTE_PHYS32_ENTRY
        .asciz  "Xen"
        .quad   entry

        .section .head, "awx", @progbits
        .code32
        .globl  entry
entry:  mov     $0x7f000, %esp
        mov     %ebx, %ebp
        say32   "pvh "
        mov     %cr0, %eax
        call    number32
        mov     %cr4, %eax
        call    number32
        mov     %cs, %eax
        call    number32
        mov     %ds, %eax
        call    number32
        call    newline32
        jmp     report
head_end:
        .set    head_size, head_end - entry

        .section .text
report: say32   "start_info "           # magic, version
        lea     (%ebp), %esi
        call    long32
        call    long32
        call    newline32

        say32   "cmdline "
        mov     24(%ebp), %esi
        call    print32
        call    newline32

        mov     12(%ebp), %ecx          # modules
        mov     16(%ebp), %edi
        jecxz   2f
1:      say32   "module "
        push    %ecx
        mov     8(%edi), %ecx
        mov     (%edi), %esi
        call    bytes32
        pop     %ecx
        call    newline32
        add     $32, %edi
        dec     %ecx
        jnz     1b
2:
        say32   "rsdp "
        lea     32(%ebp), %esi
        call    quad32
        call    newline32

        mov     48(%ebp), %ecx          # memory map
        mov     40(%ebp), %esi
        jecxz   2f
1:      say32   "memory "
        call    quad32
        call    quad32
        call    long32
        call    long32                  # reserved: 0
        call    newline32
        dec     %ecx
        jnz     1b
2:
        mov     zeroes, %eax            # .bss
        say32   "bss "
        call    number32
        call    newline32
        movl    $1, zeroes

        mov     24(%ebp), %eax
        again   32, %eax, entry, head_size
        mov     BOOTS, %eax
        say32   "boots "
        call    number32
        call    newline32
        mov     $0x10, %al
        jmp     leave32

        .section .bss, "aw", @nobits
        .skip   0x2000
zeroes: .skip   4
