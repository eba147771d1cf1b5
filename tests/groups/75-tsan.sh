# the tests that touch threads (MACHINA_TEST_FILTER in CMakePresets.json) under ThreadSanitizer
# default: no
need_build tsan host_tests
ctest_group tsan 'unit|device' --parallel "$(nproc)"
