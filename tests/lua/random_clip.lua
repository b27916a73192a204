-- random_clip: writes a CLIP of random numbers into a folder. vision, text: widths and numbers of a
-- configuration, of which the heads are 64 wide, so that shapes say all of its sizes.
local hoi = require "hoi"

return function(path, projection, vision, text, tokenizer)
  local clip <close> = hoi.clip.new {
    config = { projection_dim = projection, vision_config = vision, text_config = text },
    tokenizer = tokenizer,
  }
  hoi.seed(5)
  for _, p in ipairs(clip:parameters()) do
    if p[1] ~= "logit_scale" then
      p[2]:write(hoi.randn(p[2].shape) * 0.3)
    end
  end
  clip:save(path)
end
