#!/bin/sh
# test: installs what is missing, builds with warnings as errors, runs the tests.
#   --sanitize   the tests in C alone, with the address and undefined-behaviour sanitizers
# Tests that take long, by name:
#   slow         pages in a headless chromium; models of full size beside transformers
#   fuzz         each reader fed with any bytes for 60 s (or FUZZ_SECONDS)
#   faults       allocations and buffers refused in turn, trainings killed, a full disk, data threads
set -eu
cd "$(dirname "$0")/.."

folder=build sanitize=OFF tests=. targets="" packages="" compiler=""
case "$*" in
"") ;;
--sanitize) folder=build-sanitize sanitize=ON tests='^test_' ;;
slow) targets="page_check study_check manual_check full_size" packages=chromium ;;
fuzz)
    folder=build-clang targets=fuzz packages="clang-14 libclang-rt-14-dev"
    compiler="-DCMAKE_C_COMPILER=clang-14 -DFUZZ_SECONDS=${FUZZ_SECONDS:-60}"
    ;;
faults) targets="faults kill tsan" ;;
*)
    echo "usage: sh scripts/test.sh [--sanitize | slow | fuzz | faults]" >&2
    exit 2
    ;;
esac
# shellcheck disable=SC2086 # words
sh scripts/packages.sh libcmocka-dev lua-busted lua-check lua5.4 $packages
generator=""
if [ ! -f $folder/CMakeCache.txt ] && command -v ninja >/dev/null; then
    generator=-GNinja
fi
# shellcheck disable=SC2086 # words
cmake -S . -B $folder $generator -DBUILD_TESTING=ON -DHOI_WERROR=ON -DHOI_SANITIZE=$sanitize \
    -DHOI_POCL_CACHE="$PWD/build/pocl" $compiler # building kernels takes longest
cmake --build $folder -j "$(nproc)"
for target in $targets; do
    cmake --build $folder --target "$target"
done
[ -z "$targets" ] || exit 0
cd $folder
ctest --output-on-failure --no-tests=error --tests-regex "$tests"
