# AVX-512 in ring 0, where a KVM that emulates kernel mode shows it, and the CPU's own where it has hardware help. Output:
# 'n' where the CPU has none; else a letter for each thing that is right.

        .include "lib.inc.S"
        .include "check.inc.S"

        .set    AREA, 0x30000
        .set    DATA, 0x20000
        .set    COMPONENTS, 0xe7

        begin_in_long_mode
        unless_cpuid 1, ecx, 26, none           # XSAVE
        unless_cpuid 7, ebx, 16, none           # AVX512F
        unless_cpuid 7, ebx, 31, none           # AVX512VL
        mov     %cr4, %rax
        or      $0x40600, %eax                  # OSXSAVE, OSXMMEXCPT, OSFXSR
        mov     %rax, %cr4
        xor     %ecx, %ecx
        xor     %edx, %edx
        mov     $COMPONENTS, %eax
        xsetbv
# a: opmasks, and the flags of one that is all ones
        mov     $0xffff, %eax
        kmovw   %eax, %k1
        kortestw %k1, %k1
        setnc   %al
        test    %al, %al
        check   'a'
# b: registers that only EVEX names
        mov     $7, %eax
        vpbroadcastd %eax, %zmm17
        vpaddd  %zmm17, %zmm17, %zmm30
        vmovdqu32 %zmm30, DATA
        cmpl    $14, DATA + 60
        check   'b'
# c: an operand in memory, for all elements
        movl    $100, DATA
        vpaddd  DATA{1to16}, %zmm17, %zmm18
        vextracti32x4 $3, %zmm18, %xmm1
        vmovd   %xmm1, %eax
        cmp     $107, %eax
        check   'c'
# d: a store of some elements
        mov     $0x8001, %eax
        kmovw   %eax, %k2
        vpxord  %zmm0, %zmm0, %zmm0
        vmovdqu32 %zmm0, DATA
        vmovdqu32 %zmm17, DATA{%k2}
        mov     DATA, %eax
        add     DATA + 4, %eax
        add     DATA + 60, %eax
        cmp     $14, %eax
        check   'd'
# e: an instruction of AVX makes the upper parts zero
        vmovdqa64 %zmm17, %zmm2
        vpaddd  %xmm2, %xmm2, %xmm2
        vmovdqu32 %zmm2, DATA
        cmpl    $14, DATA + 12
        jne     1f
        cmpl    $0, DATA + 16
1:      check   'e'
# f: registers of a device, by 64 bytes
        mov     $SCRATCH_MEMORY, %ebx
        vmovdqu32 %zmm17, (%rbx)
        vmovdqu32 (%rbx), %zmm3
        vpcmpeqd %zmm3, %zmm17, %k3
        kortestw %k3, %k3
        setnc   %al
        test    %al, %al
        check   'f'
# g: XSAVE and XRSTOR
        mov     $AREA, %edi
        xor     %eax, %eax
        mov     $1024, %ecx
        rep stosl
        mov     $COMPONENTS, %eax
        xor     %edx, %edx
        xsave   AREA
        mov     AREA + 512, %ecx                # XSTATE_BV
        and     $0xe0, %ecx
        cmp     $0xe0, %ecx
        check   'g'
        vpxord  %zmm17, %zmm17, %zmm17
        kxorw   %k1, %k1, %k1
        mov     $COMPONENTS, %eax
        xrstor  AREA
        vmovdqu32 %zmm17, DATA
        cmpl    $7, DATA + 60
        jne     1f
        kmovw   %k1, %eax
        cmp     $0xffff, %eax
1:      check   'h'
end:    xor     %al, %al
        jmp     leave64
none:   print_char 'n'
        jmp     end

        define_report %rax, %rdx
