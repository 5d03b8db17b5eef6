#!/usr/bin/env python3
"""Plants one bug after the other and checks that the tests of the engine find each.

    python3 tests/sim/mutations/mutate.py [--work DIR] [--only TEXT] [--every N] [--seeds N]

Every bug is planted in a copy of the tree with a build folder of its own (kept in --work, ccache is
used if it is there); then the planner's tables, the exhaustive search and the simulator run until
one of them fails. Prints who found it and after how many seeds. Exit 1 if a bug was found by none,
or its place was not found. --every N: only each N-th bug, for a short run.
"""
import argparse
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import time

from table import MUTATIONS

ROOT = pathlib.Path(__file__).resolve().parents[3]
PARTS = ("CMakeLists.txt", "cli", "lib", "server", "tests", "migrations", "packaging", "schema", "web")
BATCH = 25


class Copy:
    """The tree that bugs are planted in."""

    def __init__(self, folder):
        self.tree, self.build = folder / "tree", folder / "build"
        if self.tree.exists():
            shutil.rmtree(self.tree)
        self.tree.mkdir(parents=True)
        for part in PARTS:
            source = ROOT / part
            if source.is_dir():
                shutil.copytree(source, self.tree / part, symlinks=True,
                                ignore=shutil.ignore_patterns("node_modules", "dist", "build*"))
            elif source.exists():
                shutil.copy2(source, self.tree / part)
        launcher = ["-DCMAKE_C_COMPILER_LAUNCHER=ccache"] if shutil.which("ccache") else []
        subprocess.run(["cmake", "-S", str(self.tree), "-B", str(self.build), "-G", "Ninja", "-DMREG_WEB=off",
                        "-DCMAKE_BUILD_TYPE=RelWithDebInfo", *launcher], check=True, stdout=subprocess.DEVNULL)
        self.tables = sorted(p.stem for p in (self.tree / "tests" / "sim").glob("test_plan*.c"))
        self.tables += [name for name in ("test_judge", "test_traffic", "test_move")
                        if (self.tree / "tests" / "unit" / f"{name}.c").exists()]

    def make(self):
        """The last lines of what the compiler said, or None."""
        done = subprocess.run(["ninja", "-C", str(self.build), *self.tables, "test_graph", "test_sim"],
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        return None if done.returncode == 0 else "\n".join(done.stdout.splitlines()[-8:])

    def program(self, name):
        return str(self.build / "tests" / name)


def run(program, seconds, **setting):
    """True if it failed; running too long is a failure as well."""
    environment = dict(os.environ, **{key: str(value) for key, value in setting.items()})
    try:
        done = subprocess.run([program], env=environment, timeout=seconds, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True, errors="replace")
    except subprocess.TimeoutExpired:
        return True, "takes too long"
    found = re.search(r"(simulated seed .*|broken: .*|no way to an end .*|.*Assertion .*)", done.stdout)
    return done.returncode != 0, found.group(1)[:110] if found else ""


def find(copy, seeds):
    """(who, what) found the bug, or None."""
    for table in copy.tables:
        failed, words = run(copy.program(table), 120)
        if failed:
            return table, words
    failed, words = run(copy.program("test_graph"), 400, MREG_GRAPH_STATES=20000)
    if failed:
        return "test_graph", words
    for first in range(1, seeds + 1, BATCH):
        failed, words = run(copy.program("test_sim"), 300, MREG_SIM_FIRST=first, MREG_SIM_SEEDS=BATCH)
        if failed:
            seed = re.match(r"simulated seed (\d+)", words)
            return f"test_sim, seed {seed.group(1) if seed else first}", words
    return None


def plant(copy, path, text, instead):
    """Writes the bug; returns what undoes it."""
    file = copy.tree / path
    before = file.read_text()
    if before.count(text) != 1:
        raise LookupError(f"{path}: the text is there {before.count(text)} times")
    file.write_text(before.replace(text, instead))
    return lambda: file.write_text(before)


def try_one(copy, mutation, seeds):
    """(is_caught, words)"""
    name, path, text, instead = mutation
    try:
        undo = plant(copy, path, text, instead)
    except LookupError as error:
        return False, f"NOT PLANTED: {error}"
    try:
        problem = copy.make()
        if problem:
            return False, f"DOES NOT COMPILE:\n{problem}"
        found = find(copy, seeds)
    finally:
        undo()
    return (True, f"{found[0]}: {found[1]}") if found else (False, "NOT FOUND")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--work", type=pathlib.Path)
    parser.add_argument("--only", default="")
    parser.add_argument("--every", type=int, default=1)
    parser.add_argument("--seeds", type=int, default=500)
    options = parser.parse_args()
    folder = options.work or pathlib.Path(tempfile.mkdtemp(prefix="mreg-mutations-"))
    copy = Copy(folder)
    problem = copy.make()
    if problem:
        sys.exit(problem)
    chosen = [m for m in MUTATIONS if options.only in m[0]][::options.every]
    missed = []
    for mutation in chosen:
        begun = time.monotonic()
        caught, words = try_one(copy, mutation, options.seeds)
        print(f"{'ok    ' if caught else 'MISSED'} {mutation[0]:<66} {words} ({time.monotonic() - begun:.0f} s)",
              flush=True)
        if not caught:
            missed.append(mutation[0])
    print(f"{len(chosen) - len(missed)} of {len(chosen)} planted bugs were found")
    if not options.work:
        shutil.rmtree(folder, ignore_errors=True)
    sys.exit(1 if missed else 0)


if __name__ == "__main__":
    main()
