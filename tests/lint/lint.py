"""Checks of the house: doors, layers, banned functions, lengths, names, SQL.

    python3 tests/lint/lint.py [BUILD_DIR]

Each check prints one line; the last line counts them. BUILD_DIR (optional) is where libmreg.a is, for
the check of writable globals.
"""
import collections
import pathlib
import re
import shutil
import sqlite3
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]

# A dependency's header may be included only by these files.
DOORS = {
    r"civetweb\.h": {"server/http/serve.c", "tests/node/", "tests/bench/"},
    r"git2(/.*)?\.h": {"server/journal/history", "server/base/config.c", "tests/bench/", "tests/unit/"},
    r"curl/.*\.h": {"server/base/wire.c", "cli/remote", "tests/bench/"},
    r"sodium\.h": {"lib/seal.c", "tests/unit/"},
    r"openssl/.*\.h": {"lib/digest.c", "lib/jwt_key.c", "tests/bench/"},
    r"sqlite3\.h": {"server/store/store_sqlite.c", "tests/unit/", "tests/bench/"},
}
# Folder -> folders that it may include from, besides itself and lib.
LAYERS = {
    "lib": set(),
    "server/base": set(),
    "server/store": {"server/base"},
    "server/blob": {"server/base", "server/store"},
    "server/journal": {"server/base", "server/store"},
    "server/rules": {"server/base", "server/store", "server/blob", "server/journal"},
    "server/rollout": {"server/base", "server/store", "server/blob", "server/journal", "server/rules",
                       "server/rollout/drivers", "server/rollout/routers"},
    "server/rollout/drivers": {"server/rollout"},
    "server/rollout/routers": {"server/rollout", "server/rollout/drivers"},
    "server/outbound": {"server/base", "server/store", "server/journal", "server/rules"},
    "server/http": {"server/base", "server/store", "server/blob", "server/journal", "server/rules",
                    "server/rollout", "server/outbound"},
    "server/api": {"server/base", "server/store", "server/blob", "server/journal", "server/rules",
                   "server/rollout", "server/outbound", "server/http"},
    "cli": set(),
}
# api and drivers have stricter rules of their own.
NEVER = {
    "server/api": {"wire.h", "driver.h"},
    "server/rollout/drivers": {"store.h", "wire.h", "controller.h"},
    "server/rollout/routers": {"store.h", "wire.h", "lines.h", "controller.h"},
}
BANNED = ("strcpy strcat sprintf vsprintf gets strtok atoi atol atof alloca system popen rand srand "
          "mktemp tmpnam localtime gmtime asctime ctime setjmp longjmp").split()
MAX_FUNCTION_LINES = 80
MAX_FILE_LINES = 450

failures = collections.defaultdict(list)


def sources(*suffixes):
    out = subprocess.run(["git", "ls-files", "-co", "--exclude-standard"], cwd=ROOT, text=True,
                         capture_output=True, check=True).stdout.split("\n")
    for name in sorted(set(filter(None, out))):
        if name.endswith(suffixes) and (ROOT / name).is_file():
            yield name


def text_of(name):
    return (ROOT / name).read_text(encoding="utf-8")


def strip_comments(text):
    keep_lines = lambda m: re.sub(r"[^\n]", " ", m.group(0)) if m.group(0)[0] == "/" else m.group(0)
    return re.sub(r'/\*.*?\*/|//[^\n]*|"(?:\\.|[^"\\\n])*"', keep_lines, text, flags=re.S)


def includes(name):
    for number, line in enumerate(text_of(name).split("\n"), 1):
        found = re.match(r'\s*#\s*include\s+["<]([^">]+)[">]', line)
        if found:
            yield number, found.group(1)


def check_doors():
    for name in sources(".c", ".h"):
        if name.startswith("tests/bench/"):  # references are measured with the bare libraries
            continue
        for number, header in includes(name):
            for door, allowed in DOORS.items():
                if re.fullmatch(door, header) and not any(name.startswith(a) for a in allowed):
                    failures["doors"].append(f"{name}:{number}: {header} has its door elsewhere")


