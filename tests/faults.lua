-- faults: each allocation and each OpenCL buffer that hoi asks for is refused in turn, in a whole
-- predict run and in a step of training. Wherever it happens an error says so, or the work is done
-- all the same with the same result; nothing crashes and nothing stays allocated.
--   LD_PRELOAD=BUILD/tests/faults.so hoi tests/faults.lua [repeats] [most] [seed] [job]
-- (cmake --build DIR --target faults)
-- repeats: how often each way of calls that asks is refused (default 4: its first ones and its
-- last); "all": every single one. most: only so many of them in each sweep, drawn by the seed. job:
-- predict, train, or careless, which goes on with a wrong result where something was refused: this
-- check must say so.
local build <const> = os.getenv "HOI_BUILD" or arg[-1]:match "^(.*)/" or "."
local faults <const> = assert(package.loadlib(build .. "/tests/faults.so", "luaopen_faults"))()
local hoi <const> = require "hoi"
local json <const> = require "hoi.json"
local system <const> = require "hoi.system"

local repeats <const> = arg[1] == "all" and math.huge or tonumber(arg[1] or 4)
local most <const>, seed <const> = tonumber(arg[2]) or math.huge, tonumber(arg[3]) or 1
local folder <const> = os.tmpname()
os.remove(folder)
system.make_folder(folder)

---------------------------------------------------------------------------- the work

local jobs <const> = {}

local function draw()
  local batch <close> = hoi.mini.batch("web", 1, 1, 1)
  local image <close> = hoi.image.new(96, 96, batch:rgb(1))
  image:save(folder .. "/drawn.png")
end

-- What predict.lua does with one picture; gets what it found.
function jobs.predict()
  local clip <close> = hoi.clip()
  local detector <close> = hoi.detector "owlvit"
  local image <close> = hoi.image(folder .. "/drawn.png")
  local method <const> = hoi.method("zero_shot", clip, hoi.targets "mini")
  local seen <const> = detector:detect { image = image, name = "drawn.png" }
  local found <const> = method:predict(image, seen, { top = 5 })
  local drawn <close> = image:draw_interactions(found)
  drawn:save(folder .. "/named.png")
  json.save(folder .. "/named.json", found.interactions)
  return json.encode(found.interactions)
end

-- A step of training through both towers, checkpointed; gets the loss and a weight afterwards.
function jobs.train()
  local checkpoint <const> = require "hoi.checkpoint"
  hoi.seed(1)
  local clip <close> = hoi.clip "tests/golden/clip_quick"
  local parameters <const> = clip:train()
  local optimizer <close> = hoi.adamw(parameters, { learning_rate = 1e-3 })
  local visual <const>, text <const> = clip.visual, clip.text
  local ids <const>, eot <const> = clip:tokenize { "a dog", "a red horse" }
  local texts <const> = text:leave(text:blocks(text:enter(text:embed(ids))), eot)
  local x = visual:enter(visual:embed(hoi.randn { 2, 3, visual.size, visual.size }))
  for i = 1, visual.depth do
    x = visual:block(i, x, { recompute = true })
  end
  local pictures <const> = visual:leave(x, { 1, 1 + x.shape[1] // 2 })
  local loss <const> = hoi.losses.contrastive(pictures, texts, 10)
  loss:backward()
  optimizer:step { max_grad_norm = 1 }
  checkpoint.save(folder .. "/step.checkpoint", parameters, optimizer, { step = 1 })
  checkpoint.load(folder .. "/step.checkpoint", parameters, optimizer)
  return ("%a %a"):format(loss:item(), parameters[1][2]:sum():item())
end

function jobs.careless()
  local ok <const>, result <const> = pcall(jobs.train)
  return ok and result or "made up"
end

---------------------------------------------------------------------------- refusing

local function collect()
  collectgarbage()
  collectgarbage() -- the first one may only have called finalizers
  require "hoi.device".trim()
end

-- Gets the numbers to refuse: of each way of calls its first ones and its last; of these, the most
-- that are wanted.
local function choose(ways)
  local seen <const>, last <const>, chosen <const> = {}, {}, {}
  for n, way in ipairs(ways) do
    last[way] = n
  end
  for n, way in ipairs(ways) do
    seen[way] = (seen[way] or 0) + 1
    if seen[way] < repeats or last[way] == n then
      chosen[#chosen + 1] = n
    end
  end
  while #chosen > most do
    table.remove(chosen, math.random(#chosen))
  end
  return chosen
end

local problems <const> = {}

local function problem(...)
  problems[#problems + 1] = string.format(...)
  io.stderr:write("faults: ", problems[#problems], "\n")
end

-- Refuses the n-th: an error that says something, or the same result.
local function refuse(name, kind, n, wanted)
  collect() -- no buffer is kept for reuse, as when they were counted
  faults.fail(kind, n)
  local ok <const>, result <const> = pcall(jobs[name])
  local who <const> = faults.failed()
  faults.fail(kind, 0)
  if not who and not (ok and result == wanted) then -- a run may ask a few times less than another
    problem("%s: %s %d was not asked for, and yet: %s", name, kind, n, tostring(result))
  elseif who and ok and result ~= wanted then
    problem("%s: %s %d (%s) refused: a wrong result, %s", name, kind, n, who, result)
  elseif who and not ok and (type(result) ~= "string" or result:find "unknown error") then
    problem("%s: %s %d (%s) refused: no reason given: %s", name, kind, n, who, tostring(result))
  end
end

local function sweep(name, kind)
  local job <const> = jobs[name]
  job()
  job() -- everything that is kept for later is there now
  collect()
  faults.record(true)
  faults.fail(kind, 0)
  local wanted <const> = job()
  faults.record(false)
  local ways <const> = faults.ways(kind)
  local numbers <const> = choose(ways)
  collect()
  local before <const>, bytes <const> = faults.live(), hoi.memory().live
  local bar <const> = hoi.progress(#numbers, { label = ("%s, %ss"):format(name, kind) })
  for i in bar do
    refuse(name, kind, numbers[i], wanted)
  end
  if job() ~= wanted then
    problem("%s: after all that refusing the result is another one", name)
  end
  collect()
  local after <const>, by_caller <const> = faults.live(true)
  if hoi.memory().live ~= bytes then
    problem("%s: %d bytes of the device more than before", name, hoi.memory().live - bytes)
  end
  if after ~= before then
    local list <const> = {}
    for who, count in pairs(by_caller) do
      list[#list + 1] = ("%s x %d"):format(who, count)
    end
    problem("%s: %d blocks more than before; alive are %s", name, after - before,
      table.concat(list, ", "))
  end
  print(("%s: %d of %d %ss refused"):format(name, #numbers, #ways, kind))
end

draw()
math.randomseed(seed)
for _, name in ipairs(arg[4] and { arg[4] } or { "predict", "train" }) do
  for _, kind in ipairs { "buffer", "allocation" } do
    sweep(name, kind)
  end
end
os.execute(("rm -rf '%s'"):format(folder))
os.exit(#problems == 0, true)
