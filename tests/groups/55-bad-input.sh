# mistakes of users, each with the one message it must give: tests/bad-input
need_build release
ctest_group release bad-input --parallel "$(nproc)"
