std = "lua54"
max_line_length = 100
ignore = { "211/_", "212/_.*", "212/self" } -- to-be-closed variables are named _
globals = { "arg" }
files["tests/lua"].std = "lua54+busted"
files["lua/types.lua"].ignore = { "1..", "2..", "631" } -- declarations for editors
