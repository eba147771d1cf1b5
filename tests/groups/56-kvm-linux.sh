# Debian's cloud kernel under a KVM that emulates kernel mode, to its init and with gdb: many minutes
# default: no
need_build release machine-run
emulated_kvm() {
  tests/linux/fetch-guests build/linux cloud || return
  timeout -s KILL 3700 tests/linux/emulated_kvm.py build/release/machine-run build/linux
}
gdb_at_start_kernel() {
  local problem
  problem=$(kvm_problem)
  [ -z "$problem" ] || { echo "$problem"; return 77; }
  tests/linux/fetch-guests build/linux cloud || return
  timeout -s KILL 2700 python3 tests/gdb/linux_session.py build/release/machine-run kvm build/gdb/linux-kvm build/linux
}
check "cloud kernel under an emulating KVM" emulated_kvm
check "gdb at start_kernel under KVM" gdb_at_start_kernel
