-- fetch: downloads public models by name, as their publishers give them, and checks them.
--   hoi scripts/fetch.lua clip-vit-b16
--   hoi scripts/fetch.lua --list
local argparse <const> = require "argparse"
local nearest <const> = require "hoi.options".nearest
local system <const> = require "hoi.system"

local HUB <const> = "https://huggingface.co/%s/resolve/main/"
local OPENAI <const> = "https://openaipublic.azureedge.net/clip/models/%s/%s"
local YOLOX <const> = "https://github.com/Megvii-BaseDetection/YOLOX/releases/download/0.1.1rc0/"

-- A folder of the hub: small files, and the weights in the first of two forms that is there. The
-- hub itself says the sums.
local function hub(repository, what)
  local files <const> = {}
  for _, name in ipairs { "config.json", "preprocessor_config.json", "vocab.json", "merges.txt" } do
    files[#files + 1] = { url = HUB:format(repository) .. name }
  end
  files[#files + 1] = {
    url = HUB:format(repository) .. "model.safetensors",
    other = HUB:format(repository) .. "pytorch_model.bin",
  }
  return { what = what, files = files }
end

-- A file of OpenAI's, whose address has its sum, and the vocabulary.
local function openai(sum, name, what)
  return { what = what, files = {
    { url = OPENAI:format(sum, name), sha256 = sum },
    {
      url = "https://github.com/openai/CLIP/raw/main/clip/bpe_simple_vocab_16e6.txt.gz",
      sha256 = "924691ac288e54409236115652ad4aa250f48203de50a9e4722a6ecd48d6804a",
    },
  } }
end

local function yolox(name, sum, what)
  return { what = what, files = { { url = YOLOX .. name, sha256 = sum } } }
end

local MODELS <const> = {
  ["clip-vit-b32"] = hub("openai/clip-vit-base-patch32", "CLIP ViT-B/32, F32, 0.6 GB"),
  ["clip-vit-b16"] = hub("openai/clip-vit-base-patch16", "CLIP ViT-B/16, F32, 0.6 GB"),
  ["clip-vit-l14"] = hub("openai/clip-vit-large-patch14", "CLIP ViT-L/14, F32, 1.7 GB"),
  ["clip-vit-l14-336"] = hub("openai/clip-vit-large-patch14-336",
    "CLIP ViT-L/14 at 336 pixels, F32, 1.7 GB"),
  ["openai-vit-b32"] = openai("40d365715913c9da98579312b702a82c18be219cc2a73407c4526f58eba950af",
    "ViT-B-32.pt", "the same from OpenAI, mostly F16, 0.35 GB"),
  ["openai-vit-b16"] = openai("5806e77cd80f8b59890b7e101eabd078d9fb84e6937f9e85e4ecb61988df416f",
    "ViT-B-16.pt", "from OpenAI, 0.35 GB"),
  ["openai-vit-l14"] = openai("b8cca3fd41ae0c99ba7e8951adf17d267cdb84cd88be6f7c2e0eca1737a03836",
    "ViT-L-14.pt", "from OpenAI, 0.9 GB"),
  ["openai-vit-l14-336"] = openai(
    "3035c92b350959924f9f00213499208652fc7ea050643e8b385c2dac08641f02", "ViT-L-14-336px.pt",
    "from OpenAI, 0.9 GB"),
  ["openai-rn50"] = openai("afeb0e10f9e5a86da6080e35cf09123aca3b358a0c3e3b6c78a7b63bc04b6762",
    "RN50.pt", "CLIP with a ResNet-50, from OpenAI, 0.25 GB"),
  ["owlvit-b32"] = hub("google/owlvit-base-patch32", "OWL-ViT, detector asked in words, 0.6 GB"),
  ["owlvit-b16"] = hub("google/owlvit-base-patch16", "OWL-ViT, finer patches, 0.6 GB"),
  ["owlvit-l14"] = hub("google/owlvit-large-patch14", "OWL-ViT, large, 1.7 GB"),
  ["owlv2-b16"] = hub("google/owlv2-base-patch16-ensemble", "OWLv2, 0.6 GB"),
  ["owlv2-l14"] = hub("google/owlv2-large-patch14-ensemble", "OWLv2, large, 1.8 GB"),
  ["yolox-nano"] = yolox("yolox_nano.onnx",
    "c789161ed43c8269fcd4e67c67eeeb4e80c622da2eb296a20bc6007bd18a0b7d",
    "YOLOX-nano, detector of COCO's 80 things, 4 MB"),
  ["yolox-tiny"] = yolox("yolox_tiny.onnx",
    "427cc366d34e27ff7a03e2899b5e3671425c262ea2291f88bb942bc1cc70b0f7", "YOLOX-tiny, 20 MB"),
  ["yolox-s"] = yolox("yolox_s.onnx",
    "c5c2d13e59ae883e6af3b45daea64af4833a4951c92d116ec270d9ddbe998063", "YOLOX-s, 36 MB"),
  ["detr-r50"] = { what = "DETR with a ResNet-50, 0.16 GB", files = { {
    url = "https://dl.fbaipublicfiles.com/detr/detr-r50-e632da11.pth", sha256 = "e632da11",
  } } },
}

local names <const> = {}
for name in pairs(MODELS) do
  names[#names + 1] = name
end
table.sort(names)

local parser <const> = argparse("fetch.lua", "Downloads a public model by its name, with curl:"
  .. " goes on where it was cut off, and checks SHA-256. Converts nothing.")
parser:argument("name", "one of --list, or an address of a single file"):args "?"
parser:option("--to", "folder of the files (default: models/NAME)")
parser:option("--sha256", "the sum of a file given by its address")
parser:flag("--list", "names all models and leaves")
local args <const> = parser:parse()

local function quoted(text)
  return "'" .. text:gsub("'", "'\\''") .. "'"
end

-- Runs a command; gets what it printed, or nil and its exit status.
local function output_of(command)
  local pipe <const> = assert(io.popen(command))
  local text <const> = pipe:read "a"
  local ok <const>, _, status <const> = pipe:close()
  if ok then
    return text
  end
  return nil, status
end

-- Sums of a file: SHA-256; or git's of its content, by which the hub names small files.
local function sum_of(path, git)
  local from <const> = quoted(path)
  local text <const> = output_of(git
    and ("{ printf 'blob %%d\\0' $(wc -c <%s); cat %s; } | sha1sum"):format(from, from)
    or ("sha256sum <%s"):format(from))
  return text and text:match "^%x+"
end

-- Whether a file has the sum, or one that begins so; nil when none is known.
local function fits(path, file)
  if not file.sha256 then
    return nil
  end
  return sum_of(path, #file.sha256 == 40):sub(1, #file.sha256) == file.sha256:lower()
end

-- Asks the hub for the sum of a file: of large ones X-Linked-ETag is SHA-256.
local function ask_sum(file)
  if file.sha256 or not file.url:find "^https://huggingface%.co/" then
    return
  end
  local heads <const> = output_of(("curl -sSIL --retry 3 --connect-timeout 20 %s"):format(
    quoted(file.url))) or ""
  local linked, plain
  for line in heads:gmatch "[^\r\n]+" do
    local key <const>, value <const> = line:match "^([%w-]+):%s*(.*)$"
    local sum <const> = value and value:match '^W?/?"?(%x+)"?%s*$'
    if sum and key:lower() == "x-linked-etag" and #sum == 64 then
      linked = linked or sum
    elseif sum and key:lower() == "etag" and (#sum == 40 or #sum == 64) then
      plain = sum
    end
  end
  file.sha256 = linked or plain
end

local function name_of(url)
  return url:match "[^/]+$"
end

-- Downloads a file to `path`. Gets true, or false and curl's exit status.
local function download(url, path)
  local part <const> = path .. ".part"
  local bar <const> = system.terminal "stderr" and "--progress-bar" or "-sS"
  local ok <const>, _, status <const> = os.execute(
    ("curl -fL %s --retry 5 --retry-delay 2 --connect-timeout 20 -C - -o %s %s"):format(bar,
      quoted(part), quoted(url)))
  if not ok then
    return false, status
  end
  return os.rename(part, path)
end

local WHY <const> = {
  [5] = "no way to the proxy", [6] = "no such host, or no network", [7] = "no connection",
  [22] = "the server has no such file", [28] = "no answer in time",
  [35] = "no secure connection", [56] = "cut off", [127] = "curl is missing: apt install curl",
}

-- Says what would have to lie where, and leaves.
local function give_up(model, folder, status)
  io.stderr:write(("fetch: %s (curl %d)\nfetch: download these by other means:\n"):format(
    WHY[status] or "the download failed", status))
  for _, file in ipairs(model.files) do
    io.stderr:write(("  %s\n    to %s/%s%s\n"):format(file.url, folder, name_of(file.url),
      file.sha256 and #file.sha256 == 64 and "\n    SHA-256 " .. file.sha256 or ""))
    if file.other then
      io.stderr:write(("  or, where there is no such file, %s\n"):format(file.other))
    end
  end
  os.exit(1, true)
end

-- Fetches one file, in its other form where the server has not the first.
local function fetch(model, file, folder)
  local path = folder .. "/" .. name_of(file.url)
  ask_sum(file)
  if system.kind(path) == "file" and fits(path, file) ~= false then
    print(("%s is there%s"):format(path, file.sha256 and ", its sum is right" or ""))
    return
  end
  local ok, status = download(file.url, path)
  if not ok and status == 22 and file.other then
    file.url, file.other, file.sha256 = file.other, nil, nil
    return fetch(model, file, folder)
  end
  if not ok then
    give_up(model, folder, status)
  end
  local right <const> = fits(path, file)
  if right == false then
    os.rename(path, path .. ".wrong")
    io.stderr:write(("fetch: %s: its sum is %s, wanted %s; kept as %s.wrong\n"):format(path,
      sum_of(path .. ".wrong", #file.sha256 == 40), file.sha256, path))
    os.exit(1, true)
  end
  print(("%s: %s"):format(path, right and "its sum is right"
    or "no published sum; SHA-256 " .. sum_of(path)))
end

if args.list then
  for _, name in ipairs(names) do
    print(("%-20s %s"):format(name, MODELS[name].what))
  end
  os.exit(0, true)
end
if not args.name then
  parser:error "a name is missing; --list names all"
end
local model = MODELS[args.name]
if not model and args.name:find "^%a+://" then
  model = { files = { { url = args.name, sha256 = args.sha256 } } }
elseif not model then
  local near <const> = nearest(args.name, names)
  parser:error(("no model '%s'%s; --list names all"):format(args.name,
    near and (" (did you mean '%s'?)"):format(near) or ""))
end
local folder <const> = args.to or "models/" .. (MODELS[args.name] and args.name or "files")
system.make_folder(folder)
for _, file in ipairs(model.files) do
  fetch(model, file, folder)
end
