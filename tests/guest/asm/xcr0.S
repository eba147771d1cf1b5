# Switches on the registers of AVX-512 and saves them. Output: 'n' where there are none; else 'x' once XCR0 is set, and
# 's' once XSAVE has said that it has put away an opmask register.

        .include "lib.inc.S"

        .set    AREA, 0x30000

        begin_in_protected_mode
        unless_cpuid 1, ecx, 26, none           # XSAVE
        unless_cpuid 7, ebx, 16, none           # AVX512F
        mov     %cr4, %eax
        or      $0x40600, %eax                  # OSXSAVE, OSXMMEXCPT, OSFXSR
        mov     %eax, %cr4
        xor     %ecx, %ecx
        xor     %edx, %edx
        mov     $0xe7, %eax
        xsetbv
        print_char 'x'
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
        print_char 's'
end:    xor     %al, %al
        jmp     leave32
none:   print_char 'n'
        jmp     end
