# parts by themselves: tests/unit
need_build release
ctest_group release unit --parallel "$(nproc)"
