-- benchmarks: the image classification data sets that few-shot methods are compared on, as CoOp
-- (Zhou et al. 2022) lays them out: folders (CLIP-LoRA's own names too), where the pictures of a
-- split lie, the split's file, and what CoOp and CLIP-Adapter say of a class.
local benchmarks <const> = {}

-- Tip-Adapter's and CLIP-Adapter's choice of OpenAI's templates for ImageNet.
local seven <const> = {
  "itap of a {}.", "a bad photo of the {}.", "a origami {}.", "a photo of the large {}.",
  "a {} in a video game.", "art of the {}.", "a photo of the small {}.",
}

-- kind: how the split is written down. "json": split_zhou_<split>.json; "lists": lists of picture
-- numbers and names (FGVCAircraft); "folders": class folders below train/ and val/ (ImageNet);
-- "test": class folders that are tested on only. classes: how many there should be.
local rows <const> = {
  { "imagenet", "ImageNet", { "imagenet" }, { "images", "" }, kind = "folders", classes = 1000,
    ensemble = seven },
  { "caltech101", "Caltech101", { "caltech-101", "Caltech101" }, { "101_ObjectCategories" },
    classes = 100 },
  { "oxford_pets", "OxfordPets", { "oxford_pets", "OxfordPets" }, { "images" }, classes = 37,
    prompt = "a photo of a {}, a type of pet." },
  { "stanford_cars", "StanfordCars", { "stanford_cars", "StanfordCars" }, { "" }, classes = 196 },
  { "oxford_flowers", "OxfordFlowers", { "oxford_flowers", "Flower102" }, { "jpg" },
    classes = 102, prompt = "a photo of a {}, a type of flower." },
  { "food101", "Food101", { "food-101", "Food101" }, { "images" }, classes = 101,
    prompt = "a photo of {}, a type of food." },
  { "fgvc_aircraft", "FGVCAircraft", { "fgvc_aircraft" }, { "images" }, kind = "lists",
    classes = 100, prompt = "a photo of a {}, a type of aircraft." },
  { "sun397", "SUN397", { "sun397", "SUN397" }, { "SUN397" }, classes = 397 },
  { "dtd", "DescribableTextures", { "dtd", "DTD" }, { "images" }, classes = 47,
    prompt = "{} texture." },
  { "eurosat", "EuroSAT", { "eurosat" }, { "2750" }, classes = 10,
    prompt = "a centered satellite photo of {}." },
  { "ucf101", "UCF101", { "ucf101", "UCF101" }, { "UCF-101-midframes" }, classes = 101,
    prompt = "a photo of a person doing {}." },
  { "imagenetv2", "ImageNetV2", { "imagenetv2" }, { "imagenetv2-matched-frequency-format-val" },
    kind = "test", classes = 1000, ensemble = seven },
  { "imagenet_sketch", "ImageNetSketch", { "imagenet-sketch" }, { "images" }, kind = "test",
    classes = 1000, ensemble = seven },
  { "imagenet_a", "ImageNetA", { "imagenet-adversarial" }, { "imagenet-a" }, kind = "test",
    classes = 200, ensemble = seven },
  { "imagenet_r", "ImageNetR", { "imagenet-rendition" }, { "imagenet-r" }, kind = "test",
    classes = 200, ensemble = seven },
}

benchmarks.names = {}
local known <const> = {} -- any spelling, without marks and in small letters -> row

local function plain(name)
  return (name:lower():gsub("[^%w]", ""))
end

for i, row in ipairs(rows) do
  local entry <const> = {
    name = row[1], title = row[2], folders = row[3], images = row[4], kind = row.kind or "json",
    classes = row.classes, split = row[2],
    templates = { row.prompt or "a photo of a {}." },
    ensemble = row.ensemble, -- several templates, where the field has a choice of its own
  }
  benchmarks.names[i] = entry.name
  benchmarks[entry.name] = entry
  known[plain(entry.name)], known[plain(entry.title)] = entry, entry
  for _, folder in ipairs(entry.folders) do
    known[plain(folder)] = entry
  end
end

-- Gets the entry of a name in any of its spellings ("caltech101", "Caltech101", "caltech-101"), or
-- of a split file "split_zhou_Caltech101.json"; nil when it is none of them.
function benchmarks.find(name)
  return known[plain(name:match "^split_zhou_(.*)%.json$" or name)]
end

return benchmarks
