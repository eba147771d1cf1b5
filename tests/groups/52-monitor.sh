# clients over real sockets: QMP, human monitor, machine-ctl and qtest sessions, the examples of their documentation,
# and the schema against QEMU's: tests/monitor
need_build release
check "QMP session" timeout -s KILL 180 python3 tests/monitor/qmp_session.py build/release/machine-run
check "QMP schema" timeout -s KILL 120 python3 tests/monitor/schema_session.py build/release/machine-run
check "human monitor session" timeout -s KILL 180 python3 tests/monitor/hmp_session.py build/release/machine-run
check "discs come and go" timeout -s KILL 180 python3 tests/monitor/media_session.py build/release/machine-run
check "machine-ctl session" timeout -s KILL 180 python3 tests/monitor/ctl_session.py build/release/machine-run
check "qtest session" timeout -s KILL 180 python3 tests/monitor/qtest_session.py build/release/machine-run
