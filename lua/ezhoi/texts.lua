-- ezhoi.texts: the text side of EZ-HOI: which classes are read, their sentences, the prompts before
-- them, and the unseen prompt learner.
local fill <const> = require "hoi.template"
local learners <const> = require "hoi.learners"
local tensors <const> = require "hoi.tensor"
local two_stage <const> = require "hoi.two_stage"

local texts <const> = {}

-- Sentences of the classes; the published V-COCO run took HICO-DET's names.
local function sentences_of(self)
  local hico <const> = self.o.class_names == "hico" and self.targets.name == "vcoco"
    and require "hoi.targets" "hico"
  local list <const> = {}
  for t, target in ipairs(self.targets) do
    list[t] = (hico and hico[t] or target).sentence
  end
  return list
end

-- (lists, most, d) and keys (lists, most) of lists of texts.
local function encode_lists(self, lists, unit)
  local all <const>, places <const>, most = {}, {}, 1
  for _, list in ipairs(lists) do
    most = math.max(most, #list)
  end
  local keys <const> = {}
  for i, list in ipairs(lists) do
    keys[i] = {}
    for k = 1, most do
      keys[i][k] = k <= #list and 1 or 0
      if k <= #list then
        all[#all + 1], places[#places + 1] = list[k], (i - 1) * most + k
      end
    end
  end
  local x = two_stage.encode(self.clip, all)
  x = unit and x:normalize() or x
  return x:scatter(places, #lists * most):reshape(#lists, most, -1), tensors.tensor(keys)
end

-- Ids of the sentences that are read, in groups of like length, each cut behind its last end token.
local function read_sentences(self)
  local text <const>, sentences <const> = self.clip.text, self.sentences
  local list <const>, order <const> = {}, {}
  for row, place in ipairs(self.chosen) do
    list[row], order[row] = fill(self.o.template, sentences[place]), row
  end
  local ids <const>, ends <const> = self.clip:tokenize(list, { truncate = true })
  table.sort(order, function(a, b)
    return ends[a] ~= ends[b] and ends[a] < ends[b] or ends[a] == ends[b] and a < b
  end)
  if ends[order[1]] <= self.o.prompt_length + 1 and self.o.prompt_place == "front" then
    error(("ezhoi: '%s' has no room for %d prompt tokens; give a longer template"):format(
      list[order[1]], self.o.prompt_length), 0)
  end
  local whole <const> = not self.o.shortcuts
  local groups <const> = {}
  for _, row in ipairs(order) do
    local group = groups[#groups]
    if not group or (not whole and #group.rows >= 32 and ends[row] > group.length) then
      group = { rows = {}, ids = {}, ends = {}, length = 0 }
      groups[#groups + 1] = group
    end
    table.insert(group.rows, row)
    table.insert(group.ends, ends[row])
    group.length = whole and text.places or ends[row]
  end
  local position <const> = {}
  for _, group in ipairs(groups) do
    for i, row in ipairs(group.rows) do
      group.ids[i] = {}
      for k = 1, group.length do
        group.ids[i][k] = ids[row][k] or 0
      end
      position[#position + 1] = row
    end
  end
  self.groups, self.back = groups, {}
  for at, row in ipairs(position) do
    self.back[row] = at
  end
end

-- Everything that follows from the list of targets.
function texts.prepare(self)
  local o <const>, targets <const> = self.o, self.targets
  self.sentences = sentences_of(self)
  local described <const>, seen <const>, given <const> = {}, {}, {}
  for t, target in ipairs(targets) do
    described[t], seen[t] = {}, target.seen ~= false
    for i, text in ipairs(target.descriptions or {}) do
      described[t][i] = fill(o.description_template, self.sentences[t], text)
    end
    described[t][1] = described[t][1] or fill(o.template, self.sentences[t])
  end
  for _, entry in ipairs(o.differences or {}) do
    given[entry.class] = given[entry.class] or entry
  end
  local features <const>, keys <const> = encode_lists(self, described, true)
  self.descriptions = features:sum(2):normalize()
  self.related = learners.related(self.descriptions, seen)
  for u in pairs(self.related) do
    self.related[u] = given[u] and given[u].other or self.related[u]
  end
  self.columns = two_stage.columns(targets, o.score_by, self.added)
  self.chosen = self.given_classes or learners.choose(self.descriptions, self.columns.of,
    self.related, o.classes_per_verb == 0)
  self.row_of, self.column_of, self.unseen = {}, {}, {}
  local differences <const> = {}
  for row, place in ipairs(self.chosen) do
    self.row_of[place], self.column_of[row] = row, self.columns.of[place]
    if not seen[place] and self.related[place] then
      self.unseen[#self.unseen + 1] = row
      local sentences <const> = given[place] and given[place].sentences or described[place]
      differences[#differences + 1] = sentences
    end
  end
  self.partner = {}
  for i, row in ipairs(self.unseen) do
    self.partner[i] = self.row_of[self.related[self.chosen[row]]]
  end
  self.described = features:rows(self.chosen)
  self.described_keys = keys:rows(self.chosen)
  if #differences > 0 then
    self.differences, self.difference_keys = encode_lists(self, differences, false)
  end
  read_sentences(self)
  self.frozen, self.kept = nil, nil
end

---------------------------------------------------------------------------- texts

-- Additive mask (rows, columns) of rows whose number r sees `first` + r columns.
local function causal_mask(rows, columns, first)
  local list <const> = {}
  for r = 1, rows do
    list[r] = {}
    for k = 1, columns do
      list[r][k] = k <= first + r and 0 or -1e30
    end
  end
  return tensors.tensor(list)
end

-- The masks of a group: of what stands behind the prompts, of what stands behind the start token,
-- and of the end tokens (rows, 1, all and themselves), which see each other no more.
local function masks_of(group, p)
  if not group.masks then
    local n <const>, ends <const> = group.length, {}
    for i, place in ipairs(group.ends) do
      ends[i] = { {} }
      for k = 1, n + 1 do
        ends[i][1][k] = k <= place and 0 or -1e30
      end
    end
    group.masks = {
      rest = causal_mask(n - 1 - p, n, 1 + p), flow = causal_mask(n - 1, n, 1),
      ends = tensors.tensor(ends),
    }
  end
  return group.masks
end

-- The start token at the entry of each block: the same before all sentences, whatever follows.
local function starts_of(self)
  if not self.starts then
    local t <const> = self.clip.text
    local x = t:enter(t:embed { { self.groups[1].ids[1][1] } })
    self.starts = { x }
    for l = 1, t.depth - 1 do
      x = t:block(l, x)
      self.starts[l + 1] = x
    end
  end
  return self.starts
end

-- Features of a group of sentences with prompts (layers, rows, length, width) behind their start.
-- Exact and less work: the start token is known, prompts that the next block replaces are only
-- attended to, and of the last block only the end tokens are run.
local function read_prompted(self, group, prompts)
  local t <const>, p <const>, depth <const> = self.clip.text, self.o.prompt_length, self.text_depth
  local rows <const>, masks <const> = #group.rows, masks_of(group, p)
  local words <const> = t:embed(group.ids)
  local function prompt(l)
    return prompts:slice(1, l, l):squeeze(1)
  end
  local function start(l)
    return starts_of(self)[l]:expand(rows, 1, t.width)
  end
  local x <const> = t:enter(tensors.concat({ words:slice(2, 1, 1), prompt(1),
    words:slice(2, p + 2) }, 2))
  local first, rest = x:slice(2, 2, p + 1), x:slice(2, p + 2) -- prompts, and what follows them
  for l = 1, t.depth - 1 do
    if l < depth then
      rest = t:block(l, rest, {
        mask = masks.rest, before = tensors.concat({ start(l), first }, 2),
        recompute = self.o.recompute,
      })
      first = prompt(l + 1)
    else -- prompts are carried on
      local both <const> = t:block(l, tensors.concat({ first, rest }, 2),
        { mask = masks.flow, before = start(l), recompute = self.o.recompute })
      first, rest = both:slice(2, 1, p), both:slice(2, p + 1)
    end
  end
  local all <const> = tensors.concat({ start(t.depth), first, rest }, 2)
  local places <const> = {}
  for i, place in ipairs(group.ends) do
    places[i] = (i - 1) * group.length + place
  end
  local last <const> = all:reshape(rows * group.length, t.width):rows(places):unsqueeze(2)
  return t:leave(t:block(t.depth, last, { mask = masks.ends, before = all,
    recompute = self.o.recompute })):squeeze(2)
end

-- Features of a group's sentences, with prompts at the end of the context or without any.
local function read_plain(self, group, prompts)
  local t <const> = self.clip.text
  local function put(x, l)
    return tensors.concat({ x:slice(2, 1, -self.o.prompt_length - 1),
      prompts:slice(1, l, l):squeeze(1) }, 2)
  end
  local x = t:embed(group.ids)
  x = t:enter(prompts and put(x, 1) or x)
  for l = 1, t.depth do
    x = l > 1 and prompts and l <= self.text_depth and put(x, l) or x
    x = t:block(l, x, { recompute = self.o.recompute })
  end
  return t:leave(x, group.ends)
end

-- Features (classes, d) of the sentences, with prompts (layers, classes, length, width) or without.
function texts.read(self, prompts)
  local parts <const> = {}
  local read <const> = self.o.prompt_place == "front" and prompts and read_prompted or read_plain
  for g, group in ipairs(self.groups) do
    local own <const> = prompts and prompts:transpose(1, 2):rows(group.rows):transpose(1, 2)
    parts[g] = read(self, group, own)
  end
  return tensors.concat(parts, 1):rows(self.back)
end

-- (layers * n, ...) of what is the same in all layers (n, ...).
local function each_layer(x, layers)
  local shape <const> = x.shape
  return x:unsqueeze(1):expand(layers, table.unpack(shape)):reshape(layers * shape[1],
    table.unpack(shape, 2))
end

function texts.places(rows, layers, classes)
  local list <const> = {}
  for l = 1, layers do
    for _, row in ipairs(rows) do
      list[#list + 1] = (l - 1) * classes + row
    end
  end
  return list
end

-- x with some rows replaced: x (n, ...), new (#places, ...).
local function replaced(x, new, places)
  local order <const>, n <const> = {}, x:size(1)
  for i = 1, n do
    order[i] = i
  end
  for i, place in ipairs(places) do
    order[place] = n + i
  end
  return tensors.concat({ x, new }, 1):rows(order)
end

-- The unseen prompt learner (section 3.3 of the paper): an unseen class's prompts attend to what
-- tells it from its related seen class, to that class's prompts, which learn nothing by it, and to
-- themselves.
local function unseen_prompts(self, x, layers, classes)
  local m <const>, t <const>, places <const> = self.module.unseen_adapter, self.clip.text,
    texts.places(self.unseen, layers, classes)
  local own <const> = x:rows(places)
  local seen <const> = x:rows(texts.places(self.partner, layers, classes)):detach()
  local function lifted(prompts) -- into the joint space, where its width is another
    return m:memory(t.width == self.clip.width and prompts or t:project(prompts))
  end
  local told <const> = each_layer(m:memory(self.differences), layers)
  local keys <const> = each_layer(self.difference_keys, layers):pad(2, 0, 2 * own:size(2))
  local memory <const> = tensors.concat({ told, lifted(seen), lifted(own) }, 2)
  local options <const> = {}
  if self.o.difference_mask == "added" then -- 1 at sentences that pad
    options.mask = (1 - each_layer(self.difference_keys, layers)):pad(2, 0, 2 * own:size(2))
      :unsqueeze(2)
  else
    options.keys = keys + tensors.concat({ tensors.zeros(told:size(2)),
      tensors.ones(2 * own:size(2)) }, 1)
  end
  return replaced(x, m(own, memory, options), places)
end

-- Prompts (layers, classes, length, width) of the classes that are read.
function texts.prompts(self)
  local m <const>, o <const>, layers <const> = self.module, self.o, self.text_depth
  local classes <const>, p <const>, width <const> = #self.chosen, o.prompt_length,
    self.clip.text.width
  local x = m.context:slice(1, 1, layers):reshape(layers, 1, p, width)
    :expand(layers, classes, p, width):reshape(layers * classes, p, width)
  if m.unseen_prompts then
    local rows <const>, from <const> = {}, {}
    for i, place in ipairs(self.started) do
      local row <const> = self.row_of[place]
      if row then
        rows[#rows + 1], from[#from + 1] = row, i
      end
    end
    local own <const> = m.unseen_prompts:reshape(layers * #self.started, p, width)
      :rows(texts.places(from, layers, #self.started))
    x = replaced(x, own, texts.places(rows, layers, classes))
  end
  if o.descriptions then
    local memory <const> = each_layer(m.text_adapter:memory(self.described), layers)
    x = m.text_adapter(x, memory, { keys = self.described:size(2) > 1
      and each_layer(self.described_keys, layers) or nil })
  end
  if o.unseen and #self.unseen > 0 then
    x = unseen_prompts(self, x, layers, classes)
  end
  return x:reshape(layers, classes, p, width)
end

-- What the frozen text tower has at the places of the prompts at the entry of each block; all
-- sentences begin alike there.
function texts.start(self, layers)
  local t <const>, p <const>, parts <const> = self.clip.text, self.o.prompt_length, {}
  local x = t:embed { table.move(self.groups[1].ids[1], 1, p + 1, 1, {}) }
  parts[1] = x:slice(2, 2)
  x = t:enter(x)
  for l = 2, layers do
    x = l - 1 <= t.depth and t:block(l - 1, x) or x
    parts[l] = x:slice(2, 2)
  end
  return tensors.concat(parts, 1)
end

return texts
