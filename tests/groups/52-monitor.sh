# clients over real sockets: QMP and qtest sessions, and the examples of their documentation: tests/monitor
need_build release
check "QMP session" timeout -s KILL 180 python3 tests/monitor/qmp_session.py build/release/machine-run
check "qtest session" timeout -s KILL 180 python3 tests/monitor/qtest_session.py build/release/machine-run
