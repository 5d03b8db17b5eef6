#!/usr/bin/env python3
"""Plants one bug after the other and checks that the tests of the engine find each.

    python3 tests/sim/mutations/mutate.py [--work DIR] [--only TEXT] [--every N] [--seeds N] [--jobs N]

Every bug is planted in a copy of the tree with a build folder of its own (kept in --work, ccache is
used if it is there); then the planner's tables, the unit tests of what it stands on, the exhaustive
search (for bugs in lib/) and the simulator run until one of them fails. Prints who found it, and
with which seed. Exit 1 if a bug was found by none, or its place was not found. --every N: only each
N-th bug, for a short run; --jobs N: so many at a time.
"""
import argparse
import concurrent.futures
import os
import pathlib
import queue
import re
import shutil
import subprocess
import sys
import tempfile
import time

from table import MUTATIONS

ROOT = pathlib.Path(__file__).resolve().parents[3]
PARTS = ("CMakeLists.txt", "cli", "lib", "server", "tests", "migrations", "packaging", "schema", "web")
# Unit tests of what the planner and the controller stand on.
UNIT = ("test_judge", "test_sequential", "test_steps", "test_traffic", "test_move", "test_rollout_store", "test_world",
        "test_cut_short", "test_shown", "test_rollout")
LEFT_OUT = re.compile(r"node_modules$|dist$|build|__pycache__$")
BATCH = 25


def bring(source, to):
    """Makes `to` like the source. What is the same keeps its time, what differs (a bug that a run
    left behind when it was stopped) gets a new one, so that it is built again."""
    if source.is_dir():
        to.mkdir(parents=True, exist_ok=True)
        names = {path.name for path in source.iterdir() if not LEFT_OUT.match(path.name)}
        for extra in {path.name for path in to.iterdir()} - names:
            shutil.rmtree(to / extra) if (to / extra).is_dir() else (to / extra).unlink()
        for name in names:
            bring(source / name, to / name)
    elif source.exists() and not (to.exists() and to.read_bytes() == source.read_bytes()):
        to.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(source, to)


class Copy:
    """The tree that bugs are planted in."""

    def __init__(self, folder):
        self.tree, self.build = folder / "tree", folder / "build"
        for part in PARTS:
            bring(ROOT / part, self.tree / part)
        launcher = ["-DCMAKE_C_COMPILER_LAUNCHER=ccache"] if shutil.which("ccache") else []
        subprocess.run(["cmake", "-S", str(self.tree), "-B", str(self.build), "-G", "Ninja", "-DMREG_WEB=off",
                        "-DCMAKE_BUILD_TYPE=RelWithDebInfo", *launcher], check=True, stdout=subprocess.DEVNULL)
        self.tables = sorted(p.stem for p in (self.tree / "tests" / "sim").glob("test_plan*.c"))
        self.tables += [name for name in UNIT if (self.tree / "tests" / "unit" / f"{name}.c").exists()]

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


def simulate(copy, first, last):
    """(who, what) found the bug with one of these seeds, or None."""
    for begin in range(first, last + 1, BATCH):
        n = min(BATCH, last + 1 - begin)
        failed, words = run(copy.program("test_sim"), 300, MREG_SIM_FIRST=begin, MREG_SIM_SEEDS=n)
        if failed:
            seed = re.match(r"simulated seed (\d+)", words)
            return f"test_sim, seed {seed.group(1) if seed else begin}", words
    return None


def find(copy, path, seeds):
    """(who, what) found the bug, or None. What takes little time comes first."""
    for table in copy.tables:
        failed, words = run(copy.program(table), 120)
        if failed:
            return table, words
    found = simulate(copy, 1, min(2 * BATCH, seeds))
    if found or not path.startswith("lib/"):  # the graph has nothing of the server in it
        return found or simulate(copy, 2 * BATCH + 1, seeds)
    failed, words = run(copy.program("test_graph"), 600)
    return ("test_graph", words) if failed else simulate(copy, 2 * BATCH + 1, seeds)


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
        found = find(copy, path, seeds)
    finally:
        undo()
    return (True, f"{found[0]}: {found[1]}") if found else (False, "NOT FOUND")


def expect_green(copies, seeds):
    """Nobody finds anything in the tree as it is: else what they find later would say nothing."""
    copy = copies.get()
    problem = copy.make()
    found = None if problem else find(copy, "lib/", seeds)
    if problem or found:
        sys.exit(f"without a planted bug: {problem or found}")
    copies.put(copy)


def try_all(folder, chosen, options):
    """Names of the bugs that nobody found. Each of the jobs has a copy of its own."""
    copies = queue.SimpleQueue()
    for job in range(options.jobs):
        copies.put(Copy(folder / f"copy{job}"))
    if not options.only:
        expect_green(copies, options.seeds)
    missed = []

    def one(mutation):
        copy, begun = copies.get(), time.monotonic()
        try:
            caught, words = try_one(copy, mutation, options.seeds)
        finally:
            copies.put(copy)
        print(f"{'ok    ' if caught else 'MISSED'} {mutation[0]:<66} {words} ({time.monotonic() - begun:.0f} s)",
              flush=True)
        if not caught:
            missed.append(mutation[0])

    with concurrent.futures.ThreadPoolExecutor(options.jobs) as pool:
        list(pool.map(one, chosen))
    return missed


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--work", type=pathlib.Path)
    parser.add_argument("--only", default="", help="regular expression for the names")
    parser.add_argument("--every", type=int, default=1)
    parser.add_argument("--seeds", type=int, default=1000)
    parser.add_argument("--jobs", type=int, default=1)
    options = parser.parse_args()
    folder = options.work or pathlib.Path(tempfile.mkdtemp(prefix="mreg-mutations-"))
    chosen = [m for m in MUTATIONS if re.search(options.only, m[0])][::options.every]
    missed = try_all(folder, chosen, options)
    print(f"{len(chosen) - len(missed)} of {len(chosen)} planted bugs were found")
    if not options.work:
        shutil.rmtree(folder, ignore_errors=True)
    sys.exit(1 if missed else 0)


if __name__ == "__main__":
    main()
