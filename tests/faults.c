/* faults: loaded before all other libraries, it lets the n-th allocation or the n-th OpenCL buffer
   that hoi asks for fail, and knows which of hoi's allocations are not freed. For Lua it is a module
   (tests/faults.lua); HOI_FAULT=allocation:N or buffer:N arms it from the start of a program. What
   drivers and other libraries ask for is left alone, but for those that are watched. */
#define CL_TARGET_OPENCL_VERSION 120
#include <CL/cl.h>
#include <dlfcn.h>
#include <errno.h>
#include <execinfo.h>
#include <lauxlib.h>
#include <link.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

extern void *__libc_malloc(size_t);
extern void *__libc_calloc(size_t, size_t);
extern void *__libc_realloc(void *, size_t);
extern void *__libc_memalign(size_t, size_t);
extern void __libc_free(void *);
int luaopen_faults(lua_State *L);

/* ------------------------------------------------------------------ who asks */

enum { most_watched = 8, most_live = 1 << 20, most_asked = 1 << 20, most_frames = 32 };

static struct { uintptr_t from, to; } watched[most_watched];
static int watched_count;

static int watch_object(struct dl_phdr_info *info, size_t size, void *part) {
    (void)size;
    bool program = !*info->dlpi_name;
    if (*(const char *)part ? !strstr(info->dlpi_name, part) : !program)
        return 0;
    uintptr_t from = UINTPTR_MAX, to = 0;
    for (int i = 0; i < info->dlpi_phnum; i++)
        if (info->dlpi_phdr[i].p_type == PT_LOAD) {
            uintptr_t begin = info->dlpi_addr + info->dlpi_phdr[i].p_vaddr;
            from = begin < from ? begin : from;
            to = begin + info->dlpi_phdr[i].p_memsz > to ? begin + info->dlpi_phdr[i].p_memsz : to;
        }
    if (watched_count < most_watched) {
        watched[watched_count].from = from;
        watched[watched_count++].to = to;
    }
    return 1;
}

static bool is_watched(const void *caller) {
    for (int i = 0; i < watched_count; i++)
        if ((uintptr_t)caller >= watched[i].from && (uintptr_t)caller < watched[i].to)
            return true;
    return false;
}

/* ------------------------------------------------------------------ what fails */

enum kind { allocation, buffer, kinds };
static const char *const kind_names[] = {"allocation", "buffer", NULL};
static atomic_long asked[kinds], wanted[kinds];
static const void *_Atomic failed_caller;

/* By what way of calls the n-th was asked for, while ways are recorded. */
static uint32_t ways[kinds][most_asked];
static atomic_bool recording;

/* Gets a number for the calls of the watched that led here. */
static uint32_t way_here(void) {
    static _Thread_local bool inside; /* looking may allocate */
    void *frames[most_frames];
    uint32_t way = 2166136261u;
    if (inside)
        return way;
    inside = true;
    int count = backtrace(frames, most_frames);
    for (int i = 0; i < count; i++)
        if (is_watched(frames[i]))
            way = (way ^ (uint32_t)(uintptr_t)frames[i]) * 16777619u;
    inside = false;
    return way;
}

/* Counts, and tells whether this one is to fail. */
static bool fails(enum kind kind, const void *caller) {
    if (!is_watched(caller))
        return false;
    long n = atomic_fetch_add(&asked[kind], 1) + 1;
    if (recording && n <= most_asked)
        ways[kind][n - 1] = way_here();
    if (n != atomic_load(&wanted[kind]))
        return false;
    failed_caller = caller;
    return true;
}

static void arm(enum kind kind, long n) {
    failed_caller = NULL;
    for (int i = 0; i < kinds; i++) {
        wanted[i] = 0;
        asked[i] = 0;
    }
    wanted[kind] = n;
}

__attribute__((constructor)) static void begin(void) {
    const char *text = getenv("HOI_FAULT");
    backtrace((void *[1]){NULL}, 1); /* loads what it needs */
    dl_iterate_phdr(watch_object, (char[]){""});
    for (int i = 0; text && i < kinds; i++)
        if (strncmp(text, kind_names[i], strlen(kind_names[i])) == 0)
            arm((enum kind)i, atol(strchr(text, ':') + 1));
}

/* ------------------------------------------------------------------ what is alive */

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct {
    void *block;
    const void *caller;
} live[most_live]; /* a hash table; block 1: was one */
static long live_count;

static size_t place_of(const void *block) {
    return (size_t)(((uintptr_t)block >> 4) * 0x9E3779B97F4A7C15u >> 44) % most_live;
}

static void remember(void *block, const void *caller) {
    if (!block || !is_watched(caller))
        return;
    pthread_mutex_lock(&lock);
    size_t i = place_of(block);
    for (int tries = 0; tries < most_live && (uintptr_t)live[i].block > 1; tries++)
        i = (i + 1) % most_live;
    live[i].block = block;
    live[i].caller = caller;
    live_count++;
    pthread_mutex_unlock(&lock);
}

static void forget(void *block) {
    if (!block)
        return;
    pthread_mutex_lock(&lock);
    size_t i = place_of(block);
    for (int tries = 0; tries < most_live && live[i].block && live[i].block != block; tries++)
        i = (i + 1) % most_live;
    if (live[i].block == block) {
        live[i].block = live[(i + 1) % most_live].block ? (void *)1 : NULL;
        live_count--;
    }
    pthread_mutex_unlock(&lock);
}

/* ------------------------------------------------------------------ in place of the C library's */

