# clients over real sockets: QMP, human monitor, machine-ctl and qtest sessions, the examples of their documentation,
# the same session and schema as QEMU's, Ganeti's client, dumps read by gdb: tests/monitor
need_build release

ganeti() {
  tests/monitor/fetch-ganeti build/linux || return
  timeout -s KILL 180 /usr/bin/python3 tests/monitor/ganeti_session.py build/release/machine-run build/linux/ganeti-root
}
dump() {
  tests/linux/fetch-guests build/linux cloud || return
  timeout -s KILL 300 python3 tests/monitor/dump_session.py build/release/machine-run build/linux
}

check "QMP session" timeout -s KILL 180 python3 tests/monitor/qmp_session.py build/release/machine-run
check "QMP schema" timeout -s KILL 120 python3 tests/monitor/schema_session.py build/release/machine-run
check "the same session with QEMU" timeout -s KILL 180 python3 tests/monitor/against_qemu.py build/release/machine-run
check "human monitor session" timeout -s KILL 180 python3 tests/monitor/hmp_session.py build/release/machine-run
check "discs come and go" timeout -s KILL 180 python3 tests/monitor/media_session.py build/release/machine-run
check "machine-ctl session" timeout -s KILL 180 python3 tests/monitor/ctl_session.py build/release/machine-run
check "machines in the background" timeout -s KILL 180 python3 tests/monitor/daemon_session.py build/release/machine-run
check "qtest session" timeout -s KILL 180 python3 tests/monitor/qtest_session.py build/release/machine-run
check "Ganeti's client of QMP" ganeti
check "gdb reads a dump" dump
