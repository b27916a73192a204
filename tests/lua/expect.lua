-- expect: what specs ask beside busted's own assertions.
local assert = require "luassert"

local expect = {}

-- f(...) raises an error that holds `text`, letter by letter. Gets the whole message.
function expect.says(text, f, ...)
  local ok, message = pcall(f, ...)
  assert.is_false(ok, "no error; wanted: " .. text)
  message = tostring(message)
  assert.is_truthy(message:find(text, 1, true), ("wanted: %s\ngot: %s"):format(text, message))
  return message
end

-- Two tensors have one shape, and no value of one is further than the tolerance from the other's.
function expect.near(wanted, got, tolerance, name)
  name = name or "it"
  assert.are.same(wanted.shape, got.shape, name)
  local gap = (wanted - got):abs():max():item()
  assert.is_true(gap <= tolerance, ("%s is off by %g"):format(name, gap))
end

return expect
