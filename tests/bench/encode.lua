-- encode: everything that is measured here: `hoi tests/bench/encode.lua --json bench.json`; with
-- --dtype bfloat16, what is measured in that.
local bench <const> = require "bench"

local nouns <const> = {}
for i, name in ipairs {
  "probe", "gemm", "attention", "vision", "text", "detr", "step", "render", "start", "avx2",
  "bfloat",
} do
  nouns[i] = require(name)
end
bench.main("encode.lua", nouns)
