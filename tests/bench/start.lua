-- start: how long the program takes to begin: with nothing to do; until the embedded CLIP has seen
-- its first picture; and that on a machine that has never compiled the kernels.
local bench <const> = require "bench"

local FIRST_PICTURE <const> = "hoi.clip():encode_image(hoi.image.new(96, 96)):totable()"

local function run(environment, code)
  bench.output(("%s %s -e %s"):format(environment, bench.program(), bench.quote(code)))
end

local function make_cache()
  return "POCL_CACHE_DIR=" .. bench.quote(bench.output "mktemp -d":match "[^\n]+")
end

local function drop_cache(cache)
  bench.output("rm -rf " .. cache:match "=(.*)")
end

return bench.noun {
  name = "start",
  figures = { "start_ms", "warm_start_ms", "cold_start_ms" },
  cases = function(options)
    local cases <const> = {}
    local function add(figure, case)
      if options.wants(figure) then
        case.figure, case.kind = figure, "milliseconds"
        cases[#cases + 1] = case
      end
    end
    add("start_ms", {
      label = "hoi -e ''",
      run = function()
        run("", "")
      end,
    })
    add("warm_start_ms", {
      label = "first picture",
      run = function()
        run("", FIRST_PICTURE)
      end,
    })
    add("cold_start_ms", {
      label = "first picture, nothing compiled", cold = true, most_rounds = 3,
      run = function()
        local cache <const> = make_cache()
        run(cache, FIRST_PICTURE)
        drop_cache(cache)
      end,
    })
    return cases
  end,
}
