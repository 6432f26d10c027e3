#!/usr/bin/env bash
# The store's regression harness: six categories, each a real run of the store's tests, each of
# which must have run something. With valgrind present one run more goes through it, and any leak
# or invalid access fails. Ends with `6/6 tests passed`, or names what failed and exits 1.
set -uo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

binary=$(cargo test --quiet --lib --no-run --message-format=json 2>/dev/null |
    sed -n 's/.*"name":"unplug".*"executable":"\([^"]*\)".*/\1/p' | tail -n 1)
if [ -z "$binary" ]; then
    echo "the test binary does not build:"
    cargo test --lib --no-run
    exit 1
fi

passed=0
log=$(mktemp) && trap 'rm -f "$log"' EXIT

# run TITLE MINIMUM FILTER...: passes if every test that matches passes, and enough matched.
run() {
    local title=$1 minimum=$2
    shift 2
    if "$binary" "$@" >"$log" 2>&1; then
        local count
        count=$(sed -n 's/^test result: ok\. \([0-9]*\) passed.*/\1/p' "$log")
        if [ "${count:-0}" -ge "$minimum" ]; then
            passed=$((passed + 1))
            echo "ok      $title ($count checks)"
            return
        fi
        echo "FAILED  $title: only ${count:-0} checks ran, expected at least $minimum"
        return
    fi
    echo "FAILED  $title"
    grep -E '^(test .* FAILED|thread .* panicked|assertion|  (left|right):)' "$log" | head -n 40
}

run "codec round trip" 10 store::bytes store::op store::frame store::pages store::checkpoint \
    store::names store::counters
run "damage detection" 12 store::tests::damage store::segment store::mark store::verify \
    store::tests::fuzz store::values
run "append discipline" 5 store::tests::append
run "full recovery" 6 store::tests::a_ store::tests::what_ store::tests::group store::cursor \
    store::snapshot store::table store::batch
run "crash recovery" 14 store::tests::recovery store::tests::failures store::tests::disk_full \
    store::decide
run "checkpoint and partial replay" 7 store::tests::partial

clean=yes
if command -v valgrind >/dev/null; then
    # What finishes in reasonable time under an interpreter of machine code.
    if valgrind --quiet --error-exitcode=99 --leak-check=full --errors-for-leak-kinds=definite \
        "$binary" --test-threads 1 store::decide store::mark store::tests::partial \
        store::tests::a_store store::tests::a_prepared store::cursor >"$log" 2>&1 &&
        grep -q '^test result: ok\. [1-9]' "$log"; then
        echo "ok      no leak and no invalid access under valgrind"
    else
        clean=no
        echo "FAILED  valgrind"
        grep -E '^==|FAILED|panicked' "$log" | head -n 40
    fi
else
    echo "SKIPPED valgrind: it is not installed"
fi

echo "$passed/6 tests passed"
[ "$passed" -eq 6 ] && [ "$clean" = yes ]
