# Configuration space for real-mode guests, and the two test functions that share PIRQB# (tests/support/intx_function.h).

        .equ    PIIX3, 0x08             # device and function numbers
        .equ    FUNCTION_A, 0x10        # 02.0
        .equ    FUNCTION_B, 0x30        # 06.0
        .equ    PORT_A, 0x5a0           # level of its INTA#; the next port: a message
        .equ    PORT_B, 0x5b0
        .equ    PIRQRCB, 0x61

        # Leaves the port of the register in DX. Changes EAX.
        .macro  pci_select function, register
        mov     $(0x80000000 + (\function) * 256 + ((\register) & 0xfc)), %eax
        mov     $0xcf8, %dx
        out     %eax, %dx
        mov     $(0xcfc + ((\register) & 3)), %dx
        .endm
        .macro  pci_out8 function, register, value
        pci_select \function, \register
        mov     $\value, %al
        out     %al, %dx
        .endm
        .macro  pci_out32 function, register, value
        pci_select \function, \register
        mov     $\value, %eax
        out     %eax, %dx
        .endm

        .section .text16, "ax"
# Serves one function, as a driver does that knows which one asks: A before B. Changes AL, DX.
serve_one:
        mov     $PORT_A, %dx
        in      %dx, %al
        test    $1, %al
        jnz     1f
        mov     $PORT_B, %dx
1:      xor     %al, %al
        out     %al, %dx
        ret
