# Debian's gdb in guests, under each accelerator: a boot sector, a kernel before it pages and after, four CPUs;
# clients that send garbage; the example of docs/gdb.md: tests/gdb
need_build release machine-run

# session NAME ACCELERATOR
session() {
  timeout -s KILL 240 python3 "tests/gdb/$1_session.py" build/release/machine-run "$2" "build/gdb/$1-$2"
}

for accel in jit kvm; do
  check "gdb in a boot sector, $accel" session boot_sector $accel
  check "gdb in a kernel, $accel" session kernel $accel
  check "gdb and four CPUs, $accel" session threads $accel
  check "packets that no gdb sends, $accel" session packets $accel
done
check "the example of docs/gdb.md" session example jit
