/* plugin: how a detector written in C comes to hoi. The whole contract: this header includes
   nothing of ours, and a plugin links nothing of ours. A plugin is a shared object that exports one
   function, hoi_plugin, which gets a hoi_detector; a detector written in Lua is a table with the
   same six members (plugins/README.md shows both).

   No memory crosses the border: what a plugin hands over (emit, map, labels, fail) is copied before
   the call returns, what it is lent (options, picture, host) is valid only during the call. All
   calls come from one thread, and no exception of another language may leave one. A plugin is
   loaded once and never unloaded. hoi checks what was emitted: numbers are finite, x1 <= x2, y1 <=
   y2, score in 0..1, the label is known, every detection carries a feature of the same width or
   none does. */
#ifndef HOI_PLUGIN_H
#define HOI_PLUGIN_H

#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Grows when the meaning of a member changes; members added at the end change nothing for a plugin
   built before. */
#define HOI_PLUGIN_ABI 1u

#if defined(__GNUC__)
#define HOI_PLUGIN_EXPORT __attribute__((visibility("default")))
#define HOI_PLUGIN_PRINTF(message, first) __attribute__((format(printf, message, first)))
#else
#define HOI_PLUGIN_EXPORT
#define HOI_PLUGIN_PRINTF(message, first)
#endif

/* A picture: rgb is (height, width, 3) bytes, rows from the top without gaps. */
typedef struct hoi_picture {
    int width, height;
    const unsigned char *rgb;
    const char *name; /* what the script calls it, mostly a path; "" when it has no name */
} hoi_picture;

/* One detection: a box in pixels of the picture (0, 0 is its upper left corner), a score in 0..1, a
   label as its place 0, 1, ... in the labels. It may carry a feature vector (a decoder state, say);
   all of a detector's have one width. */
typedef struct hoi_detection {
    float x1, y1, x2, y2, score;
    int label;
    int width;            /* of the feature; 0 without one */
    const float *feature; /* (width), NULL without one */
} hoi_detection;

/* What hoi lends a plugin for the length of a call. New members go at the end; abi is hoi's own
   HOI_PLUGIN_ABI. */
typedef struct hoi_host hoi_host;
struct hoi_host {
    unsigned abi;

    /* In detect: hands over one detection. */
    void (*emit)(hoi_host *host, const hoi_detection *detection);

    /* In detect, at most once and only if the detector has one: hands over a named tensor of the
       whole picture. */
    void (*map)(hoi_host *host, const char *name, const int shape[3], const float *data);

    /* Keeps the message of an error (the first one stands) and gets -1, so that `return
       host->fail(...)` reads well in detect; in open: host->fail(...), then return NULL. hoi puts
       the detector's name before the message. */
    int (*fail)(hoi_host *host, const char *format, ...) HOI_PLUGIN_PRINTF(2, 3);

    /* In open, only if the labels depend on the options or on a model's files: replaces the
       detector's labels for what is being opened. Ends with NULL. */
    void (*labels)(hoi_host *host, const char *const *labels);
};

/* A detector. All members are needed. */
typedef struct hoi_detector {
    unsigned abi;     /* HOI_PLUGIN_ABI of the header it was built with */
    const char *name; /* what messages call it */

    /* Distinct names, ends with NULL; a lone NULL when open names them. */
    const char *const *labels;

    /* Gets a detector with these options (a JSON object, "{}" for none), what detect and close then
       get as self. NULL after host->fail. Several may be open at once. */
    void *(*open)(hoi_host *host, const char *options);

    /* Emits what is in the picture, in any order, before suppression or after it. 0, or -1 after
       host->fail. */
    int (*detect)(void *self, hoi_host *host, const hoi_picture *picture);

    /* Frees what open got. */
    void (*close)(void *self);
} hoi_detector;

/* Gets the detector: static, alive for ever. The one symbol that a plugin exports. */
HOI_PLUGIN_EXPORT const hoi_detector *hoi_plugin(void);

#ifdef __cplusplus
}
#endif

#endif
