/* bind_role_meter: role average precision by numbers; role_meter.lua gives pictures and columns
   names. Loaded as "hoi.role_meter.core". */
#include "core/role_metric.h"
#include "lua/bind.h"
#include "lua/detection.h"

#include <limits.h>

static const char *const METER = "hoi.RoleMeterCore";

static int meter_release(lua_State *L) {
    void **slot = bind_slot(L, 1, METER);
    hoi_role_meter_free(*slot);
    *slot = NULL;
    return 0;
}

static int number(lua_State *L, int index) {
    lua_Integer value = luaL_checkinteger(L, index);
    return value < INT_MIN ? INT_MIN : value > INT_MAX ? INT_MAX : (int)value;
}

/* Reads the box at `index` without taking it off; NULL for nil. */
static const float *read_box(lua_State *L, int index, const char *key, float box[4]) {
    if (lua_isnoneornil(L, index))
        return NULL;
    lua_pushvalue(L, index);
    detection_box(L, "hoi.RoleMeter", 0, key, box);
    return box;
}

/* core(columns, iou_threshold) */
static int meter_new(lua_State *L) {
    int columns = number(L, 1);
    double iou = luaL_checknumber(L, 2);
    void **slot = bind_new(L, METER);
    *slot = hoi_role_meter_new(columns, iou);
    return bind_result(L, *slot != NULL);
}

/* person(image, box, annotated): its number */
static int meter_person(lua_State *L) {
    float box[4] = {0};
    int person;
    lua_settop(L, 4);
    hoi_role_meter *meter = bind_check(L, 1, METER);
    luaL_checktype(L, 3, LUA_TTABLE);
    read_box(L, 3, "box", box);
    if (!hoi_role_meter_person(meter, number(L, 2), box, lua_toboolean(L, 4), &person))
        return bind_raise(L);
    lua_pushinteger(L, person);
    return 1;
}

/* does(person, column from 1, box or nil) */
static int meter_does(lua_State *L) {
    float box[4];
    lua_settop(L, 4);
    hoi_role_meter *meter = bind_check(L, 1, METER);
    const float *role = read_box(L, 4, "role", box);
    return hoi_role_meter_does(meter, number(L, 2), number(L, 3) - 1, role) ? 0 : bind_raise(L);
}

/* add(image, column from 1, score, human, box or nil) */
static int meter_add(lua_State *L) {
    float human[4] = {0}, box[4];
    lua_settop(L, 6);
    hoi_role_meter *meter = bind_check(L, 1, METER);
    luaL_checktype(L, 5, LUA_TTABLE);
    read_box(L, 5, "human_box", human);
    const float *role = read_box(L, 6, "object_box", box);
    return hoi_role_meter_add(meter, number(L, 2), number(L, 3) - 1, luaL_checknumber(L, 4), human,
                              role)
               ? 0
               : bind_raise(L);
}

/* precision(column from 1, scenario, defaults) */
static int meter_precision(lua_State *L) {
    double value;
    lua_settop(L, 4);
    hoi_role_meter *meter = bind_check(L, 1, METER);
    if (!hoi_role_meter_average_precision(meter, number(L, 2) - 1, number(L, 3),
                                          lua_toboolean(L, 4), &value))
        return bind_raise(L);
    lua_pushnumber(L, value);
    return 1;
}

int luaopen_hoi_role_meter(lua_State *L);
int luaopen_hoi_role_meter(lua_State *L) {
    static const luaL_Reg methods[] = {{"person", meter_person},
                                       {"does", meter_does},
                                       {"add", meter_add},
                                       {"precision", meter_precision},
                                       {NULL, NULL}};
    bind_class(L, METER, methods, NULL, meter_release);
    lua_pushcfunction(L, meter_new);
    return 1;
}
