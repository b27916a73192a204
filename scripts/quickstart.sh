#!/bin/sh
# quickstart: installs what is missing, builds build/hoi and its plugins, draws a few pictures and
# names what is done in them, by CLIP as it is and by an EZ-HOI that is taught here: tables; pages,
# JSON and annotated pictures in out/.
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
cmake --build build -j "$(nproc)"

build/hoi scripts/draw.lua --count 12 --out out/sheet
echo "CLIP as it is:"
build/hoi scripts/predict.lua --top 2 --out out --html out/page.html out/sheet
echo "EZ-HOI, taught here on 2000 drawn pictures, kicking and pulling held back:"
build/hoi scripts/train.lua --data mini --setting unseen_verb --steps 250 --fresh --out out/ezhoi
build/hoi scripts/predict.lua --prompts out/ezhoi --prior-power 1 --top 2 --out out/ezhoi \
    --html out/ezhoi.html out/sheet
echo "The pictures: out/sheet.png. What was seen in them: out/page.html (CLIP), out/ezhoi.html;"
echo "out/*.hoi.png, out/ezhoi/*.hoi.png, *.json."
