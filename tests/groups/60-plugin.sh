# plugins built outside the source tree: tests/plugin
need_build release
ctest_group release plugin
check "plugin on a board" tests/plugin/on_a_board.sh build/release/machine-run
