# Debian's cloud kernel under a KVM that emulates kernel mode: many minutes (tests/linux/emulated_kvm.py)
# default: no
need_build release machine-run
emulated_kvm() {
  tests/linux/fetch-guests build/linux cloud || return
  timeout -s KILL 3700 tests/linux/emulated_kvm.py build/release/machine-run build/linux
}
check "cloud kernel under an emulating KVM" emulated_kvm
