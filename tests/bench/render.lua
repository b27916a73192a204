-- render: pictures of the drawn world that one thread draws in a second.
local bench <const> = require "bench"
local hoi <const> = require "hoi"

local COUNT <const>, SEED <const> = 64, 1

return bench.noun {
  name = "render",
  figures = { "render_per_second" },
  cases = function()
    local batch <const> = hoi.mini.batch("web", SEED, 0, COUNT, { threads = 1 })
    local first = 0
    return {
      {
        figure = "render_per_second", label = "web scenes, 1 thread", kind = "per_second",
        count = COUNT,
        run = function()
          first = first + COUNT
          batch:fill("web", SEED, first, { threads = 1 })
        end,
      },
    }
  end,
}
