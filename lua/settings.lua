-- settings: which classes each zero-shot setting holds back, and which are rare. Ids are positions
-- in the class list, for HICO-DET its own numbers from 1 to 600. Its lists are those that EZ-HOI
-- comes with.
local settings <const> = {}

local hico <const> = {
  rare_first = [[
    9 23 28 45 51 56 63 67 71 77-78 81 84-85 91 100-101 105 108 128 136-137 150 159 169 180 182
    185 189-190 193 196 199 206-207 217 223 230 239-240 255-256 258 261-263 275 280-282 287 290
    293 304 312 316 318 326 334-335 346 351-352 355 359 365 380 382 390-392 396 398-400 402-404
    406 408 411 417 419 428 430 437 440-441 450 464 470 475 483 486 499-500 505 510 518 521 523
    527 532 536 540 547-549 553 556-557 561 582 587 593-594 596-598 600]],
  non_rare_first = [[
    7-8 10 12 19-21 24 26 30 39 42-43 46 49 54-55 57 61-62 65 68 74 76 90 92 94-95 107 111 116 132
    140-142 147 153-156 160 163-164 170 174 177 186 191-192 194 198 209 213 216 219 224 227 229
    231 241 246-247 249-251 267 285 295 298 305 309 313 321 324 330 338-339 341 347 371-372 375
    378 384 386 388 418 447 456-458 460 462 471-473 479-482 484 494 507 509 516-517 519 530 535
    545 560 567 573 576-578 583-584 590 595]],
  unseen_object = [[
    112-129 225-232 291-295 314-325 337-342 419-434 454-474 534-538 559-562 596-600]],
  unseen_verb = [[
    5 7 13 16 19 26 35 39 41 50 59 61 69-70 73-74 78 83 97-98 105 114 117 119 123 130 140 148 151
    154 166-167 173 176-177 182 191 203 211 213 220 228-229 234 236 244 299 314 316 321 327 337
    343 346 355 373 402 405 410 432 437 460 467 471 473 480 482 489 492 495 499 505 520 524
    536-537 542 545 563 566 570 573 592 596]],
}

-- Fewer than 10 annotations in the training pictures.
local hico_rare <const> = [[
    9 23 28 45 51 56 63-64 67 71 77-78 81 84-85 91 100-101 105 108 113 128 136-137 150 159 166-167
    169 173 180 182 185 189-190 193 196 199 206-207 215 217 223 228 230 239-240 255-256 258
    261-263 275 280-282 287 290 293 304 312 316 318 326 329 334-335 346 351-352 355 359 365 380
    382 390-392 396 398-400 402-406 408 411 417 419 427-428 430 432 437 440-441 450 452 464 470
    475 483 486 499-500 505 510 515 518 521 523 527 532 536 540 547-553 556-557 561 579 581-582
    587 593-594 596-598 600]]

settings.names = { "default", "rare_first", "non_rare_first", "unseen_object", "unseen_verb", "uc0",
  "uc1", "uc2", "uc3", "uc4" }

-- Gets the set { [id] = true } of "3 5-7".
local function set(ranges)
  local ids = {}
  for first, last in ranges:gmatch "(%d+)%-?(%d*)" do
    for id = tonumber(first), tonumber(last) or tonumber(first) do
      ids[id] = true
    end
  end
  return ids
end

-- Gets the ids that stand in a file: a JSON list (or an object that holds one under the file's
-- name), or text with numbers and ranges. They count from 0, as the published lists do.
local function ids_of(path)
  local file <close> = assert(io.open(path, "rb"))
  local text <const> = file:read "a"
  if not text:find "^%s*[%[{]" then
    local strange <const> = text:gsub("#[^\n]*", ""):match "[^%d%s,%-]+"
    if strange then
      error(("%s: ids of unseen classes wanted (numbers and ranges, or a JSON list), found '%s'")
        :format(path, strange), 0)
    end
    local ids = {}
    for first, last in text:gsub("#[^\n]*", ""):gmatch "(%d+)%-?(%d*)" do
      for id = math.tointeger(first), math.tointeger(last) or math.tointeger(first) do
        ids[#ids + 1] = id
      end
    end
    return ids
  end
  local data = require "hoi.json".load(path)
  data = data[path:match "([^/]*)%.[^./]*$" or path] or data
  for i, id in ipairs(data) do
    if math.type(id) ~= "integer" then
      error(("%s: item %d: the id of a class wanted, got %s"):format(path, i, tostring(id)), 0)
    end
  end
  return data
end

-- Gets the set of a user's own file, for a list of `count` classes.
local function read(path, count)
  local ids = {}
  for _, id in ipairs(ids_of(path)) do
    if id < 0 or id >= count then
      error(("%s: class %d: ids from 0 to %d wanted"):format(path, id, count - 1), 0)
    end
    ids[id + 1] = true
  end
  if not next(ids) then
    error(("%s: it names no unseen class: a list of ids wanted"):format(path), 0)
  end
  return ids
end

local function is_known(setting)
  for _, name in ipairs(settings.names) do
    if name == setting then
      return true
    end
  end
end

-- Gets the set of the unseen classes of a list. setting: a name, or a file of ids.
function settings.unseen(dataset, setting, count)
  if setting == "default" then
    return {}
  elseif not is_known(setting) then
    if require "hoi.system".kind(setting) == "file" then
      return read(setting, count)
    end
    error(("setting '%s' is not known (known: %s) and no file of ids of unseen classes"):format(
      setting, table.concat(settings.names, ", ")), 0)
  elseif dataset == "hico" and not hico[setting] then
    error(("setting '%s': hoi does not come with its list of unseen classes; write their ids, from"
      .. " 0 to 599, into a file (a JSON list, or text) and give the file as the setting, for"
      .. " instance '%s.json'"):format(setting, setting), 0)
  elseif dataset == "hico" then
    return set(hico[setting])
  elseif dataset == "mini" then
    local ids = {}
    for id, unseen in ipairs(require "hoi.mini".unseen(setting)) do
      ids[id] = unseen or nil
    end
    return ids
  end
  error(("setting '%s' is not defined for the classes '%s', only for hico and mini; a file of ids"
    .. " from 0 may be given in its place"):format(setting, dataset), 0)
end

-- HICO-DET: fewer than 10 training annotations; the drawn world: its 12 least frequent classes.
function settings.rare(dataset)
  if dataset == "hico" then
    return set(hico_rare)
  end
  local ids <const> = {}
  if dataset == "mini" then
    for id = 49, 60 do
      ids[id] = true
    end
  end
  return ids
end

return settings
