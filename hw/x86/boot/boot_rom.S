# Option ROM that carries out a boot plan (boot_plan.h) on a board with firmware: it fetches the parts of the kernel
# through fw_cfg, asks the firmware for the memory map if the kernel wants one, and enters the kernel.
#
# Source: Plug and Play BIOS Specification 1.0A, section 3 (option ROM header, "expansion header", bootstrap entry
# vector, BEV); BIOS Boot Specification 1.01; INT 15h, AX=E820h: ACPI specification 6.4, 15.1. fw_cfg: hw/nvram/fw_cfg.h.
#
# It lies in the program as data. boot_rom.cpp fills in `parameters` and the checksum and hands a copy to the firmware,
# which puts it somewhere between C0000h and EFFFFh: nothing here depends on where. All symbols are offsets from
# `machina_boot_rom`.

        .set    FW_CFG_SELECT, 0x510
        .set    FW_CFG_DATA, 0x511
        .set    FW_CFG_DMA, 0x514
        .set    ITEM_ID, 0x01
        .set    ID_DMA, 1 << 1
        .set    DMA_ERROR, 1 << 0
        .set    DMA_READ, 1 << 1
        .set    DMA_SELECT, 1 << 3

        .set    STACK, 0x7000           # linear, and in segment 0: free once the firmware starts a boot loader
        .set    DATA, 0x18              # selectors of the plan's GDT
        .set    CODE, 0x10

        .section .rodata.machina_boot_rom, "a", @progbits
        .balign 16
        .code16
        .globl  machina_boot_rom
        .globl  machina_boot_rom_end
        .type   machina_boot_rom, @object
machina_boot_rom:
        .byte   0x55, 0xaa
        .byte   (machina_boot_rom_end - machina_boot_rom) / 512
        jmp     init
        .org    machina_boot_rom + 0x1a, 0
        .word   pnp - machina_boot_rom

        .org    machina_boot_rom + 0x20, 0
pnp:    .ascii  "$PnP"
        .byte   1                       # version of the structure
        .byte   2                       # length, in 16 bytes
        .word   0                       # next header
        .byte   0
        .byte   0                       # checksum: filled in
        .long   0                       # device identifier
        .word   0                       # manufacturer
        .word   product - machina_boot_rom
        .byte   0, 0x80, 0x02           # device type: memory controller, other; there is none for what this is
        .byte   0xe4                    # indicators: supports DDIM, shadowable, read cacheable, IPL device
        .word   0, 0
        .word   boot - machina_boot_rom # bootstrap entry vector
        .word   0, 0

# What differs from plan to plan; struct of boot_rom.cpp.
        .org    machina_boot_rom + 0x40, 0
parameters:
mode:           .byte   0               # EntryMode: 0 real, 1 protected, 2 long
map_before:     .byte   0               # bytes before each entry of the map: its size (Multiboot)
map_behind:     .byte   0               # zero bytes behind each
map_unit:       .byte   0               # the count is entries times this
map_table:      .long   0               # linear addresses below 1 MiB; 0: not wanted
map_capacity:   .long   0
map_count:      .long   0
rsdp_slot:      .long   0
entry_ip:       .long   0
entry_eax:      .long   0
entry_ebx:      .long   0
entry_esi:      .long   0
entry_esp:      .long   0
entry_segment:  .word   0
data_segment:   .word   0
gdt:            .long   0
page_table:     .long   0

        .org    machina_boot_rom + 0x80, 0
# Numbers of the items of each part: address, size, data.
parts:
        .word   0x07, 0x08, 0x11        # kernel
        .word   0x0a, 0x0b, 0x12        # initrd
        .word   0x13, 0x14, 0x15        # command line
        .word   0x16, 0x17, 0x18        # setup
parts_end:

# Real mode and flat data: for string input to any address.
big_gdt:
        .quad   0
        .quad   0x00cf93000000ffff
big_gdt_end:

product:
        .asciz  "Kernel (-kernel)"
failed: .asciz  "The kernel cannot be read from the firmware configuration device.\r\n"

# Operands: DS is the segment of this ROM.
        .macro  field insn, name, register
        \insn   (\name - machina_boot_rom), \register
        .endm

# --- called when the firmware finds the ROM: there is nothing to set up
init:   mov     $0x20, %ax              # an IPL device is attached
        lret

