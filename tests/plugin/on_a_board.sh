#!/usr/bin/env bash
# A plugin that is built outside of the source tree, named by a board file outside of it, and read through qtest.
# usage: on_a_board.sh MACHINE_RUN
set -euo pipefail
machine_run=$(readlink -f "$1")
source=$(cd "$(dirname "$(readlink -f "$0")")/../.." && pwd)
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cp "$source/tests/plugin/fan/fan_sensor.cpp" "$dir/"
cd "$dir"
g++ -std=c++20 -O1 -fPIC -shared -I "$source" -o fan.so fan_sensor.cpp
cat > cooled.yaml <<'BOARD'
schema: 1
board: cooled
summary: The teaching board with a fan
extends: teaching
plugins: [./fan.so]
devices:
  fan: {type: fan-sensor, iobase: 0x300, max-rpm: 6000}
BOARD
# 6000 rpm at a duty of 128 of 255 are 50 units of 60 rpm; full duty gives 100.
answers=$(printf 'inb 0x300\noutb 0x301 0xff\ninb 0x300\n' |
  timeout -s KILL 20 "$machine_run" -M ./cooled.yaml -display none -qtest stdio | tr -d '\r' | tr '\n' ' ')
echo "$answers"
[[ $answers == *"OK 0x0032 OK OK 0x0064"* ]]
