# guests under the accelerators: tests/guest
need_build release
# One at a time: guests with several processors on a small host would time each other out.
ctest_group release guest
