-- Builds and installs hoi for luarocks, in the source's folder:
--   luarocks --lua-version 5.4 make scripts/install/hoi-scm-1.rockspec
rockspec_format = "3.0"
package = "hoi"
version = "scm-1"
source = { url = "git+file://." }
description = {
  summary = "Who does what with what in a picture: CLIP and detectors over OpenCL",
  license = "MIT",
}
supported_platforms = { "linux" }
dependencies = { "lua ~> 5.4" }
build = {
  type = "cmake",
  variables = {
    CMAKE_BUILD_TYPE = "Release",
    CMAKE_INSTALL_PREFIX = "$(PREFIX)",
    CMAKE_INSTALL_BINDIR = "bin",
    CMAKE_INSTALL_LIBDIR = "lib",
    HOI_LUA_CPATH = "$(LIBDIR)",
    BUILD_TESTING = "OFF",
  },
}
