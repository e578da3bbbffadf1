#!/usr/bin/env bash
# The one command for a new machine (Debian 12 or a relative of it):
#
#   ./bootstrap.sh setup   installs what is missing
#   ./bootstrap.sh demo    setup, a release build, and the demonstration
#   ./bootstrap.sh test    setup, builds by gcc and clang, all tests; the last line says how many passed
#   ./bootstrap.sh format  formats every C file
#
# Nothing is written outside the folder .build, apart from the packages. JOBS=n limits parallelism.
set -u -o pipefail
cd "$(dirname "${BASH_SOURCE[0]}")" || exit 70

readonly BUILD=.build
readonly JOBS="${JOBS:-$(nproc)}"
readonly PACKAGES=(
    cmake ninja-build gcc libc6-dev clang clang-format libclang-rt-14-dev flex bison
    protobuf-c-compiler libprotobuf-c-dev libffi-dev libelf-dev libjansson-dev zlib1g-dev libzip-dev
    libpcre2-dev libjpeg-dev libpng-dev libtiff-dev libwebp-dev libopenjp2-7-dev
    pkg-config binutils python3 python3-numpy python3-sklearn libonnx-testdata gcovr
)
# Used for tests alone: their absence skips tests, and is no error on a relative of Debian 12.
readonly OPTIONAL=" libclang-rt-14-dev python3-sklearn libonnx-testdata gcovr "

say()
{
    printf '\n== %s\n' "$*"
}

missing_packages()
{
    local p
    for p in "${PACKAGES[@]}"; do
        dpkg-query -W -f '${Status}' "$p" 2>/dev/null | grep -q '^install ok installed$' || echo "$p"
    done
}

as_root()
{
    if [ "$(id -u)" = 0 ]; then
        "$@"
    elif command -v sudo >/dev/null; then
        sudo "$@"
    else
        echo "bootstrap.sh: neither root nor sudo; cannot run: $*" >&2
        return 1
    fi
}

install_packages()
{
    as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends "$@"
}

setup()
{
    if ! command -v dpkg-query >/dev/null; then
        echo "bootstrap.sh: not a Debian; assuming that these are there: ${PACKAGES[*]}" >&2
        return 0
    fi
    local missing required=() optional=() p
    mapfile -t missing < <(missing_packages)
    [ "${#missing[@]}" = 0 ] && return 0
    for p in "${missing[@]}"; do
        if [[ $OPTIONAL == *" $p "* ]]; then optional+=("$p"); else required+=("$p"); fi
    done
    say "Installing ${missing[*]}"
    as_root apt-get update -q || echo "bootstrap.sh: apt-get update failed; trying with the lists there are" >&2
    if [ "${#required[@]}" -gt 0 ]; then
        install_packages "${required[@]}" || return 1
    fi
    for p in ${optional[@]+"${optional[@]}"}; do
        install_packages "$p" || echo "bootstrap.sh: $p cannot be installed; some tests will be skipped" >&2
    done
}

# Prints a command's output only when it fails.
quietly()
{
    local log="$BUILD/$1.log" start=$SECONDS
    shift
    if "$@" >"$log" 2>&1; then
        echo "ok ($((SECONDS - start)) s)"
    else
        tail -n 100 "$log"
        echo "FAILED: $* (whole log: $log)"
        return 1
    fi
}

build()
{
    local preset="$1"
    shift
    mkdir -p "$BUILD"
    say "Build $preset"
    quietly "configure-$preset" cmake --preset "$preset" "$@" &&
        quietly "build-$preset" cmake --build --preset "$preset" -j "$JOBS"
}

STEPS=() # what the summary adds up

# step NAME COMMAND..: runs it and notes whether it succeeded.
step()
{
    local name="$1" status=0
    shift
    "$@" || status=$?
    STEPS+=("$name=$status")
    return "$status"
}

run_ctest()
{
    local preset="$1" junit="$PWD/$BUILD/$1-tests.xml"
    say "Tests, $preset"
    rm -f "$junit"
    ctest --preset "$preset" -j "$JOBS" --timeout 600 --output-junit "$junit" \
        --test-output-size-passed 4000000 --test-output-size-failed 4000000 --test-output-truncation head
    STEPS+=("$junit")
}

c_files()
{
    find . -name .build -prune -o -name 'build*' -type d -prune -o -name '*.[ch]' -print | sort
}

check_format()
{
    say "Format"
    local files
    mapfile -t files < <(c_files)
    if ! clang-format --version | grep -q 'version 14\.'; then
        echo "clang-format 14 is not there; the format is not checked"
        return 0
    fi
    clang-format --dry-run -Werror "${files[@]}"
}

run_tests()
{
    setup || return 1
    mkdir -p "$BUILD"
    step format check_format
    step build-release build release -DBITLET_WERROR=ON && run_ctest release
    step build-clang build release-clang -DBITLET_WERROR=ON
    # gcc warns of the sanitizers' own code at times: here warnings stay warnings.
    step build-asan-ubsan build asan-ubsan && run_ctest asan-ubsan
    say "Summary"
    python3 tests/summarize.py "${STEPS[@]}"
}

run_demo()
{
    setup && build release && PATH="$PWD/$BUILD/release/bin:$PATH" tests/demo/run.sh
}

case "${1:-}" in
setup) setup ;;
demo) run_demo ;;
test) run_tests ;;
format) setup && c_files | xargs -r clang-format -i ;;
*)
    sed -n 's/^# \{0,1\}//; 2,9p' "${BASH_SOURCE[0]}" >&2
    exit 2
    ;;
esac
