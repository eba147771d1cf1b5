"""Runs clang-tidy on the program's sources in a build directory, skipping what has not changed since it was clean.

tidy.py BUILD_DIR [PATH...]   PATH limits the run to sources whose path begins with it; tests are only looked at when
                              named. Exit status 1 when anything is found.

A source is checked again when it, a header it includes (as ninja recorded at the last build), or .clang-tidy is newer
than its stamp in BUILD_DIR/tidy.
"""

import concurrent.futures
import json
import os
import shutil
import subprocess
import sys

LAYERS = ("qom/", "core/", "hw/", "accel/", "machines/")
ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


def recorded_headers(build):
    """Object file -> files it was made of, from ninja's dependency log."""
    deps, target = {}, None
    for line in subprocess.run(["ninja", "-C", build, "-t", "deps"], capture_output=True, text=True).stdout.splitlines():
        if line.startswith("    "):
            deps[target].append(os.path.join(build, line.strip()))
        elif line:
            target = os.path.normpath(os.path.join(build, line.split(":")[0]))
            deps[target] = []
    return deps


def modified(path):
    try:
        return os.stat(path).st_mtime
    except FileNotFoundError:
        return float("inf")  # a header that is gone: look again


def main():
    build, wanted = os.path.abspath(sys.argv[1]), tuple(sys.argv[2:]) or LAYERS
    tool = shutil.which("clang-tidy-14") or shutil.which("clang-tidy")
    deps = recorded_headers(build)
    jobs = []
    with open(os.path.join(build, "compile_commands.json"), encoding="utf-8") as commands:
        entries = json.load(commands)
    for entry in entries:
        source = entry["file"]
        name = os.path.relpath(source, ROOT)
        if not name.startswith(wanted):
            continue
        stamp = os.path.join(build, "tidy", name + ".clean")
        target = os.path.normpath(os.path.join(entry["directory"], entry.get("output", "")))
        inputs = deps.get(target, []) + [source, os.path.join(ROOT, ".clang-tidy")]
        if os.path.exists(stamp) and all(modified(path) <= os.stat(stamp).st_mtime for path in inputs):
            continue
        jobs.append((name, source, stamp))

    def check(job):
        name, source, stamp = job
        done = subprocess.run(
            # Warnings about options are gcc's business: it compiles the same file with -Werror.
            [tool, "--quiet", "-p", build, "--extra-arg=-Wno-everything", source], capture_output=True, text=True)
        if done.returncode == 0:
            os.makedirs(os.path.dirname(stamp), exist_ok=True)
            with open(stamp, "w", encoding="utf-8"):
                pass
        return name, done

    findings = 0
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        for name, done in pool.map(check, jobs):
            if done.returncode != 0:
                findings += 1
                errors = [line for line in done.stderr.splitlines() if not line.endswith(" generated.")]
                print(f"{name}:\n{done.stdout}" + "\n".join(errors), flush=True)
    print(f"clang-tidy: {len(jobs)} files looked at, {findings} with findings")
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main())