def check_layers():
    home = {pathlib.PurePath(n).name: str(pathlib.PurePath(n).parent) for n in sources(".h")
            if n.startswith(("lib/", "server/", "cli/"))}
    for name in sources(".c", ".h"):
        folder = str(pathlib.PurePath(name).parent)
        if folder not in LAYERS:
            continue
        for number, header in includes(name):
            target = home.get(header)
            if header in NEVER.get(folder, ()):
                failures["layers"].append(f"{name}:{number}: {folder} never includes {header}")
            elif target and target not in (folder, "lib") and target not in LAYERS[folder]:
                failures["layers"].append(f"{name}:{number}: {folder} may not include {target}/{header}")


def check_banned():
    pattern = re.compile(r"(?<![\w.>])(" + "|".join(BANNED) + r")\s*\(")
    for name in sources(".c", ".h"):
        if not name.startswith(("lib/", "server/", "cli/")):
            continue
        code = strip_comments(text_of(name))
        code = re.sub(r'"(?:\\.|[^"\\\n])*"', '""', code)
        for number, line in enumerate(code.split("\n"), 1):
            found = pattern.search(line)
            if found:
                failures["banned"].append(f"{name}:{number}: {found.group(1)} is banned")
            if re.search(r"\bgoto\b", line):
                failures["banned"].append(f"{name}:{number}: goto")


def check_lengths():
    for name in sources(".c"):
        if name.startswith("tests/"):
            continue
        lines = text_of(name).count("\n")
        if lines > MAX_FILE_LINES:
            failures["lengths"].append(f"{name}: {lines} lines (at most {MAX_FILE_LINES})")
    if not shutil.which("ctags"):
        failures["lengths"].append("ctags is missing")
        return
    names = [n for n in sources(".c") if n.startswith(("lib/", "server/", "cli/"))]
    out = subprocess.run(["ctags", "-L", "-", "--languages=C", "--kinds-C=f", "--fields=+ne", "-x",
                          "--_xformat=%{line} %{end} %{name} %{input}"], cwd=ROOT, text=True,
                         input="\n".join(names), capture_output=True, check=True).stdout
    for row in out.split("\n"):
        parts = row.split(" ", 3)
        if len(parts) == 4 and int(parts[1]) - int(parts[0]) + 1 > MAX_FUNCTION_LINES:
            length = int(parts[1]) - int(parts[0]) + 1
            failures["lengths"].append(f"{parts[3]}:{parts[0]}: {parts[2]} has {length} lines")


def check_names():
    seen = {}
    for name in sources(".c", ".h", ".py", ".sql"):
        base = pathlib.PurePath(name).name
        if base in ("CMakeLists.txt", "__init__.py"):
            continue
        if base in seen:
            failures["names"].append(f"{name} and {seen[base]} have the same name")
        seen[base] = name


def check_openings():
    for name in sources(".c"):
        if name.startswith(("lib/", "server/", "cli/")) and not text_of(name).startswith("/*"):
            failures["openings"].append(f"{name}: does not open with what it is for")


def check_headers():
    """Every function declared in a public header stands below a comment."""
    for name in sources(".h"):
        if not name.startswith(("lib/", "server/", "cli/")):
            continue
        if not re.match(r"/\*.*?\*/\s*#ifndef MREG_\w+_H\n#define MREG_\w+_H", text_of(name), re.S):
            failures["headers"].append(f"{name}: no opening comment or guard MREG_..._H")


def sql_statements(name):
    """String literals (joined) of calls to db_run, db_query and db_int."""
    code = strip_comments(text_of(name))
    literal = r'"(?:\\.|[^"\\])*"'
    for call in re.finditer(r"\b(?:db_run|db_query|db_int)\s*\(", code):
        found = re.compile(rf"(?:{literal}\s*)+").search(code, call.end())
        if not found or code[call.end():found.start()].count(";"):
            continue
        sql = "".join(re.findall(r'"((?:\\.|[^"\\])*)"', found.group(0)))
        sql = sql.replace('\\"', '"').replace("\\n", "\n")
        yield code.count("\n", 0, call.start()) + 1, sql


