-- zero_shot: CLIP as it is (Radford et al. 2021): cosines of pictures with the texts of the
-- classes, one prompt or the mean of several.
local classifier <const> = require "hoi.classifier"

local zero_shot <const> = { needs = "features", options = {} }

function zero_shot.new(task)
  classifier.wants(task, "text", "zero_shot")
  return {}
end

function zero_shot:classes()
  return self.task.text
end

function zero_shot:forward(x, classes)
  return classifier.cosines(x, classes, self.task.scale)
end

function zero_shot.learn()
  return {}
end

return zero_shot
