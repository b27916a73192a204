-- corner: an example of a detector in Lua: finds one person, in the upper left quarter of every
-- picture. The same in C: example_c/centre.c, which looks in the middle; equal options give equal
-- results. x, y: place in the free half of the picture, 0..1.
local defaults <const> = { x = 0, y = 0, score = 0.5 }

return {
  abi = 1,
  name = "corner",
  labels = { "person" },

  open = function(options)
    local self = setmetatable({}, { __index = defaults })
    for name, value in pairs(options) do
      if not defaults[name] or type(value) ~= "number" then
        error(("option '%s': x, y and score are known, all numbers"):format(name), 0)
      end
      self[name] = value
    end
    return self
  end,

  detect = function(self, picture)
    local width, height = picture.width / 2, picture.height / 2
    local x, y = self.x * width, self.y * height
    return {
      {
        box = { x, y, x + width, y + height },
        score = self.score,
        label = "person",
        feature = { self.x, self.y },
      },
    }
  end,

  close = function() end,
}
