/* embedded: the files that live inside the binary: kernels, Lua sources, class lists, the default
   model. On the ground floor, beside error.h. */
#ifndef HOI_EMBEDDED_H
#define HOI_EMBEDDED_H

#include <stddef.h>

/* Gets the bytes of an embedded file by its path in the source tree ("opencl/cpu/gemm.cl",
   "lua/hoi.lua"), and its size without the zero byte that follows every file (so a text is a C
   string). Aligned to 64 bytes, alive for ever, never to be written. NULL when there is no such
   file: not a failure, nothing is reported. */
const void *hoi_embedded(const char *name, size_t *size);

/* Gets the name of the embedded file at a place 0, 1, ... (sorted by name), NULL after the last. */
const char *hoi_embedded_name(size_t place);

#endif
