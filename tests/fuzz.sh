#!/bin/sh
# fuzz: sh tests/fuzz.sh FOLDER SECONDS NAME...: runs each fuzzer of a build, one after another; says
# of each how many inputs it took, of one that stops what it said and where the input lies. The last
# lines name those that stopped.
#   FUZZ_SEED=N  begins at tests/corpus alone, with random numbers of this seed: nothing by chance.
#                Without it what earlier runs found is kept in FOLDER/corpus, and serves again.
set -u
cd "$(dirname "$0")/.."
build=$1 seconds=$2 seed=${FUZZ_SEED:-0} stopped=""
shift 2
for name; do
    found=$build/corpus/$name log=$build/fuzz_$name.log
    [ "$seed" = 0 ] || rm -rf "$found"
    mkdir -p "$found"
    # what is found goes into the first folder, the seeds lie in the second
    if "$build/fuzz_$name" -seed="$seed" -max_total_time="$seconds" -timeout=10 \
        -rss_limit_mb=2048 -verbosity=0 -print_final_stats=1 \
        -artifact_prefix="$build/fuzz_$name-" "$found" "tests/corpus/$name" >"$log" 2>&1; then
        runs=$(sed -n 's/^stat::number_of_executed_units: *//p' "$log")
        echo "fuzz: $name: $runs inputs, none breaks it"
        continue
    fi
    input=$(sed -n 's/.*Test unit written to //p' "$log" | tail -n 1)
    case $input in
    *-timeout-*) # the clock on the wall: a machine that stood still is no mistake of ours
        if "$build/fuzz_$name" -timeout=10 "$input" >"$log.again" 2>&1; then
            echo "fuzz: $name: stopped by a machine that stood still: $input is fast alone"
            continue
        fi
        ;;
    esac
    tail -n 60 "$log"
    stopped="$stopped
fuzz: $name STOPPED: ${input:-no input was kept}; all it said: $log"
done
[ -z "$stopped" ] || {
    echo "$stopped"
    exit 1
}
