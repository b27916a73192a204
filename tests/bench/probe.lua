-- probe: the peak that all fractions are of: multiply-adds in registers, by all units and by one.
local bench <const> = require "bench"
local device <const> = require "hoi.device"

-- Gets the medians of the probes of one unit, of all units, and of their ratio, without those in
-- which all units together were slowed down.
local function medians(one, all)
  local ones <const>, alls <const>, scaling <const> = {}, {}, {}
  for i, gigaflops in ipairs(all) do
    if gigaflops >= bench.BEST_SHARE * math.max(table.unpack(all)) then
      ones[#ones + 1], alls[#alls + 1] = one[i], gigaflops
      scaling[#scaling + 1] = gigaflops / one[i]
    end
  end
  return bench.median(ones), bench.median(alls), bench.median(scaling)
end

return bench.noun {
  name = "probe",
  figures = { "probe_gflops", "probe_1_gflops", "probe_scaling" },
  cases = function()
    return {}
  end,
  plain = function(options)
    local one <const>, all <const> = {}, {}
    for i = 1, 4 * options.rounds do
      one[i], all[i] = device.probe { units = 1 }, device.probe()
    end
    local figures <const> = {}
    figures.probe_1_gflops, figures.probe_gflops, figures.probe_scaling = medians(one, all)
    return figures
  end,
}
