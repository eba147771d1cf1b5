# floppies and discs in guests that nobody made for us: Linux' drivers, memtest86+ (not all of it passes yet): tests/linux
# default: no
need_build release machine-run
guests=build/linux

memtest() {
  tests/linux/fetch-guests $guests memtest || return
  timeout -s KILL 240 python3 tests/linux/memtest.py build/release/machine-run $guests/"$@"
}
floppy() {
  tests/linux/fetch-guests $guests generic || return
  timeout -s KILL 200 python3 tests/linux/floppy.py build/release/machine-run $guests
}
disks() {
  tests/linux/fetch-guests $guests generic || return
  timeout -s KILL 200 python3 tests/linux/disks.py build/release/machine-run $guests "$@"
}

check "Linux copies a floppy" floppy
check "four IDE drives, discs that come and go" disks
check "memtest86+ from its disc" memtest memtest.iso -smp 2
check "memtest86+ from a floppy" memtest memtest.bin -floppy