# --- bootstrap entry vector
boot:   cli
        cld
        mov     %cs, %ax
        mov     %ax, %ds
        xor     %ax, %ax
        mov     %ax, %ss
        mov     $STACK, %esp

        mov     $(parts - machina_boot_rom), %si
1:      call    fetch
        add     $6, %si
        cmp     $(parts_end - machina_boot_rom), %si
        jb      1b

        call    store_map
        call    store_rsdp

        cmpb    $0, (mode - machina_boot_rom)
        je      enter_real
        jmp     enter_protected

# --- the part whose item numbers are at DS:SI goes to its address
fetch:  mov     2(%si), %ax
        call    item32
        test    %eax, %eax
        jz      9f
        mov     %eax, %ecx
        mov     (%si), %ax
        call    item32
        mov     %eax, %edi
        mov     $ITEM_ID, %ax
        call    item32
        test    $ID_DMA, %al
        jz      fetch_bytes

# By DMA. The descriptor, big-endian, is made on the stack: control, length, address.
        mov     %edi, %eax
        bswap   %eax
        push    %eax
        pushl   $0
        bswap   %ecx
        push    %ecx
        movzwl  4(%si), %eax
        shl     $16, %eax
        or      $(DMA_SELECT | DMA_READ), %eax
        bswap   %eax
        push    %eax
        mov     $FW_CFG_DMA, %dx
        xor     %eax, %eax
        out     %eax, %dx
        mov     %esp, %eax
        bswap   %eax
        add     $4, %dx
        out     %eax, %dx               # starts it
2:      mov     %ss:(%esp), %eax
        test    %eax, %eax
        jz      3f
        test    $(DMA_ERROR << 24), %eax
        jz      2b
        jmp     fail
3:      add     $16, %sp
9:      ret

# By string input, to beyond 1 MiB: ES keeps the 4 GiB limit that it gets in protected mode.
fetch_bytes:
        mov     4(%si), %ax
        mov     $FW_CFG_SELECT, %dx
        out     %ax, %dx
        mov     %ds, %eax
        movzwl  %ax, %eax
        shl     $4, %eax
        add     $(big_gdt - machina_boot_rom), %eax
        push    %eax
        pushw   $(big_gdt_end - big_gdt - 1)
        lgdtl   %ss:(%esp)
        add     $6, %sp
        mov     %cr0, %eax
        or      $1, %al
        mov     %eax, %cr0
        mov     $8, %dx
        mov     %dx, %es
        and     $0xfe, %al
        mov     %eax, %cr0
        jmp     4f
4:      mov     %ss, %ax                # 0: base 0, and the limit stays
        mov     %ax, %es
        mov     $FW_CFG_DATA, %dx
        rep insb (%dx), %es:(%edi)
        ret

# --- EAX: the first 32 bits of item AX. Changes DX.
item32: mov     $FW_CFG_SELECT, %dx
        out     %ax, %dx
        inc     %dx
        push    %cx
        mov     $4, %cx
5:      in      (%dx), %al
        ror     $8, %eax
        loop    5b
        pop     %cx
        ret

fail:   mov     $(failed - machina_boot_rom), %si
6:      lodsb
        test    %al, %al
        jz      7f
        mov     $0x0e, %ah
        mov     $7, %bx
        int     $0x10
        jmp     6b
7:      sti
        int     $0x18                   # the next boot device

# --- the memory map, as the firmware tells it, in the kernel's form
store_map:
        field   mov, map_table, %eax
        test    %eax, %eax
        jz      9f
        mov     %ax, %di
        and     $15, %di
        shr     $4, %eax
        mov     %ax, %es
        xor     %ebx, %ebx
        xor     %bp, %bp                # entries
1:      cmpb    $0, (map_before - machina_boot_rom)
        je      2f
        movl    $20, %es:(%di)
        add     $4, %di
2:      mov     $0xe820, %eax
        mov     $0x534d4150, %edx       # "SMAP"
        mov     $20, %ecx
        push    %bp
        push    %di
        push    %ds
        push    %es
        int     $0x15
        pop     %es
        pop     %ds
        pop     %di
        pop     %bp
        jc      8f
        cmp     $0x534d4150, %eax
        jne     8f
        add     $20, %di
        cmpb    $0, (map_behind - machina_boot_rom)
        je      3f
        movl    $0, %es:(%di)
        add     $4, %di
3:      inc     %bp
        cmp     (map_capacity - machina_boot_rom), %bp
        jae     8f
        test    %ebx, %ebx
        jnz     1b
