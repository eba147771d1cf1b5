# What a boot loader takes for a Linux kernel, with all three entries. It tells what it was given: processor state, the
# fields of its zero page, command line, initrd, memory map. Source: Documentation/arch/x86/boot.rst of Linux.

        .include "report.inc.S"

        .set    SETUP_SECTS, 4
        .section .setup, "awx", @progbits
        .code16
        .org    0x1f1
        .byte   SETUP_SECTS
        .word   0
        .long   kernel_paragraphs # syssize
        .word   0, 0, 0
        .word   0xaa55
        .byte   0xeb, header_end - 0x202
        .ascii  "HdrS"
        .word   0x20f                   # version
        .long   0
        .word   0
        .word   release - 0x200
        .byte   0                       # type_of_loader
loadflags:
        .byte   1                       # LOADED_HIGH
        .word   0
        .long   0x100000                # code32_start
        .long   0, 0                    # ramdisk_image, ramdisk_size
        .long   0
        .word   0                       # heap_end_ptr
        .byte   0, 0
cmd_line_ptr:
        .long   0
        .long   0x7fffffff              # initrd_addr_max
        .long   0x100000                # kernel_alignment
        .byte   1                       # relocatable_kernel
        .byte   20
        .word   1                       # xloadflags: XLF_KERNEL_64
        .long   255                     # cmdline_size
        .long   0
        .quad   0
        .long   0, 0                    # payload_offset, payload_length
        .quad   0                       # setup_data
        .quad   0x100000                # pref_address
        .long   0x100000                # init_size
        .long   0, 0
header_end:

# --- 16-bit entry: 200h jumps over the header to here
start16:
        cli
        cld
        mov     $(text16 - 0), %si
        call    print16
        mov     %cs, %ax
        call    hex16
        mov     %ds, %ax
        call    hex16
        mov     %ss, %ax
        call    hex16
        mov     %sp, %ax
        call    hex16
        mov     $0x000a, %ax
        mov     $CONSOLE, %dx
        out     %al, %dx
        mov     $(text_bios - 0), %si
        call    print16
        int     $0x12                   # base memory in KiB: the firmware is there
        call    hex16
        mov     $0x0a, %al
        mov     $CONSOLE, %dx
        out     %al, %dx
        # The setup header becomes the zero page, as far as this kernel looks at it, and the 32-bit entry goes on.
        xor     %esi, %esi
        mov     %ds, %si
        shl     $4, %esi
        lea     setup_gdt(%esi), %eax
        mov     %eax, setup_gdt_base
        lgdtl   setup_gdt_pointer
        mov     %cr0, %eax
        and     $0x9fffffff, %eax
        or      $1, %al
        mov     %eax, %cr0
        mov     $0x18, %ax
        mov     %ax, %ds
        mov     %ax, %es
        mov     %ax, %ss
        xor     %ebx, %ebx
        xor     %edi, %edi
        xor     %ebp, %ebp
        ljmpl   $0x10, $0x100000

print16:
        mov     $CONSOLE, %dx
1:      lodsb
        test    %al, %al
        jz      2f
        out     %al, %dx
        jmp     1b
2:      ret
hex16:  mov     $4, %cx
        mov     %ax, %bx
        mov     $CONSOLE, %dx
1:      rol     $4, %bx
        mov     %bl, %al
        and     $15, %al
        cmp     $10, %al
        jb      2f
        add     $'a' - '0' - 10, %al
2:      add     $'0', %al
        out     %al, %dx
        loop    1b
        mov     $' ', %al
        out     %al, %dx
        ret

text16: .asciz  "entry16 "
text_bios:
        .asciz  "base memory "
release:
        .asciz  "6.1.0-fake"
        .balign 8
setup_gdt:
        .quad   0, 0
        .quad   0x00cf9b000000ffff
        .quad   0x00cf93000000ffff
setup_gdt_pointer:
        .word   31
setup_gdt_base:
        .long   0
        .org    (SETUP_SECTS + 1) * 512

# --- 32-bit entry: the start of the kernel. ESI: zero page
        .section .head, "awx", @progbits
        .code32
        .globl  entry
entry:  mov     $0x7f000, %esp          # Linux has a stack of its own, too
        push    %esi
        say32   "entry32 "
        mov     %cr0, %eax
        call    number32
        mov     %cs, %eax
        call    number32
        mov     %ds, %eax
        call    number32
        mov     %ss, %eax
        call    number32
        mov     %ebx, %eax
        or      %edi, %eax
        or      %ebp, %eax              # must be 0
        call    number32
        call    newline32
        pop     %esi
        jmp     report32

        .org    0x200
# --- 64-bit entry. RSI: zero page
        .code64
        mov     $0x7f000, %esp
        push    %rsi
        say64   "entry64 "
        mov     %cr0, %rax
        call    number64
        mov     %cr4, %rax
        call    number64
        mov     $0xc0000080, %ecx
        rdmsr
        call    number64
        mov     %cs, %eax
        call    number64
        mov     %ds, %eax
        call    number64
        mov     %ss, %eax
        call    number64
        mov     $0x2ff, %ecx            # MTRRdefType
        rdmsr
        call    number64
        call    newline64
        pop     %rsi
        # The first 4 GiB are mapped to themselves: the last MiB's pages can be read.
        mov     $0xfffffff8, %eax
        mov     (%rax), %rax
        jmp     report64

# --- the zero page at \si
        .macro  report_zero_page suffix, a, b, c, si, di, bp
        .section .text
report\suffix:
        mov     \si, \bp
        say\suffix "loader "
        movzbl  0x210(\bp), %eax
        call    number\suffix
        mov     0x214(\bp), %eax
        call    number\suffix
        call    newline\suffix

        say\suffix "cmdline "
        mov     0x228(\bp), %esi
        call    print\suffix
        call    newline\suffix

        say\suffix "initrd "
        mov     0x21c(\bp), %eax
        call    number\suffix
        mov     0x218(\bp), %esi
        mov     0x21c(\bp), %ecx
        call    bytes\suffix
        call    newline\suffix

        say\suffix "rsdp "
        lea     0x70(\bp), \si
        call    quad\suffix
        call    newline\suffix

        movzbl  0x1e8(\bp), %ecx
        lea     0x2d0(\bp), \si
        jecxz   2f
1:      say\suffix "e820 "
        call    quad\suffix
        call    quad\suffix
        call    long\suffix
        call    newline\suffix
        dec     %ecx
        jnz     1b
2:
        mov     0x228(\bp), %eax
        again   \suffix, \a, entry, head_size
        mov     BOOTS, %eax
        say\suffix "boots "
        call    number\suffix
        call    newline\suffix
        mov     $0x10, %al
        jmp     leave\suffix
        .endm

        .section .head
head_end:
        .set    head_size, head_end - entry
        .code32
        report_zero_page 32, %eax, %ebx, %ecx, %esi, %edi, %ebp
        .code64
        report_zero_page 64, %rax, %rbx, %rcx, %rsi, %rdi, %rbp
