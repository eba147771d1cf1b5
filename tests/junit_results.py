"""Turns the JUnit file that ctest writes into what tests/run counts.

junit_results.py GROUP FILE       prints a line a test: status TAB group TAB name TAB reason
junit_results.py --failures FILE  prints the output of the tests that failed
"""

import re
import sys
import xml.etree.ElementTree as ET

# GoogleTest: "path:line: Skipped", then the reason on the following lines up to the next line of its own.
SKIP = re.compile(r"^\S+:\d+: Skipped\n(.*?)^\[", re.MULTILINE | re.DOTALL)
SANITIZER = re.compile(r"((?:ERROR|WARNING): \w+Sanitizer: [^\n]*|runtime error: [^\n]*)")
FAILURE = re.compile(r"^\S+:\d+: Failure\n(.*?)(?=^\[|^\S+:\d+: |\Z)", re.MULTILINE | re.DOTALL)


def first(pattern, text, otherwise):
    found = pattern.search(text)
    reason = " ".join(found.group(1).split()) if found else ""
    return reason or otherwise


def main():
    mode, path = sys.argv[1:3]
    # A test may print what XML does not allow.
    text = open(path, encoding="utf-8", errors="replace").read()
    text = re.sub("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]", "?", text)
    for case in ET.fromstring(text).iter("testcase"):
        name, status = case.get("name"), case.get("status")
        output = case.findtext("system-out") or ""
        if mode == "--failures":
            if status == "fail":
                print(f"---- {name}\n{output[-6000:]}")
            continue
        if status == "run":
            line = ("pass", "")
        elif status in ("notrun", "disabled") and case.find("skipped") is not None and "[  SKIPPED ]" in output:
            line = ("skip", first(SKIP, output, "no reason given"))
        elif status == "disabled":
            line = ("skip", "disabled in its source")
        else:  # failed, killed at its time limit, crashed, or not startable
            failure = case.find("failure")
            message = failure.get("message") if failure is not None else ""
            if not message:
                after = f"after {float(case.get('time') or 0):.1f} s"
                ended = "[  FAILED  ]" in output
                message = "failed without a message" if ended else f"crashed, or killed at its time limit, {after}"
            line = ("fail", first(SANITIZER, output, first(FAILURE, output, message)))
        print("\t".join((line[0], mode, name, line[1][:300])))


if __name__ == "__main__":
    main()
