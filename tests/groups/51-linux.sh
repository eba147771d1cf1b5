# Linux and memtest86+ from Debian's packages under the software CPU (and a KVM that is good for it): tests/linux
need_build release machine-run
guests=build/linux

# linux KERNEL [ARG...]: boots it to its init, as boot_linux.py says
linux() {
  tests/linux/fetch-guests $guests "$1" || return
  timeout -s KILL 240 python3 tests/linux/boot_linux.py build/release/machine-run $guests "$@"
}
memtest() {
  tests/linux/fetch-guests $guests memtest || return
  timeout -s KILL 240 python3 tests/linux/memtest.py build/release/machine-run $guests/"$@"
}
network() {
  tests/linux/fetch-guests $guests generic || return
  timeout -s KILL 200 python3 tests/linux/network.py build/release/machine-run $guests "$@"
}
floppy() {
  tests/linux/fetch-guests $guests generic || return
  timeout -s KILL 240 python3 tests/linux/floppy.py build/release/machine-run $guests
}
disks() {
  tests/linux/fetch-guests $guests generic || return
  timeout -s KILL 240 python3 tests/linux/disks.py build/release/machine-run $guests
}
shell() {
  tests/linux/fetch-guests $guests cloud || return
  timeout -s KILL 240 ./quickstart --check
}

move() {
  tests/linux/fetch-guests $guests cloud || return
  timeout -s KILL 640 python3 tests/linux/move.py build/release/machine-run $guests "$@"
}

check "cloud kernel, 1 CPU" linux cloud -smp 1
check "cloud kernel, 4 CPUs" linux cloud -smp 4
check "cloud kernel without firmware" linux cloud -smp 2 -M pc,firmware=none
check "cloud kernel by the HPET" linux cloud -smp 2 --clocksource hpet
check "cloud kernel on microvm" linux cloud -smp 2 -M microvm
check "generic kernel" linux generic -smp 2
check "e1000 fetches and serves a file" network e1000
check "rtl8139 fetches and serves a file" network rtl8139
check "ne2k_pci fetches and serves a file" network ne2k_pci
check "e1000 on a TAP interface" network e1000 tap
check "four IDE drives, discs that come and go" disks
check "a floppy is copied to another" floppy
check "32-bit kernel" linux i686 -smp 2
check "cloud kernel under KVM" linux cloud -smp 4 -accel kvm
check "cloud kernel from one software CPU to another" move --route jit --smp 2 --moves 100 --stay 0.1
check "cloud kernel between the software CPU and KVM, and back" move --smp 2
check "memtest86+" memtest memtest.bin -smp 2
check "memtest86+ from its disc" memtest memtest.iso -smp 2
check "memtest86+ from a floppy" memtest memtest.bin -floppy
check "quickstart boots to a shell" shell
