# Local APIC and I/O APIC for real-mode guests. With X2APIC defined, the local APIC's registers are MSRs.
# Registers are named by their offset in the page.

        .equ    APIC_ID, 0x20
        .equ    APIC_EOI, 0xb0
        .equ    APIC_SVR, 0xf0
        .equ    APIC_ICR, 0x300
        .equ    APIC_ICR_HIGH, 0x310
        .equ    APIC_TIMER, 0x320
        .equ    APIC_LVT0, 0x350
        .equ    APIC_INITIAL, 0x380
        .equ    APIC_DIVIDE, 0x3e0

        .equ    wait_began, VARS + 60   # the last of the guests' variables

        # Real mode with segments of 4 GiB, so that FEE00000h and FEC00000h can be reached. DS is 0 before and after.
        .macro  reach_all_memory
        lgdtl   %cs:gdt_flat_pointer
        mov     %cr0, %eax
        or      $1, %al
        mov     %eax, %cr0
        jmp     9f
9:      mov     $8, %bx
        mov     %bx, %ds
        and     $0xfe, %al
        mov     %eax, %cr0
        jmp     9f
9:      xor     %bx, %bx
        mov     %bx, %ds
        .endm

        # Changes EAX, EBX, ECX, EDX.
        .macro  write_apic reg, value
        mov     $\value, %eax
        mov     $\reg, %ecx
        call    apic_write
        .endm

        .macro  enable_apic
#ifdef X2APIC
        mov     $0x1b, %ecx
        rdmsr
        or      $0xc00, %eax
        wrmsr
#endif
        write_apic APIC_SVR, 0x1ff
        .endm

        # Interrupt command: value to the CPUs of one APIC ID.
        .macro  send_ipi value, to
#ifdef X2APIC
        mov     $\value, %eax
        mov     \to, %edx
        mov     $0x830, %ecx
        wrmsr
#else
        mov     \to, %eax
        shl     $24, %eax
        mov     $APIC_ICR_HIGH, %ecx
        call    apic_write
        write_apic APIC_ICR, \value
#endif
        .endm

        # Starts all others in real mode at \target: INIT and start-up. A start-up IPI names a page: 8000h jumps there.
        .macro  start_others_at target
        movb    $0xea, 0x8000
        movw    $\target, 0x8001
        movw    $0xf000, 0x8003
        send_ipi 0xc4500, $0            # to all but self
        call    wait_10ms
        send_ipi 0xc4608, $0
        .endm

        # Redirection entry of a pin.
        .macro  route_pin pin, low, high
        mov     $(0x10 + 2 * \pin + 1), %ecx
        mov     $\high, %eax
        call    ioapic_write
        mov     $(0x10 + 2 * \pin), %ecx
        mov     $\low, %eax
        call    ioapic_write
        .endm

        .section .text16, "ax"
        .balign 8
gdt_flat:
        .quad   0
        .quad   0x00cf93000000ffff      # data, 4 GiB
        .quad   0x00cf9b000000ffff      # code
gdt_flat_pointer:
        .word   23
        .long   gdt_flat + 0xf0000

# EAX to register ECX.
apic_write:
#ifdef X2APIC
        shr     $4, %ecx
        add     $0x800, %ecx
        xor     %edx, %edx
        wrmsr
#else
        add     $0xfee00000, %ecx
        mov     %eax, (%ecx)
#endif
        ret

# EAX = register ECX. Changes EDX.
apic_read:
#ifdef X2APIC
        shr     $4, %ecx
        add     $0x800, %ecx
        rdmsr
#else
        add     $0xfee00000, %ecx
        mov     (%ecx), %eax
#endif
        ret

# EAX to register CL. Changes EBX.
ioapic_write:
        mov     $0xfec00000, %ebx
        mov     %cl, (%ebx)
        mov     %eax, 0x10(%ebx)
        ret

# EAX = register CL. Changes EBX.
ioapic_read:
        mov     $0xfec00000, %ebx
        mov     %cl, (%ebx)
        mov     0x10(%ebx), %eax
        ret

# Ten milliseconds by the microsecond counter of the test board (port 518h). Changes EAX, DX.
wait_10ms:
        mov     $0x518, %dx
        in      %dx, %eax
        mov     %eax, wait_began
1:      mov     $0x518, %dx
        in      %dx, %eax
        sub     wait_began, %eax
        cmp     $10000, %eax
        jb      1b
        ret
