# a million random system cases end alike under KVM and in the software CPU, or it is explained why not: docs/kvm-oracle.md
# default: no
need_build release accel_tests

# Four seeds of a quarter of a million cases each: the run whose figures are in docs/kvm-oracle.md. MACHINA_ORACLE_SEED for
# other cases. Eleven and a half minutes on two processors that others want, too.
kvm_oracle() {
  [ -w /dev/kvm ] || { echo "no /dev/kvm"; return 77; }
  MACHINA_ORACLE_SEED=${MACHINA_ORACLE_SEED:-1,2,3,4} MACHINA_ORACLE_CASES=${MACHINA_ORACLE_CASES:-250000} \
    MACHINA_ORACLE_THREADS=${MACHINA_ORACLE_THREADS:-$(nproc)} timeout -s KILL 7200 \
    build/release/accel_tests --gtest_filter='KvmOracle.*'
}
check "KVM as an oracle" kvm_oracle
