/* bind_tensor: how other bindings take and give tensors. */
#ifndef HOI_BIND_TENSOR_H
#define HOI_BIND_TENSOR_H

#include "core/tape.h"
#include "lua/bind_device.h"

#define HOI_TENSOR "hoi.Tensor"

/* Gets the tensor of an argument; NULL for nil or none where it may be missing. */
hoi_tensor *bind_tensor(lua_State *L, int index);
hoi_tensor *bind_tensor_or_nil(lua_State *L, int index);
/* Gets the tensor of an option, NULL when it is absent. Borrowed from the table. */
hoi_tensor *bind_tensor_option(lua_State *L, int options, const char *key);

/* Pushes a slot that will hold a tensor: nothing can leak when what comes next raises. */
hoi_tensor **bind_tensor_slot(lua_State *L);
/* Pushes x (one reference is taken), or raises what hoi_fail said when it is NULL. */
int bind_tensor_push(lua_State *L, hoi_tensor *x);

/* Pushes x as bind_tensor_push does, then lets the collector work where it is time: the end of a
   binding. */
int bind_tensor_give(lua_State *L, hoi_tensor *x);

/* Gets the dimension (0-based) an argument names: 1.., or negative from the end. */
int bind_dimension(lua_State *L, int index, const hoi_tensor *x);

/* Adds the operations to the class (tensor_operations.c); the module is on top of the stack. */
void bind_tensor_operations(lua_State *L);

/* Reads a list of sizes at `index`, or the integers from there on; gets the rank. */
int bind_shape(lua_State *L, int index, int64_t shape[HOI_RANK]);

/* Gets memory of the Lua state (collected with it), on top of the stack. */
void *bind_memory(lua_State *L, size_t bytes);

/* The state of the generator: the seed and the number of keys given out. */
uint64_t bind_random_key(lua_State *L);

#endif
