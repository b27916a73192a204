#!/bin/sh
# quickstart: installs what is missing, builds build/hoi, draws a few pictures and names what is
# done in them: a table here; a page, JSON and annotated pictures in out/.
set -eu
cd "$(dirname "$0")/.."

sh scripts/packages.sh
if [ ! -f build/CMakeCache.txt ]; then
    generator=""
    if command -v ninja >/dev/null; then
        generator=-GNinja
    fi
    cmake -S . -B build $generator -DBUILD_TESTING=OFF
fi
cmake --build build --target hoi -j "$(nproc)"

build/hoi scripts/draw.lua --count 12 --out out/sheet
build/hoi scripts/predict.lua --out out --html out/page.html out/sheet
echo "The pictures: out/sheet.png. What was seen in them: out/page.html, out/*.hoi.png, out/*.json."
