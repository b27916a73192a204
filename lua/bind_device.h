/* bind_device: the one device that a Lua state computes on, opened at its first use. */
#ifndef HOI_BIND_DEVICE_H
#define HOI_BIND_DEVICE_H

#include "lua/bind.h"
#include "opencl/device.h"

/* Gets the device of this state; raises what went wrong when it can not be opened. */
hoi_device *bind_device(lua_State *L);

/* Lets the collector work when much device memory was allocated since it last did: a userdata looks
   small to it. */
void bind_pressure(lua_State *L);

#endif
