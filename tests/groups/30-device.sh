# chips through qtest, against their datasheets: tests/device
need_build release
ctest_group release device --parallel "$(nproc)"
