-- avx2: the kernels of 8 floats on a processor that could do 16: PoCL is told to be an older one.
-- Fractions are of the peak in that mode.
local bench <const> = require "bench"
local device <const> = require "hoi.device"
local json <const> = require "hoi.json"

local OLDER <const> = "HOI_VECTOR=8 POCL_KERNELLIB_NAME=avx2 POCL_LLVM_CPU_NAME=haswell"
-- The figure here and there.
local FIGURES <const> = {
  { "gemm_avx2_fraction", "gemm_fraction" }, { "attention_avx2_fraction", "attention_fraction" },
  { "encode_8_avx2_fraction", "encode_8_fraction" }, { "probe_avx2_gflops", "probe_gflops" },
}

local function possible()
  local here <const> = device.device()
  return here.platform == "Portable Computing Language" and here.kernels == "cpu, 16 floats"
end

local names <const> = {}
for i, pair in ipairs(FIGURES) do
  names[i] = pair[1]
end

return bench.noun {
  name = "avx2",
  figures = names,
  cases = function()
    return {}
  end,
  plain = function(options)
    if not possible() then
      return {}
    end
    local path <const>, only <const> = os.tmpname(), {}
    for _, pair in ipairs(FIGURES) do
      only[#only + 1] = options.wants(pair[1]) and "--only " .. pair[2] or nil
    end
    io.write(bench.output(("%s %s %s %s --rounds %d %s --json %s"):format(OLDER, bench.program(),
      bench.quote(bench.folder .. "/encode.lua"), options.quick and "--quick" or "", options.rounds,
      table.concat(only, " "), bench.quote(path))))
    local found <const>, figures <const> = json.load(path), {}
    os.remove(path)
    for _, pair in ipairs(FIGURES) do
      figures[pair[1]] = found[pair[2]]
    end
    return figures
  end,
}
