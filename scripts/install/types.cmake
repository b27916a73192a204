# Installs lua/types.lua for language servers, as what `require "hoi"` gets, and beside it settings
# that find it. source: of hoi; folder: where, below the prefix.
set(whole "${CMAKE_INSTALL_PREFIX}/${folder}")
file(READ "${source}/lua/types.lua" types)
foreach(file types/hoi.lua luarc.json)
    message(STATUS "Installing: $ENV{DESTDIR}${whole}/${file}")
    list(APPEND CMAKE_INSTALL_MANIFEST_FILES "${whole}/${file}")
endforeach()
file(WRITE "$ENV{DESTDIR}${whole}/types/hoi.lua" "${types}\nreturn hoi\n")
file(WRITE "$ENV{DESTDIR}${whole}/luarc.json" "{
  \"runtime.version\": \"Lua 5.4\",
  \"workspace.library\": [\"${whole}/types\"]
}
")
