# Programs of Debian's that were made for a PC, not for us, under the software CPU: tests/software
need_build release machine-run
guests=build/linux

# software NAME [GUEST...]: the guest of that name, unless others are named
software() {
  local name=$1
  shift
  [ $# -gt 0 ] || set -- "$name"
  tests/linux/fetch-guests $guests "$@" || return
  timeout -s KILL 300 python3 tests/software/software.py build/release/machine-run $guests "$name"
}

check "GNU Mach starts" software gnumach
check "GRUB Invaders draws and hears the keyboard" software grub-invaders
check "Xen runs Linux as its first domain" software xen
check "iPXE gets an address and loads a script over HTTP" software ipxe
check "U-Boot is the firmware and gets an address" software u-boot
check "GRUB is the firmware and shows its prompt" software grub-firmware
check "OVMF comes to the UEFI shell" software ovmf
check "OVMF starts a disc" software ovmf-disc ovmf memtest
check "a boot sector in 16-bit code offers its menu" software mbr
check "MEMDISK boots a disk from RAM" software memdisk
