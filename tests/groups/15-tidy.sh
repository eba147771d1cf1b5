# mistakes that clang-tidy finds (.clang-tidy says which, and why)
need_build release
check "clang-tidy" python3 tests/tidy.py build/release
