-- tower: CLIPs of any size with random weights, and the arithmetic of their towers.
local hoi <const> = require "hoi"

local tower <const> = {}

-- Makes a CLIP; the tower that is not measured may be tiny. visual: { width, depth, heads, size,
-- patch }, text: { width, depth, heads, places }; joint: width of the features.
function tower.clip(visual, text, joint, tokenizer)
  local clip <const> = hoi.clip.new {
    tokenizer = tokenizer,
    config = {
      model_type = "clip", projection_dim = joint,
      vision_config = {
        hidden_size = visual.width, intermediate_size = 4 * visual.width,
        num_hidden_layers = visual.depth, num_attention_heads = visual.heads,
        image_size = visual.size, patch_size = visual.patch, hidden_act = "quick_gelu",
      },
      text_config = {
        hidden_size = text.width, intermediate_size = 4 * text.width,
        num_hidden_layers = text.depth, num_attention_heads = text.heads,
        max_position_embeddings = text.places, vocab_size = tokenizer and tokenizer.size or 8,
        hidden_act = "quick_gelu",
      },
    },
  }
  for _, p in ipairs(clip:parameters()) do
    local x <const> = p[2]
    if x.rank == 2 then
      local values <const> = hoi.randn(x.shape, { deviation = x:size(2) ^ -0.5 })
      x:write(values)
      values:release()
    end
  end
  return clip
end

-- GFLOP of a tower's blocks on `count` rows of n tokens; causal attention is half of a full one.
function tower.blocks(shape, count, n, causal)
  local w <const> = shape.width
  local block <const> = 24 * n * w * w + (causal and 2 or 4) * n * n * w
  return 1e-9 * count * shape.depth * block
end

-- GFLOP of one matrix product.
function tower.product(m, n, k)
  return 2e-9 * m * n * k
end

return tower
