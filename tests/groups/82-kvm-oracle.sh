# a million random system cases end alike under KVM and in the software CPU, or it is explained why not: docs/testing.md
# default: no
need_build release accel_tests

# MACHINA_ORACLE_SEED for other cases; half an hour on a small host
kvm_oracle() {
  [ -w /dev/kvm ] || { echo "no /dev/kvm"; return 77; }
  MACHINA_ORACLE_CASES=${MACHINA_ORACLE_CASES:-1000000} timeout -s KILL 7200 \
    build/release/accel_tests --gtest_filter='KvmOracle.*'
}
check "KVM as an oracle" kvm_oracle
