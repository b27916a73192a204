-- losses: scalars made of recorded operations; each can be summed, weighted and trained.
local options <const> = require "hoi.options"
local tensors <const> = require "hoi.tensor"

local losses <const> = {}

local function reduced(x, how)
  if how == "none" then
    return x
  elseif how == "sum" then
    return x:sum()
  elseif how == "mean" then
    return x:mean()
  end
  error(("losses: reduction '%s'; none, sum and mean are known"):format(how), 3)
end

local function first_n(n)
  local list <const> = {}
  for i = 1, n do
    list[i] = i
  end
  return list
end

-- Cross-entropy of logits (n, classes). target: a list of n classes (1-based), "diagonal" (row i is
-- class i), or probabilities (n, classes).
function losses.cross_entropy(logits, target, given)
  local o <const> = options(given, { reduction = "mean" })
  local logged <const> = logits:log_softmax()
  if target == "diagonal" then
    target = first_n(logits:size(1))
  end
  if tensors.is_tensor(target) then
    return reduced(-(logged * target):sum(-1), o.reduction)
  end
  return reduced(-logged:take(target, 1):reshape(-1), o.reduction)
end

-- max(x, 0) - x y + log(1 + exp(-|x|))
function losses.binary_cross_entropy(logits, target, given)
  local o <const> = options(given, { reduction = "mean" })
  return reduced(logits:softplus() - logits * target, o.reduction)
end

-- Focal loss (Lin et al. 2017) of logits: (1 - p_t)^gamma BCE, times alpha where target is 1 and
-- 1 - alpha where it is 0 (alpha < 0: not weighted).
function losses.focal(logits, target, given)
  local o <const> = options(given, { gamma = 2, alpha = -1, reduction = "sum" })
  local p <const> = logits:sigmoid()
  local missed <const> = p + target - p * target * 2 -- 1 - p_t
  local factor <const> = o.gamma == 2 and missed:square()
    or (missed + 1e-12) ^ o.gamma -- not 0: its slope may be infinite
  local loss = (logits:softplus() - logits * target) * factor
  if o.alpha >= 0 then
    loss = loss * (target * (2 * o.alpha - 1) + (1 - o.alpha))
  end
  return reduced(loss, o.reduction)
end

-- Focal loss of prior * sigmoid(logits) (UPT, ADA-CM): over entries with a prior, per positive; 0
-- where there is none. The denominator is 1 + exp(-x) - prior, times sigmoid(x), written so that
-- nothing cancels or overflows.
function losses.focal_prior(logits, prior, target, given)
  local o <const> = options(given, { alpha = 0.5, gamma = 0.2 })
  local z <const> = (prior * logits:sigmoid() / (1 - prior + prior * (-logits):sigmoid() + 1e-12)
    + 1e-8):log()
  local weight <const> = (1 - o.alpha - target):abs()
    * ((target - z:sigmoid()):abs() + 1e-6) ^ o.gamma
  local valid <const> = prior:gt(0)
  local positives <const> = (target * valid):sum()
  local some <const> = positives:gt(0)
  return (weight * losses.binary_cross_entropy(z, target, { reduction = "none" }) * valid):sum()
    * (some / (positives + 1 - some))
end

-- Symmetric contrastive loss of n pictures and n texts (Radford et al. 2021). scale: factor of the
-- cosines, a tensor or number.
function losses.contrastive(images, texts, scale)
  local logits <const> = images:normalize():matmul(texts:normalize():transpose()) * scale
  return (losses.cross_entropy(logits, "diagonal")
    + losses.cross_entropy(logits:transpose(), "diagonal")) * 0.5
end

-- KL(p | q), p = softmax(a / temperature), q = softmax(b / temperature), mean over rows.
function losses.kl(a, b, given)
  local o <const> = options(given, { temperature = 1 })
  local p <const> = (a * (1 / o.temperature)):log_softmax()
  local q <const> = (b * (1 / o.temperature)):log_softmax()
  return (p:exp() * (p - q)):sum(-1):mean()
end

-- How far the cosines of all rows of a with all rows are from those of b, which is fixed: mean over
-- the (n, n) entries of the terms of KL(softmax(b's / temperature) | softmax(a's / temperature))
-- (EZ-HOI, HOLa).
function losses.relation(a, b, given)
  local o <const> = options(given, { temperature = 0.1 })
  local function relations(x)
    local rows <const> = x:normalize()
    return (rows:matmul(rows:transpose()) * (1 / o.temperature)):log_softmax()
  end
  local p <const>, q <const> = relations(a), relations(b:detach())
  return (q:exp() * (q - p)):mean()
end

-- Mean of 1 - cosine of rows.
function losses.cosine(a, b)
  return 1 - a:cosine(b):mean()
end

function losses.l1(a, b, given)
  local o <const> = options(given, { reduction = "mean" })
  return reduced((a - b):abs(), o.reduction)
end

local function sides(boxes)
  local cx <const>, cy <const> = boxes:slice(-1, 1, 1), boxes:slice(-1, 2, 2)
  local w <const>, h <const> = boxes:slice(-1, 3, 3) * 0.5, boxes:slice(-1, 4, 4) * 0.5
  return cx - w, cy - h, cx + w, cy + h
end

-- 1 - generalised IoU (Rezatofighi et al. 2019) of boxes (n, 4) as centre, width, height.
function losses.giou(a, b, given)
  local o <const> = options(given, { reduction = "mean" })
  local ax1, ay1, ax2, ay2 = sides(a)
  local bx1, by1, bx2, by2 = sides(b)
  local w <const> = (ax2:minimum(bx2) - ax1:maximum(bx1)):relu()
  local h <const> = (ay2:minimum(by2) - ay1:maximum(by1)):relu()
  local inside <const> = w * h
  local union <const> = (ax2 - ax1) * (ay2 - ay1) + (bx2 - bx1) * (by2 - by1) - inside
  local hull <const> = (ax2:maximum(bx2) - ax1:minimum(bx1)) * (ay2:maximum(by2) - ay1:minimum(by1))
  local value <const> = inside / (union + 1e-9) - (hull - union) / (hull + 1e-9)
  return reduced((1 - value):reshape(-1), o.reduction)
end

return losses
