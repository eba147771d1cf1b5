# firmware tables as others read them: iasl and acpiexec on the ACPI tables, dmidecode on SMBIOS: tests/tables
need_build release machine-run
check "ACPI tables and iasl" timeout -s KILL 180 python3 tests/tables/acpi_test.py build/release/machine-run
check "SMBIOS structures and dmidecode" timeout -s KILL 180 python3 tests/tables/smbios_test.py build/release/machine-run
