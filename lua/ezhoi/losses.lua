-- ezhoi.losses: what EZ-HOI asks of its texts beside the loss of interactions.
local losses <const> = require "hoi.losses"
local tensors <const> = require "hoi.tensor"

local ezhoi_losses <const> = {}

-- Rows of text features and of descriptions between whose relations the class-relation loss
-- measures, of the classes that are annotated in a batch and of unseen ones with their objects.
local function relation_rows(self, batch)
  local seen <const>, unseen <const>, objects <const> = {}, {}, {}
  local targets <const>, of <const> = self.targets, self.columns.of
  local first <const> = {}
  for row, place in ipairs(self.chosen) do
    first[of[place]] = first[of[place]] or row
  end
  for _, sample in ipairs(batch) do
    for _, a in ipairs(sample.annotations) do
      local place <const> = a.target or targets:index(a.verb, a.object)
      if self.o.relation_rows == "classes" then
        seen[#seen + 1] = self.row_of[place] or first[of[place]]
        objects[targets[place].object or ""] = true
      else
        seen[#seen + 1] = of[place]
        objects[targets[of[place]].object or ""] = true
      end
    end
  end
  if self.o.relation_rows == "classes" then
    for _, row in ipairs(self.unseen) do
      unseen[#unseen + 1] = objects[targets[self.chosen[row]].object or ""] and row or nil
    end
  else
    for place, target in ipairs(targets) do
      if target.seen == false and objects[target.object or ""] and place <= #self.chosen then
        unseen[#unseen + 1] = place
      end
    end
  end
  return seen, unseen
end

-- The class-relation loss (equations 16 and 17 of the paper).
function ezhoi_losses.relation(self, features, batch)
  local seen <const>, unseen <const> = relation_rows(self, batch)
  local described <const> = self.o.relation_rows == "classes"
    and self.descriptions:rows(self.chosen) or self.descriptions
  local function of(rows)
    return losses.relation(features:rows(rows), described:rows(rows))
  end
  if #seen == 0 then
    return features:sum() * 0
  elseif #unseen == 0 then
    return of(seen)
  end
  local all <const> = table.move(unseen, 1, #unseen, #seen + 1, table.move(seen, 1, #seen, 1, {}))
  return (of(seen) + of(unseen) + of(all)) * (1 / 3)
end

-- How far unseen classes are from their related seen ones, which learn nothing by it.
function ezhoi_losses.closeness(self, features)
  if #self.unseen == 0 then
    return features:sum() * 0
  end
  return losses.cosine(features:rows(self.unseen), features:rows(self.partner):detach())
end

-- Pairs of seen classes are pushed away from unseen classes whose verb is not among theirs.
function ezhoi_losses.negatives(self, e, classes, prior, labels)
  local known <const>, counted, any = (labels * prior:gt(0)):totable(), {}, 0
  for i, row in ipairs(known) do
    counted[i] = {}
    local labelled = 0
    for _, y in ipairs(row) do
      labelled = math.max(labelled, y)
    end
    for k, u in ipairs(self.unseen) do
      counted[i][k] = labelled > 0 and row[self.column_of[u]] == 0 and 1 or 0
      any = any + counted[i][k]
    end
  end
  if any == 0 then
    return e:sum() * 0
  end
  local logits <const> = e:matmul(classes.unit:rows(self.unseen):transpose()) * self:scale()
  return (logits:softplus() * tensors.tensor(counted)):sum() * (1 / any)
end

return ezhoi_losses
