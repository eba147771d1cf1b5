# the tests that touch threads (MACHINA_TEST_FILTER in CMakePresets.json) under ThreadSanitizer
need_build tsan host_tests accel_tests
ctest_group tsan 'unit|device' --parallel "$(nproc)"
ctest_group tsan guest # one at a time, as in group guest
