-- detr: DETR-R50 of COCO's 80 classes, from torch hub's file or UPT's tuned on HICO-DET. Each box
-- comes with its decoder state, 256 numbers, as its feature.
local detr <const> = require "hoi.detr"
local options <const> = require "hoi.options"

return {
  abi = 1,
  name = "detr",
  labels = {},
  open = function(given)
    local o <const> = options(given,
      { model = false, score = 0.1, short = 800, long = 1333, labels = false })
    if not o.model then
      return nil, "option 'model' is missing: DETR's weights, detr-r50-e632da11.pth or the like"
    end
    local opened <const> = detr.open(o.model, { short = o.short, long = o.long, labels = o.labels })
    return { model = opened, score = o.score }, opened.labels
  end,
  detect = function(self, picture)
    return self.model:detect(picture.image, { score_threshold = self.score })
  end,
  close = function(self)
    self.model:release()
  end,
}
