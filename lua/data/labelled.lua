-- labelled: a data set whose pictures, or features, belong to one class each, in three parts.
local Classes <const> = { __name = "hoi.Classes" }
Classes.__index = Classes

-- Gets the picture of an item of train, val or test.
function Classes:image(item)
  if item.row then
    error(("%s has features alone, no pictures"):format(self.name), 2)
  end
  return self.draw and self.draw(item) or require "hoi.image".load(item.path)
end

function Classes:__tostring()
  return ("Classes %s: %d classes; %d to train, %d to validate, %d to test"):format(self.name,
    #self.classes, #self.train, #self.val, #self.test)
end

-- Makes an empty one of some fields.
return function(fields)
  for _, part in ipairs { "classes", "train", "val", "test" } do
    fields[part] = fields[part] or {}
  end
  fields.templates = fields.templates or { "a photo of a {}." }
  return setmetatable(fields, Classes)
end
