"""Runs clang-tidy on the program's sources in a build directory, skipping what has not changed since it was clean.

tidy.py BUILD_DIR [PATH...]   PATH limits the run to sources whose path begins with it; tests are only looked at when
                              named. Exit status 1 when anything is found.

Most of clang-tidy's time goes into headers that all sources share, so sources with equal compiler options are looked at
together, as if they were one file. A batch that is not clean (a finding, or two sources with the same local name) is
halved, down to single sources, and only what is found in those counts.

BUILD_DIR/tidy holds a stamp for each clean source: a hash of the source, of the headers it includes (as ninja recorded
at the last build), of its compiler options, of .clang-tidy and of the tool's version.
"""

import collections
import concurrent.futures
import hashlib
import json
import os
import shlex
import shutil
import subprocess
import sys

LAYERS = ("qom/", "core/", "hw/", "accel/", "machines/")
ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
BATCH = 12  # more gain little, and cost more where one is not clean
# Warnings about options are gcc's business: it compiles the same file with -Werror.
PRELUDE = os.path.join(ROOT, "tests/tidy_prelude.h")
OPTIONS = ["--quiet", "--extra-arg=-Wno-everything", "--extra-arg-before=-include", f"--extra-arg-before={PRELUDE}"]


class Source:
    def __init__(self, entry, tidy_dir):
        self.path = entry["file"]
        self.name = os.path.relpath(self.path, ROOT)
        self.directory = entry["directory"]
        self.stamp = os.path.join(tidy_dir, self.name + ".clean")
        self.digest = None
        words = shlex.split(entry["command"])
        # "[ccache] c++ OPTIONS -o OBJECT -c SOURCE": the options
        first = next(i for i, word in enumerate(words) if word.startswith("-"))
        output = words.index("-o")
        self.options = [w for i, w in enumerate(words) if i >= first and i not in (output, output + 1)]
        self.options = tuple(w for w in self.options if w not in ("-c", self.path))
        self.output = os.path.normpath(os.path.join(self.directory, words[output + 1]))

    def clean(self):
        if self.digest is None or not os.path.exists(self.stamp):
            return False
        with open(self.stamp, encoding="utf-8") as stamp:
            return stamp.read() == self.digest

    def set_clean(self):
        if self.digest is None:
            return
        os.makedirs(os.path.dirname(self.stamp), exist_ok=True)
        with open(self.stamp, "w", encoding="utf-8") as stamp:
            stamp.write(self.digest)


def recorded_headers(build):
    """Object file -> files it was made of, from ninja's dependency log."""
    deps, target = {}, None
    for line in subprocess.run(["ninja", "-C", build, "-t", "deps"], capture_output=True, text=True).stdout.splitlines():
        if line.startswith("    "):
            deps[target].append(os.path.normpath(os.path.join(build, line.strip())))
        elif line:
            target = os.path.normpath(os.path.join(build, line.split(":")[0]))
            deps[target] = []
    return deps


def file_digest(path, known={}):
    if path not in known:
        try:
            with open(path, "rb") as file:
                known[path] = hashlib.sha256(file.read()).hexdigest()
        except FileNotFoundError:
            known[path] = "gone"
    return known[path]


def digest(source, headers, tool_version):
    parts = [tool_version, *source.options]
    inputs = {*headers, source.path, PRELUDE, os.path.join(ROOT, ".clang-tidy")}
    parts += [f"{path} {file_digest(path)}" for path in sorted(inputs)]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()


def main():
    build, wanted = os.path.abspath(sys.argv[1]), tuple(sys.argv[2:]) or LAYERS
    tool = shutil.which("clang-tidy-14") or shutil.which("clang-tidy")
    tool_version = subprocess.run([tool, "--version"], capture_output=True, text=True).stdout
    tidy_dir = os.path.join(build, "tidy")
    os.makedirs(tidy_dir, exist_ok=True)
    deps = recorded_headers(build)
    with open(os.path.join(build, "compile_commands.json"), encoding="utf-8") as commands:
        sources = [Source(entry, tidy_dir) for entry in json.load(commands)]
    sources = [source for source in sources if source.name.startswith(wanted) and source.name.endswith(".cpp")]
    for source in sources:
        if source.output in deps:  # else the headers are not known, and it is never skipped
            source.digest = digest(source, deps[source.output], tool_version)
    jobs = [source for source in sources if not source.clean()]

    batches = []
    by_options = collections.defaultdict(list)
    for source in jobs:
        by_options[source.options].append(source)
    for alike in by_options.values():
        count = -(-len(alike) // BATCH)
        batches += [alike[i::count] for i in range(count)]  # neighbours apart: they have local names in common

    def run(path, directory, options):
        return subprocess.run([tool, *OPTIONS, path, "--", *options], cwd=directory, capture_output=True, text=True)

    def check(batch):
        """What is found, as (source, finished process)."""
        path = batch[0].path
        if len(batch) > 1:
            path = os.path.join(tidy_dir, f"{batch[0].name.replace('/', '-')}-and-{len(batch) - 1}-more.cpp")
            with open(path, "w", encoding="utf-8") as file:
                file.writelines(f'#include "{source.path}"  // NOLINT\n' for source in batch)
        done = run(path, batch[0].directory, batch[0].options)
        if done.returncode == 0:
            for source in batch:
                source.set_clean()
            return []
        if len(batch) == 1:
            return [(batch[0], done)]
        half = len(batch) // 2
        return check(batch[:half]) + check(batch[half:])

    findings = 0
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        for found in pool.map(check, batches):
            for source, done in found:
                findings += 1
                errors = [line for line in done.stderr.splitlines() if not line.endswith(" generated.")]
                print(f"{source.name}:\n{done.stdout}" + "\n".join(errors), flush=True)
    print(f"clang-tidy: {len(sources)} files, {len(jobs)} looked at, {findings} with findings")
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main())
