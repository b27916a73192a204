-- template: a sentence with places for words, "a photo of a {}.".

-- Gets a template whose places are filled in turn; one word fills them all.
return function(template, ...)
  local words <const>, i = { ... }, 0
  return (template:gsub("{}", function()
    i = i + 1
    return words[i] or words[#words]
  end))
end
