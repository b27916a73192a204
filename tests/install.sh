#!/bin/sh
# install: what `cmake --install` puts below a prefix works there: the program, hoi.so in a stock
# lua5.4 with the program's numbers, plugins, the header, the manual page, types, completion.
#   sh tests/install.sh BUILD
set -eu
build=$1
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
prefix=$place/prefix

fail() {
    echo "install: $*" >&2
    exit 1
}
same() { # what, found, wanted
    [ "$2" = "$3" ] || fail "$1: '$2' found, '$3' wanted"
}

cmake --install "$build" --prefix "$prefix" >"$place/log"
hoi=$prefix/bin/hoi
LUA_CPATH="$(dirname "$(find "$prefix" -name hoi.so)")/?.so;;"
export LUA_CPATH
unset HOI_PLUGINS

version=$("$hoi" -e 'print(hoi.version)')
[ -n "$version" ] || fail "the program tells no version"
same "lua5.4's version" "$(lua5.4 -e 'print(require("hoi").version)')" "$version"

# A product, its gradient, a detector and a method, to the last bit.
cat >"$place/look.lua" <<'END'
local hoi = require "hoi"
local x = hoi.tensor { { 1, 2 }, { 3, 4 } }:train()
x:matmul(x):sum():backward()
print(x.grad)
local batch <close> = hoi.mini.batch("web", 1, 1, 1)
local image = hoi.image.new(96, 96, batch:rgb(1))
local detector <close> = hoi.detector "owlvit"
local method = hoi.method("zero_shot", hoi.clip(), hoi.targets "mini")
local found = method:predict(image, detector:detect { image = image, name = "x" }, { top = 3 })
assert(#found.interactions > 0, "nothing is seen in the picture")
for _, each in ipairs(found.interactions) do
  print(each.verb, each.object, ("%a"):format(each.score))
end
local ok, message = pcall(function() return hoi.imagee end)
print(ok, message)
END
"$hoi" "$place/look.lua" >"$place/program" || fail "the program ends with $?"
lua5.4 "$place/look.lua" >"$place/module" || fail "lua5.4 ends with $?"
cmp "$place/program" "$place/module" || fail "lua5.4 computes something else than the program"
grep -q "did you mean 'image'" "$place/module" || fail "lua5.4 got no message: $(cat "$place/module")"

# The installed plugins are found; those in C know the installed header alone.
for plugin in "$prefix"/lib*/hoi/plugins/*; do
    [ -f "$plugin" ] || fail "no plugins"
done
cc=${CC:-cc}
"$cc" -std=c11 -fPIC -shared -I "$prefix/include/hoi" -o "$place/centre.so" \
    plugins/example_c/centre.c -lcjson
echo 'local d <close> = require "hoi".detector "./centre.so"; print(d.name)' >"$place/plugin.lua"
(cd "$place" && "$hoi" plugin.lua && lua5.4 plugin.lua) >"$place/names"
same "the plugin's name" "$(sort -u "$place/names")" centre

# Each option of the program is in its manual page and both completions.
page=$prefix/share/man/man1/hoi.1
"$hoi" --help | grep -oE '^  -[-a-zA-Z]+' | tr -d ' ' | grep -vx -e -- | while read -r option; do
    sed 's/\\-/-/g' "$page" | grep -qF -e "$option" || fail "$page does not name $option"
    for file in bash-completion/completions/hoi zsh/site-functions/_hoi; do
        grep -qF -e "$option" "$prefix/share/$file" || fail "$file does not know $option"
    done
done
bash -c ". '$prefix/share/bash-completion/completions/hoi'
    COMP_WORDS=('$hoi' --dev) COMP_CWORD=1; compopt() { :; }
    _hoi '$hoi'; echo \${COMPREPLY[*]}
    COMP_WORDS=('$hoi' '$prefix/share/hoi/scripts/predict.lua' --html) COMP_CWORD=2
    _hoi '$hoi'; echo \${COMPREPLY[*]}" >"$place/completed"
same "bash's completion" "$(tr '\n' ' ' <"$place/completed")" "--device --devices --html "

# The types are a module for language servers, the manual has every name.
types=$prefix/share/hoi/types/hoi.lua
lua5.4 -e "assert(loadfile '$types')" || fail "$types is no Lua"
same "the end of $types" "$(tail -n 1 "$types")" "return hoi"
grep -qF "$prefix/share/hoi/types" "$prefix/share/hoi/luarc.json" || fail "luarc.json"
grep -q 'id="hoi.image.load"' "$(find "$prefix/share/doc" -name manual.html)" || fail "manual.html"