def check_sql():
    db = sqlite3.connect(":memory:")
    for migration in sorted((ROOT / "migrations/sqlite").glob("*.sql")):
        db.executescript(migration.read_text())
    db.execute("CREATE TABLE IF NOT EXISTS schema_migrations (name TEXT PRIMARY KEY, sha256 TEXT, "
               "applied_ts INTEGER)")
    count = 0
    for name in sources(".c"):
        if not name.startswith("server/"):
            continue
        for number, sql in sql_statements(name):
            if not re.match(r"\s*(/\*\w+\*/\s*)?(SELECT|INSERT|UPDATE|DELETE|WITH)\b", sql, re.I):
                continue
            count += 1
            try:
                arguments = [None] * len(set(re.findall(r"\?\d+", sql)))
                plan = db.execute("EXPLAIN QUERY PLAN " + sql, arguments).fetchall()
            except sqlite3.Error as fault:
                failures["sql"].append(f"{name}:{number}: {fault}")
                continue
            scans = [row[3] for row in plan if row[3].startswith("SCAN") and "CONSTANT" not in row[3]
                     and "USING" not in row[3] and "sqlite_" not in row[3]]
            # The first rows in key order are no scan of the table.
            is_short = re.search(r"\bLIMIT\b", sql) and not re.search(r"\bWHERE\b", sql) and not any(
                "TEMP B-TREE" in row[3] for row in plan)
            if scans and not is_short and "/*scan*/" not in sql:
                failures["sql"].append(f"{name}:{number}: {scans[0]} (mark /*scan*/ if it is meant)")
    if count < 20:
        failures["sql"].append(f"only {count} statements found: the extraction is broken")


def check_globals():
    library = pathlib.Path(sys.argv[1]) / "libmreg.a" if len(sys.argv) > 1 else None
    if not library or not library.exists():
        return
    out = subprocess.run(["objdump", "-t", str(library)], text=True, capture_output=True,
                         check=True).stdout
    source = ""
    for line in out.split("\n"):
        member = re.match(r"(\w+)\.c\.o:", line)
        found = re.search(r"\sO (\.data|\.bss)\s+[0-9a-f]+\s+(?:\.hidden )?(\w+)(?:\.\d+)?$", line)
        if member:
            source = member.group(1)
        elif found and source not in ("digest", "seal") and not found.group(2).startswith("_"):
            # digest and seal hold handles that are fetched once, documented there
            failures["globals"].append(f"lib/{source}.c: writable global {found.group(2)}")


def check_texts():
    """No path of somebody's machine and no registry host; no unfinished marks."""
    host = re.compile(r"registry\.npmjs\.org|pypi\.org|files\.pythonhosted|deb\.debian\.org")
    mark = re.compile(r"\b(TODO|FIXME|XXX|HACK)\b")
    for name in sources(".c", ".h", ".ts", ".tsx", ".css", ".html", ".py", ".sh", ".md", ".sql", ".json",
                        ".cmake", ".txt", ".yaml", ".yml"):
        if name == "tests/lint/lint.py":
            continue
        for number, line in enumerate(text_of(name).split("\n"), 1):
            if host.search(line) or "/home/" in line or mark.search(line):
                failures["texts"].append(f"{name}:{number}: {line.strip()[:90]}")


CHECKS = {"doors": check_doors, "layers": check_layers, "banned": check_banned, "lengths": check_lengths,
          "names": check_names, "openings": check_openings, "headers": check_headers, "sql": check_sql,
          "globals": check_globals, "texts": check_texts}


def main():
    for label, check in CHECKS.items():
        check()
        print(f"lint {label}: {'ok' if not failures[label] else 'FAILED'}")
        for line in failures[label]:
            print("  " + line)
    failed = sum(1 for label in CHECKS if failures[label])
    print(f"{len(CHECKS) - failed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
