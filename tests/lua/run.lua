-- run: the Lua specs, by busted, inside hoi: hoi tests/lua/run.lua [spec...]. All of this folder by
-- default. After each test the live bytes of the device must be what they were before it.
local passed, failed, skipped = 0, 0, {}

local function live_bytes()
  local device = package.loaded["hoi.device"]
  if not device then
    return 0
  end
  collectgarbage()
  collectgarbage() -- the first one may only have called finalizers
  return device.memory().live
end

-- Counts, and adds to the output handler of busted what it does not know: leaks.
package.preload["busted.outputHandlers.counting"] = function()
  local new_plain <const> = require "busted.outputHandlers.plainTerminal"
  return function(options)
    local busted <const> = require "busted"
    local handler <const> = new_plain(options)
    local before, leaks = 0, {}
    busted.subscribe({ "test", "start" }, function()
      before = live_bytes()
      return nil, true
    end)
    busted.subscribe({ "test", "end" }, function(element, _, status)
      local leaked = live_bytes() - before
      local name = handler.getFullName(element)
      if leaked ~= 0 then
        leaks[#leaks + 1] = ("%s: %d bytes of the device more than before"):format(name, leaked)
      end
      if status == "pending" then
        skipped[#skipped + 1] = name
      elseif status == "success" and leaked == 0 then
        passed = passed + 1
      else
        failed = failed + 1
      end
      return nil, true
    end)
    local function count_broken(element) -- what breaks outside of a test
      if element.descriptor ~= "it" then
        failed = failed + 1
      end
      return nil, true
    end
    busted.subscribe({ "error" }, count_broken)
    busted.subscribe({ "failure" }, count_broken)
    busted.subscribe({ "suite", "end" }, function()
      for _, leak in ipairs(leaks) do
        print("leak: " .. leak)
      end
      return nil, true
    end)
    return handler
  end
end

local found, compatibility = pcall(require, "busted.compatibility")
if not found then
  error("busted is missing: apt install lua-busted", 0)
end
compatibility.exit = function() end -- this file decides

local specs <const> = table.move(arg, 1, #arg, 1, {})
if #specs == 0 then
  specs[1] = arg[0]:match "^(.*)/" or "."
end
local options <const> = { "--output=counting", "--pattern=_spec%.lua$", "--no-auto-insulate" }
local saved <const> = arg
arg = table.move(specs, 1, #specs, #options + 1, table.move(options, 1, #options, 1, {}))
arg[0], arg[-1] = saved[0], saved[-1]
require "busted.runner" { standalone = false }

for _, name in ipairs(skipped) do
  print("skipped: " .. name)
end
print(("%d passed, %d failed"):format(passed, failed))
os.exit(failed == 0 and passed > 0, true)
