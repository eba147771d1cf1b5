# plugins built outside the source tree: tests/plugin
need_build release
ctest_group release plugin
