"""Runs suites of tests and counts them.

    python3 tests/run.py --build BUILD_DIR SUITE...

Suites: lint, unit (all cmocka programs, the simulator too), e2e, interop, web, fault. The last line is
"N passed, N failed, N skipped"; exit 1 if anything failed. With --no-skips a skipped test is a
failure. The programs of unit and e2e run one per core at a time (--jobs): they share nothing. Those
of the other suites load the machine by themselves, or measure it, and run one after the other.
"""
import argparse
import concurrent.futures
import os
import pathlib
import re
import signal
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parents[1]
SIDE_BY_SIDE = ("unit", "e2e")
SECONDS_PROGRAM, SECONDS_SCRIPT = 600, 1800
totals = {"passed": 0, "failed": 0, "skipped": 0}


def count(label, passed, failed, skipped, output, seconds):
    totals["passed"] += passed
    totals["failed"] += failed
    totals["skipped"] += skipped
    state = "ok" if not failed else "FAILED"
    note = f", {skipped} skipped" if skipped else ""
    print(f"{state:6} {label}: {passed} passed{note} ({seconds:.1f} s)", flush=True)
    if failed:
        print("\n".join("    " + line for line in output.split("\n")[-80:]), flush=True)
    elif skipped:
        for line in output.split("\n"):
            if "skipped" in line.lower():
                print("    " + line.strip())


def run(command, environment, limit):
    start = time.monotonic()
    with subprocess.Popen(command, cwd=ROOT, env=environment, text=True, errors="replace", start_new_session=True,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as child:
        try:
            output, code = child.communicate(timeout=limit)[0], child.returncode
        except subprocess.TimeoutExpired:
            os.killpg(child.pid, signal.SIGKILL)  # with the processes that it began
            output, code = child.communicate()[0] + f"\nno end after {limit} s", 124
    return code, output, time.monotonic() - start


def report_program(program, result):
    code, output, seconds = result
    number = lambda word: sum(int(n) for n in re.findall(rf"\[\s+{word}\s+\] (\d+) test", output))
    passed, failed, skipped = number("PASSED"), number("FAILED"), number("SKIPPED")
    if code != 0 and not failed or passed + failed + skipped == 0:
        failed += 1
    count("unit " + program.name, passed, failed, skipped, output, seconds)


def report_script(script, result):
    code, output, seconds = result
    ran = re.search(r"^Ran (\d+) test", output, re.M)
    number = lambda word: sum(int(n) for n in re.findall(rf"{word}=(\d+)", output[-300:]))
    failed = number("failures") + number("errors") + number("unexpected successes")
    skipped = number("skipped")
    total = int(ran.group(1)) if ran else 0
    if code != 0 and not failed or total == 0:
        failed += 1
    count(f"{script.parent.name} {script.stem}", max(0, total - failed - skipped), failed, skipped, output, seconds)


def programs_of(suite, build):
    """(programs or scripts, the command of one, seconds it may take, who reads its output)."""
    if suite == "unit":
        found = [p for p in (build / "tests").glob("test_*") if os.access(p, os.X_OK) and p.is_file()]
        return found, lambda p: [str(p)], SECONDS_PROGRAM, report_program
    scripts = list((ROOT / "tests" / suite).glob("test_*.py"))
    return scripts, lambda p: [sys.executable, "-m", "unittest", "-v", p.stem], SECONDS_SCRIPT, report_script


def suite_of_programs(suite, build, environment, jobs):
    found, command, seconds, report = programs_of(suite, build)
    if not found:
        count(suite, 0, 1, 0, "no test programs were found", 0)
    if suite != "unit":
        environment = dict(environment, PYTHONPATH=f"{ROOT / 'tests' / suite}:{ROOT / 'tests/e2e'}")
    with concurrent.futures.ThreadPoolExecutor(jobs if suite in SIDE_BY_SIDE else 1) as pool:
        runs = {pool.submit(run, command(p), environment, seconds): p for p in sorted(found)}
        for done in concurrent.futures.as_completed(runs):
            report(runs[done], done.result())


def suite_lint(build, environment):
    code, output, seconds = run([sys.executable, "tests/lint/lint.py", str(build)], environment, 300)
    found = re.search(r"(\d+) passed, (\d+) failed", output)
    passed, failed = (int(found.group(1)), int(found.group(2))) if found else (0, 1)
    count("lint", passed, failed, 0, output, seconds)
    code, output, seconds = run(["bash", "tests/lint/format.sh"], environment, 300)
    count("lint format", int(code == 0), int(code != 0), 0, output, seconds)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--build", type=pathlib.Path, required=True)
    parser.add_argument("--no-skips", action="store_true")
    parser.add_argument("--jobs", type=int, default=os.cpu_count())
    parser.add_argument("suites", nargs="+")
    options = parser.parse_args()
    environment = dict(os.environ, MREG_BUILD=str(options.build.resolve()),
                       ASAN_OPTIONS="detect_leaks=1:abort_on_error=1", UBSAN_OPTIONS="print_stacktrace=1")
    build = options.build.resolve()
    for suite in options.suites:
        if suite == "lint":
            suite_lint(build, environment)
        else:
            suite_of_programs(suite, build, environment, options.jobs)
    print(f"{totals['passed']} passed, {totals['failed']} failed, {totals['skipped']} skipped")
    sys.exit(1 if totals["failed"] or (options.no_skips and totals["skipped"]) else 0)


if __name__ == "__main__":
    main()