8:      movzwl  %bp, %eax
        movzbl  (map_unit - machina_boot_rom), %ecx
        mul     %ecx
        field   mov, map_count, %ebx
        call    store32
9:      ret

# --- EAX to linear address EBX, below 1 MiB. Changes BX, DX, ES.
store32:
        mov     %ebx, %edx
        shr     $4, %edx
        mov     %dx, %es
        and     $15, %bx
        mov     %eax, %es:(%bx)
        ret

# --- where ACPI's root pointer is: on a boundary of 16 in E0000h to FFFFFh, or in the first KiB of the EBDA
store_rsdp:
        cmpl    $0, (rsdp_slot - machina_boot_rom)
        je      9f
        mov     $0xf000, %ax
        mov     $0x1000, %cx
        call    find_rsdp
        je      1f
        mov     $0xe000, %ax
        mov     $0x1000, %cx
        call    find_rsdp
        je      1f
        mov     $0x40, %ax
        mov     %ax, %es
        mov     %es:0x0e, %ax
        mov     $64, %cx
        call    find_rsdp
        jne     9f
1:      movzwl  %ax, %eax
        shl     $4, %eax
        field   mov, rsdp_slot, %ebx
        call    store32
9:      ret

# CX segments from AX on: ZF and the segment in AX when it is there.
find_rsdp:
        mov     %ax, %es
        cmpl    $0x20445352, %es:0      # "RSD "
        jne     1f
        cmpl    $0x20525450, %es:4      # "PTR "
        je      2f
1:      inc     %ax
        loop    find_rsdp
        or      $1, %cx                 # ZF clear
2:      ret

# --- Linux's real-mode code
enter_real:
        field   mov, data_segment, %ax
        field   mov, entry_segment, %cx
        field   mov, entry_ip, %dx
        field   mov, entry_esp, %ebx
        mov     %ax, %ds
        mov     %ax, %es
        mov     %ax, %fs
        mov     %ax, %gs
        mov     %ax, %ss
        mov     %ebx, %esp
        push    %cx
        push    %dx
        call    clear
        lret

# --- 32- or 64-bit code with flat segments. The far return's target is on the stack before SS changes: in segment 0
# offsets are linear addresses, and stay so.
enter_protected:
        pushl   $CODE
        pushl   (entry_ip - machina_boot_rom)
        push    %ds
        pop     %fs                     # until the last field is read
        pushl   (gdt - machina_boot_rom)
        pushw   $31
        lgdtl   %ss:(%esp)
        add     $6, %sp
        pushl   $0                      # no IDT: what goes wrong from here on is a triple fault
        pushw   $0
        lidtl   %ss:(%esp)
        add     $6, %sp
        mov     %cr0, %eax
        and     $0x1fffffff, %eax       # caches on
        or      $1, %al
        mov     %eax, %cr0
        jmp     1f
1:      mov     $DATA, %cx
        mov     %cx, %ss                # 32 bits wide from here on
        mov     %cx, %es
        mov     %cx, %gs
        cmpb    $2, %fs:(mode - machina_boot_rom)
        jne     2f
        mov     %fs:(page_table - machina_boot_rom), %eax
        mov     %eax, %cr3
        mov     %cr4, %eax
        or      $0x20, %al              # PAE
        mov     %eax, %cr4
        mov     $0xc0000080, %ecx       # EFER.LME
        rdmsr
        or      $1, %ah
        wrmsr
        mov     %cr0, %eax
        or      $0x80000000, %eax       # paging: long mode, in its compatibility mode until CS changes
        mov     %eax, %cr0
        jmp     2f
2:      call    clear_all
        mov     %fs:(entry_ebx - machina_boot_rom), %ebx
        mov     %fs:(entry_esi - machina_boot_rom), %esi
        mov     %fs:(entry_eax - machina_boot_rom), %eax
        push    %eax
        mov     $DATA, %ax
        mov     %ax, %ds
        mov     %ax, %fs
        pop     %eax
        lretl

clear_all:
        xor     %eax, %eax
clear:  xor     %eax, %eax
        xor     %ebx, %ebx
        xor     %ecx, %ecx
        xor     %edx, %edx
        xor     %esi, %esi
        xor     %edi, %edi
        xor     %ebp, %ebp
        ret

        .balign 512, 0
machina_boot_rom_end:
        .size   machina_boot_rom, machina_boot_rom_end - machina_boot_rom
        .section .note.GNU-stack, "", @progbits
