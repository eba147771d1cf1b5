# unit and device tests under AddressSanitizer and UndefinedBehaviorSanitizer
need_build asan host_tests
ctest_group asan 'unit|device' --parallel "$(nproc)"
