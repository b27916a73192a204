/* weights: named arrays whatever file holds them: safetensors, PyTorch's archives of all ages,
   TorchScript, NumPy's .npy and .npz, folders and shards of Hugging Face. Nothing of a file is run;
   sizes are checked before memory is taken. Values are read when they are asked for. */
#ifndef HOI_WEIGHTS_H
#define HOI_WEIGHTS_H

#include "core/safetensors.h"

typedef struct hoi_weights hoi_weights;

/* Opens a file by what it begins with, or a folder by the names in it: model.safetensors,
   model.safetensors.index.json, open_clip_model.safetensors, open_clip_pytorch_model.bin,
   pytorch_model.bin, pytorch_model.bin.index.json. Dictionaries in dictionaries become names with
   dots; plain values among them, metadata. A lone array is called "array". NULL after hoi_fail,
   which names the file. It must not shrink while it is open. */
hoi_weights *hoi_weights_open(const char *path);

/* The same for `size` bytes of memory, which the caller keeps alive; messages call it `label`. */
hoi_weights *hoi_weights_open_memory(const void *bytes, size_t size, const char *label);

/* Takes over a safetensors file, or NULL, which it gives back. */
hoi_weights *hoi_weights_of(hoi_safetensors *file);

/* Drops it; its entries go with it. NULL is fine. */
void hoi_weights_close(hoi_weights *weights);

/* Gets what messages call it; and what it is: "safetensors", "torch", "torchscript", "npy", "npz",
   "index". */
const char *hoi_weights_label(const hoi_weights *weights);
const char *hoi_weights_container(const hoi_weights *weights);

/* Gets the number of arrays, array i (0-based, by name), an array by its name or NULL. The `data`
   of an entry is NULL where it must be read first. */
size_t hoi_weights_count(const hoi_weights *weights);
const hoi_entry *hoi_weights_at(const hoi_weights *weights, size_t i);
const hoi_entry *hoi_weights_find(const hoi_weights *weights, const char *name);

/* Gets the number of metadata strings, key and value of number i (0-based, by key), the value of a
   key or NULL. */
size_t hoi_weights_metadata_count(const hoi_weights *weights);
const char *hoi_weights_metadata_at(const hoi_weights *weights, size_t i, const char **value);
const char *hoi_weights_metadata(const hoi_weights *weights, const char *key);

/* Copies an array, row-major, as its dtype has it: entry->bytes bytes. */
bool hoi_weights_read(hoi_weights *weights, const hoi_entry *entry, void *out);

/* Copies an array as floats: hoi_entry_elements of them; whole numbers are exact below 2^24. */
bool hoi_weights_floats(hoi_weights *weights, const hoi_entry *entry, float *out);

#endif
