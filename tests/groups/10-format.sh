# formatting of every source (clang-format); tests/format --fix repairs it
check "clang-format" tests/format
