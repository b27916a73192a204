-- convert: writes any published CLIP as a Hugging Face folder.
--   hoi scripts/convert.lua ViT-B-32.pt clip-vit-base-patch32
local argparse <const> = require "argparse"
local hoi <const> = require "hoi"

local parser <const> = argparse("convert.lua", "Writes a CLIP, as OpenAI, open_clip or Hugging Face"
  .. " publish it, as a Hugging Face folder: the same bits under Hugging Face's names.")
parser:argument("from", "a .pt, .bin or .safetensors file, or a model's folder")
parser:argument("to", "the folder to write")
parser:option("--activation", "quick_gelu or gelu, where no file says it")
parser:option("--tokenizer", "bpe_simple_vocab_16e6.txt.gz, tokenizer.json, or a folder with"
  .. " vocab.json and merges.txt, where none lies beside the weights")
parser:option("--config", "a config.json for weights that have none")
local args <const> = parser:parse()

hoi.convert(args.from, args.to, {
  activation = args.activation, tokenizer = args.tokenizer, config = args.config,
})
local clip <close> = hoi.clip(args.to)
print(clip)
