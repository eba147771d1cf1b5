# firmware tables as others read them: ACPICA's iasl on the ACPI tables of several machines: tests/tables
need_build release machine-run
check "ACPI tables and iasl" timeout -s KILL 180 python3 tests/tables/acpi_test.py build/release/machine-run
