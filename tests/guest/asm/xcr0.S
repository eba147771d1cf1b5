# Switches on the registers of AVX-512 and saves them. Output: 'n' where there are none; else 'x' once XCR0 is set, and
# 's' once XSAVE has said that it has put away an opmask register.

        .include "lib.inc.S"

        .set    AREA, 0x30000

        begin_in_protected_mode
        mov     $1, %eax
        cpuid
        bt      $26, %ecx                       # XSAVE
        jnc     none
        mov     $7, %eax
        xor     %ecx, %ecx
        cpuid
        bt      $16, %ebx                       # AVX512F
        jnc     none
        mov     %cr4, %eax
        or      $0x40600, %eax                  # OSXSAVE, OSXMMEXCPT, OSFXSR
        mov     %eax, %cr4
        xor     %ecx, %ecx
        xor     %edx, %edx
        mov     $0xe7, %eax
        xsetbv
        mov     $'x', %al
        mov     $CONSOLE, %edx
        out     %al, %dx
        mov     $AREA, %edi
        xor     %eax, %eax
        mov     $1024, %ecx
        rep stosl
        mov     $5, %eax
        kmovw   %eax, %k1
        mov     $0xe7, %eax
        xor     %edx, %edx
        xsave   AREA
        testb   $0x20, AREA + 512               # XSTATE_BV: opmask
        jz      end
        mov     $'s', %al
        mov     $CONSOLE, %edx
        out     %al, %dx
end:    xor     %al, %al
        jmp     leave32
none:   mov     $'n', %al
        mov     $CONSOLE, %edx
        out     %al, %dx
        jmp     end
