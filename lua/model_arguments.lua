-- model_arguments: the words that say which CLIP a script uses and how it is opened, the same for
-- all scripts.
local clips <const> = require "hoi.clip"

local arguments <const> = {}

-- The words that say something of a model's files; the program's own model has none to ask about.
local of_files <const> = { "activation", "tokenizer" }

-- Adds the words to an argparse parser. description: of --model, where it means more.
function arguments.add(parser, description)
  parser:option("--model", description
    or "a CLIP folder or file; without it the small CLIP of the drawn world")
  parser:option("--dtype", "stored (as without it); float32; bfloat16: faster where the device has"
    .. " it, rounded"):choices { "stored", "float32", "bfloat16" }
  parser:option("--activation", "of --model, over what its files say: quick_gelu (OpenAI's,"
    .. " MetaCLIP's) or gelu"):choices { "quick_gelu", "gelu" }
  parser:option("--tokenizer", "of --model, where none lies beside it: a folder of vocab.json and"
    .. " merges.txt, tokenizer.json, or bpe_simple_vocab_16e6.txt.gz")
end

-- Opens the CLIP that the parsed words name.
function arguments.open(args)
  for _, name in ipairs(of_files) do
    if args[name] and not args.model then
      error(("--%s %s is about the files of --model, which is not given"):format(name, args[name]),
        0)
    end
  end
  return clips.open(args.model,
    { dtype = args.dtype, activation = args.activation, tokenizer = args.tokenizer })
end

return arguments
