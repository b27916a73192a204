#!/bin/sh
# test: installs what is missing, builds with warnings as errors, runs the tests.
#   --sanitize   the tests in C alone, with the address and undefined-behaviour sanitizers
set -eu
cd "$(dirname "$0")/.."

case "$*" in
"") folder=build sanitize=OFF tests=. ;;
--sanitize) folder=build-sanitize sanitize=ON tests='^test_' ;;
*)
    echo "usage: sh scripts/test.sh [--sanitize]" >&2
    exit 2
    ;;
esac
sh scripts/packages.sh libcmocka-dev lua-busted lua-check lua5.4
generator=""
if [ ! -f $folder/CMakeCache.txt ] && command -v ninja >/dev/null; then
    generator=-GNinja
fi
cmake -S . -B $folder $generator -DBUILD_TESTING=ON -DHOI_WERROR=ON -DHOI_SANITIZE=$sanitize \
    -DHOI_POCL_CACHE="$PWD/build/pocl" # building kernels takes longest
cmake --build $folder -j "$(nproc)"
cd $folder
ctest --output-on-failure --no-tests=error --tests-regex "$tests"