#define CALLER __builtin_return_address(0)

static void *kept(void *block, const void *caller) {
    remember(block, caller);
    return block;
}

static void *refused(void) {
    errno = ENOMEM;
    return NULL;
}

void *malloc(size_t size) {
    return fails(allocation, CALLER) ? refused() : kept(__libc_malloc(size), CALLER);
}

void *calloc(size_t count, size_t size) {
    return fails(allocation, CALLER) ? refused() : kept(__libc_calloc(count, size), CALLER);
}

void *realloc(void *old, size_t size) {
    if (size && fails(allocation, CALLER))
        return refused();
    forget(old);
    void *block = __libc_realloc(old, size);
    if (!block && size)
        remember(old, CALLER);
    return kept(block, CALLER);
}

void *aligned_alloc(size_t alignment, size_t size) {
    return fails(allocation, CALLER) ? refused() : kept(__libc_memalign(alignment, size), CALLER);
}

int posix_memalign(void **out, size_t alignment, size_t size) {
    void *block = fails(allocation, CALLER) ? NULL : __libc_memalign(alignment, size);
    if (!block)
        return ENOMEM;
    *out = kept(block, CALLER);
    return 0;
}

static char *copied(const char *text, size_t length, const void *caller) {
    char *copy = fails(allocation, caller) ? refused() : __libc_malloc(length + 1);
    if (copy) {
        memcpy(copy, text, length);
        copy[length] = 0;
    }
    return kept(copy, caller);
}

char *strdup(const char *text) {
    return copied(text, strlen(text), CALLER);
}

char *strndup(const char *text, size_t n) {
    return copied(text, strnlen(text, n), CALLER);
}

void free(void *block) {
    forget(block);
    __libc_free(block);
}

cl_mem clCreateBuffer(cl_context context, cl_mem_flags flags, size_t size, void *host,
                      cl_int *status) {
    static cl_mem (*real)(cl_context, cl_mem_flags, size_t, void *, cl_int *);
    if (fails(buffer, CALLER)) {
        if (status)
            *status = CL_MEM_OBJECT_ALLOCATION_FAILURE;
        return NULL;
    }
    if (!real)
        *(void **)&real = dlsym(RTLD_NEXT, "clCreateBuffer");
    return real(context, flags, size, host, status);
}

/* ------------------------------------------------------------------ for Lua */

/* fail(kind, n): the n-th from here fails; 0: none, and counting begins anew. */
static int lua_fail(lua_State *L) {
    int kind = luaL_checkoption(L, 1, NULL, kind_names);
    arm((enum kind)kind, (long)luaL_checkinteger(L, 2));
    return 0;
}

/* asked(kind): how many were asked for. */
static int lua_asked(lua_State *L) {
    lua_pushinteger(L, asked[luaL_checkoption(L, 1, NULL, kind_names)]);
    return 1;
}

/* record(on): from here the ways are recorded, or no longer. */
static int lua_record(lua_State *L) {
    recording = lua_toboolean(L, 1);
    return 0;
}

/* ways(kind): a number for the way of calls of each that was asked for while recording. */
static int lua_ways(lua_State *L) {
    int kind = luaL_checkoption(L, 1, NULL, kind_names);
    long count = asked[kind] < most_asked ? asked[kind] : most_asked;
    lua_createtable(L, (int)count, 0);
    for (long i = 0; i < count; i++) {
        lua_pushinteger(L, ways[kind][i]);
        lua_rawseti(L, -2, i + 1);
    }
    return 1;
}

/* Pushes "object+offset" of who asked. */
static void push_place(lua_State *L, const void *caller) {
    Dl_info info;
    char text[512] = "?";
    if (dladdr(caller, &info))
        snprintf(text, sizeof text, "%s+0x%lx", info.dli_fname,
                 (unsigned long)((uintptr_t)caller - (uintptr_t)info.dli_fbase));
    lua_pushstring(L, text);
}

/* failed(): who was refused, nil when nobody was. */
static int lua_failed(lua_State *L) {
    const void *caller = failed_caller;
    if (caller)
        push_place(L, caller);
    else
        lua_pushnil(L);
    return 1;
}

/* watch(part): counts what an object asks for too whose name has this part. */
static int lua_watch(lua_State *L) {
    char part[64] = "";
    strncpy(part, luaL_checkstring(L, 1), sizeof part - 1);
    lua_pushboolean(L, dl_iterate_phdr(watch_object, part));
    return 1;
}

/* live(): how many blocks are alive; live(true): also how many by who asked. */
static int lua_live(lua_State *L) {
    lua_settop(L, 1);
    lua_pushinteger(L, live_count);
    if (!lua_toboolean(L, 1))
        return 1;
    lua_newtable(L);
    for (size_t i = 0; i < most_live; i++)
        if ((uintptr_t)live[i].block > 1) {
            push_place(L, live[i].caller);
            lua_pushvalue(L, -1);
            lua_rawget(L, -3);
            lua_Integer before = lua_tointeger(L, -1);
            lua_pop(L, 1);
            lua_pushinteger(L, before + 1);
            lua_rawset(L, -3);
        }
    return 2;
}

int luaopen_faults(lua_State *L) {
    static const luaL_Reg functions[] = {
        {"fail", lua_fail},     {"asked", lua_asked}, {"failed", lua_failed}, {"watch", lua_watch},
        {"record", lua_record}, {"ways", lua_ways},   {"live", lua_live},     {NULL, NULL}};
    luaL_newlib(L, functions);
    return 1;
}
