# Debian's gdb in guests, under each accelerator: a boot sector, a kernel before it pages and after, four CPUs, Debian's
# kernel by its symbols; clients that send garbage; the example of docs/gdb.md: tests/gdb
need_build release machine-run

# session NAME ACCELERATOR
session() {
  timeout -s KILL 240 python3 "tests/gdb/$1_session.py" build/release/machine-run "$2" "build/gdb/$1-$2"
}
debian() {
  tests/linux/fetch-guests build/linux cloud || return
  timeout -s KILL 400 python3 tests/gdb/linux_session.py build/release/machine-run jit build/gdb/linux build/linux
}

for accel in jit kvm; do
  check "gdb in a boot sector, $accel" session boot_sector $accel
  check "gdb in a kernel, $accel" session kernel $accel
  check "gdb and four CPUs, $accel" session threads $accel
  check "packets that no gdb sends, $accel" session packets $accel
done
check "gdb at start_kernel of Debian's kernel" debian
check "the example of docs/gdb.md" session example jit
