-- device: which device computes, its memory, and where its time goes.
local core <const> = require "hoi.device.core"

local device <const> = {
  devices = core.devices, device = core.device, memory = core.memory, trim = core.trim,
}

local Profile <const> = { __name = "hoi.Profile" }

function Profile.__tostring(rows)
  local total = 0
  for _, row in ipairs(rows) do
    total = total + row.milliseconds
  end
  local lines <const> = {
    ("%-24s %9s %11s %6s %9s"):format("kernel", "calls", "ms", "%", "GFLOP/s"),
  }
  for _, row in ipairs(rows) do
    lines[#lines + 1] = ("%-24s %9d %11.2f %6.1f %9s"):format(row.kernel, row.calls,
      row.milliseconds, 100 * row.milliseconds / math.max(total, 1e-9),
      row.gigaflops > 0 and ("%.1f"):format(row.gigaflops / row.milliseconds * 1000) or "")
  end
  lines[#lines + 1] = ("%-24s %9s %11.2f"):format("all", "", total)
  return table.concat(lines, "\n")
end

-- Gets the rows of what was launched since they were last asked for.
function device.rows()
  return setmetatable(core.rows(), Profile)
end

function device.profile(f)
  core.profiling(true)
  core.rows()
  f()
  return device.rows()
end

device.finish, device.probe = core.finish, core.probe

if os.getenv "HOI_PROFILE" then -- at the end: a table that the closing state collects
  device.at_exit = setmetatable({}, {
    __gc = function()
      local rows <const> = device.rows()
      if #rows > 0 then
        io.stderr:write(tostring(rows), "\n")
      end
    end,
  })
end

return device
