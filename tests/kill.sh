#!/bin/sh
# kill: trainings killed at random moments leave readable files and go on to the same bits as one
# that was never killed; one whose disk is full says so and leaves the old checkpoint as it was.
#   sh tests/kill.sh BUILD [times]
set -eu
hoi=$1/hoi
times=${2:-50}
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT

fail() {
    echo "kill: $*" >&2
    exit 1
}
train() { # folder; exec: what is killed is the program, not a shell around it
    exec "$hoi" scripts/pretrain.lua --stage clip --steps 12 --batch 8 --save-every 1 --out "$1"
}
readable() {
    "$hoi" - "$1" <<'END'
local folder <const> = ...
local system <const>, hoi <const> = require "hoi.system", require "hoi"
for _, name in ipairs(system.list(folder) or {}) do
  local path <const> = folder .. "/" .. name
  if name:find "%.checkpoint$" then
    local file <close> = hoi.safetensors.open(path)
    assert(file:metadata "format" == "hoi-checkpoint", path)
  elseif name:find "%.jsonl$" then
    for line in io.lines(path) do
      hoi.json.decode(line)
    end
  end
end
if system.kind(folder .. "/clip/model.safetensors") then
  hoi.safetensors.open(folder .. "/clip/model.safetensors"):release()
end
END
}

begun=$(date +%s%N)
(train "$place/whole") 2>"$place/log" || fail "$(cat "$place/log")"
length=$((($(date +%s%N) - begun) / 1000000)) # of a whole run, in milliseconds
finished=0 killed=0
while [ "$killed" -lt "$times" ] || [ "$finished" -eq 0 ]; do
    train "$place/killed" 2>"$place/log" &
    id=$!
    random=$(od -An -N2 -tu2 /dev/urandom)
    [ "$killed" -ge "$times" ] || sleep "$(echo "$random $length" | awk '{ print $1 / 65536 * $2 / 1000 }')"
    if [ "$killed" -lt "$times" ] && kill -9 $id 2>/dev/null; then
        killed=$((killed + 1))
    fi
    if wait $id 2>/dev/null; then # the shell would tell of each kill
        cmp "$place/whole/clip/model.safetensors" "$place/killed/clip/model.safetensors" ||
            fail "after $killed kills the weights differ"
        finished=$((finished + 1))
        rm -r "$place/killed"
    elif [ -d "$place/killed" ]; then
        readable "$place/killed" || fail "after $killed kills a file can not be read"
    fi
done

# A disk that is full: no file may grow above 2 MB, which built kernels do not reach.
cp "$place/whole/clip.checkpoint" "$place/old"
status=0
(
    trap '' XFSZ
    ulimit -f 4096
    exec "$hoi" scripts/pretrain.lua --stage clip --steps 13 --batch 8 --save-every 1 \
        --out "$place/whole"
) 2>"$place/log" || status=$?
[ "$status" -eq 1 ] || fail "a full disk ends with $status: $(cat "$place/log")"
grep -q "clip.checkpoint.*File too large" "$place/log" || fail "a full disk says $(cat "$place/log")"
cmp "$place/old" "$place/whole/clip.checkpoint" || fail "a full disk damages the old checkpoint"
echo "kill: $killed kills, $finished trainings finished with the same bits; a full disk is told"
