# firmware boots GRUB from a disk, and comes back from suspend to RAM: tests/boot, and ./quickstart (needs /dev/kvm)
need_build release
boot_grub() {
  local problem
  problem=$(kvm_problem)
  [ -z "$problem" ] || { echo "$problem"; return 77; }
  timeout -s KILL 240 ./quickstart --check
}
ctest_group release boot
check "quickstart ends at GRUB's prompt" boot_grub
