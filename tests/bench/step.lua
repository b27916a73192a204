-- step: one step of the drawn world's CLIP as scripts/pretrain.lua trains it: 64 pictures and their
-- captions, contrastive and auxiliary loss, back through everything, AdamW.
-- Counted as work: three times the products and attention of the way forward; those of the patches,
-- whose pixels need no gradient, twice. What attention's pullback computes again is not counted.
local bench <const> = require "bench"
local hoi <const> = require "hoi"
local pixels <const> = require "hoi.pixels"
local tower <const> = require "tower"

local VISUAL <const> = { width = 128, depth = 5, heads = 4, size = 96, patch = 12 }
local TEXT <const> = { width = 96, depth = 3, heads = 4, places = 24 }
local JOINT <const>, BATCH <const>, WORDS <const>, MERGES <const> = 96, 64, 13, 400
local GRID <const> = VISUAL.size // VISUAL.patch
local SEED <const> = 1
local step <const> = {
  name = "step",
  figures = { "pretrain_step_fraction", "pretrain_loop_fraction" },
}

step.PREPROCESS = {
  size = VISUAL.size, mean = { 0.5, 0.5, 0.5 }, std = { 0.27, 0.27, 0.27 },
}

local function gigaflop(tokens)
  local patches <const> = GRID * GRID
  local product <const> = tower.product
  return 2 * product(BATCH * patches, VISUAL.width, 3 * VISUAL.patch ^ 2)
    + 3 * (tower.blocks(VISUAL, BATCH, patches + 1) + tower.blocks(TEXT, BATCH, tokens, true)
    + product(BATCH, JOINT, VISUAL.width) + product(BATCH, JOINT, TEXT.width)
    + product(BATCH * patches, WORDS, VISUAL.width) + product(BATCH, BATCH, JOINT))
end

local function learn_tokenizer()
  local texts <const> = hoi.mini.batch("web", SEED, 1 << 20, 2048):captions()
  for _, class in ipairs(hoi.mini.classes) do
    table.move(class.names, 1, #class.names, #texts + 1, texts)
    table.move(class.descriptions, 1, #class.descriptions, #texts + 1, texts)
  end
  return hoi.tokenizer.learn(texts, { merges = MERGES })
end

function step.batch()
  return hoi.mini.batch("easy", SEED, 0, BATCH, { cells = GRID })
end

-- Gets a function that takes one step on the batch and returns its GFLOP and the loss before it;
-- then the CLIP, weight and bias of the auxiliary loss.
function step.stepper(batch)
  local clip <const> = tower.clip(VISUAL, TEXT, JOINT, learn_tokenizer())
  local visual <const>, text <const> = clip.visual, clip.text
  local weight <const> = hoi.randn({ WORDS, visual.width }, { deviation = 0.02 }):train()
  local bias <const> = hoi.zeros(WORDS):train()
  local parameters <const> = clip:train()
  parameters[#parameters + 1] = { "auxiliary.weight", weight }
  parameters[#parameters + 1] = { "auxiliary.bias", bias }
  local scale <const> = clip:parameters "^logit_scale$"[1][2]
  local optimizer <const> = hoi.adamw(parameters, {
    learning_rate = 1e-4, betas = { 0.9, 0.98 }, eps = 1e-6, weight_decay = 0.1,
    decay_matrices_only = true,
  })
  return function()
    local ids <const>, eot <const> = clip:tokenize(batch:captions())
    local texts <const> = text:leave(text:blocks(text:enter(text:embed(ids))), eot)
    local x <const> = visual:blocks(visual:enter(visual:embed(
      pixels.batch(batch, step.PREPROCESS))))
    local pictures <const> = visual:leave(x:slice(2, 1, 1):reshape(BATCH, visual.width))
    local factor <const> = scale:clamp(0, math.log(100)):exp()
    local contrastive <const> = hoi.losses.contrastive(pictures, texts, factor)
    local seen <const> = visual:norm(x:slice(2, 2)):linear(weight, bias)
    local cells <const> = hoi.losses.binary_cross_entropy(seen, pixels.cells(batch))
    local loss <const> = contrastive + cells * WORDS
    loss:backward()
    optimizer:step { max_grad_norm = 1 }
    return gigaflop(#ids[1]), loss
  end, clip, weight, bias
end

function step.cases(options)
  local batch <const> = step.batch()
  local run <const> = step.stepper(batch)
  local first, cases <const> = 0, {}
  if options.wants "pretrain_step_fraction" then
    cases[1] = {
      figure = "pretrain_step_fraction", label = "a step, pictures drawn before",
      kind = "fraction", run = run,
    }
  end
  if options.wants "pretrain_loop_fraction" then
    cases[#cases + 1] = {
      figure = "pretrain_loop_fraction", label = "a step with drawing", kind = "fraction",
      run = function()
        first = first + BATCH
        batch:fill("easy", SEED, first)
        return run()
      end,
    }
  end
  return cases
end

return bench.noun(step)
