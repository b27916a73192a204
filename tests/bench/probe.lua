-- probe: the peak that all fractions are of: multiply-adds in registers, by all units and by one.
local bench <const> = require "bench"
local device <const> = require "hoi.device"

return bench.noun {
  name = "probe",
  figures = { "probe_gflops", "probe_1_gflops", "probe_scaling" },
  cases = function()
    return {}
  end,
  plain = function(options)
    local all <const>, one <const>, scaling <const> = {}, {}, {}
    for i = 1, 2 * options.rounds do
      one[i], all[i] = device.probe { units = 1 }, device.probe()
      scaling[i] = all[i] / one[i]
    end
    return {
      probe_gflops = bench.median(all), probe_1_gflops = bench.median(one),
      probe_scaling = bench.median(scaling),
    }
  end,
}
