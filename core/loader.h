/* loader: threads that read, change and shrink pictures ahead of who asks for them. Pictures come
   out in the order in which they were put in, and no bit depends on how many threads there are. */
#ifndef HOI_LOADER_H
#define HOI_LOADER_H

#include "core/augment.h"
#include "core/mini.h"

/* Where a picture's pixels come from and what happens to it. */
typedef struct hoi_loader_job {
    const char *path;   /* a picture's file; NULL: a picture of the drawn world */
    hoi_mini_kind kind; /* of the drawn world */
    bool decoys;
    uint64_t seed, index;
    bool augmented;                   /* else resized only, as at testing */
    uint64_t epoch, picture;          /* with the loader's seed: counters of the augmentation */
    bool keep_original, keep_changed; /* whether those pictures are wanted too */
} hoi_loader_job;

/* A picture that is ready. */
typedef struct hoi_sample {
    char *error;            /* why there is none; NULL: all is well */
    float *pixels;          /* (3, size, size): changed, warped, normalised */
    hoi_image *original;    /* where the job keeps it, else NULL */
    hoi_image *changed;     /* where the job keeps it, else NULL */
    hoi_augmentation where; /* what happened: hoi_augment_box takes boxes along */
} hoi_sample;

typedef struct hoi_loader_options {
    int threads;               /* 1 to 64 */
    int room;                  /* 1 to 4096 pictures between put and take */
    hoi_preprocess tower;      /* how pixels are made; warp is always on */
    hoi_augment augment;       /* what may happen to a picture */
    uint64_t seed;             /* of the augmentation */
    bool (*interrupted)(void); /* asked while waiting: true ends it; NULL: nobody is asked */
} hoi_loader_options;

typedef struct hoi_loader hoi_loader;

/* Starts the threads; signals do not reach them. NULL after hoi_fail. Dropped with
   hoi_loader_free. */
hoi_loader *hoi_loader_new(const hoi_loader_options *options);

/* Stops the threads (each finishes the picture it is at) and drops what nobody took. NULL is
   fine. */
void hoi_loader_free(hoi_loader *loader);

/* Gets how many more pictures can be put in before one has to be taken. */
int hoi_loader_room(const hoi_loader *loader);

/* Puts a picture at the end of the queue; the job is copied. False after hoi_fail: no room, or no
   memory. */
bool hoi_loader_put(hoi_loader *loader, const hoi_loader_job *job);

/* Waits for the next picture and gets it; a broken one has an `error`, which begins with its path.
   NULL after hoi_fail: nothing was put in, or interrupted. Dropped with hoi_sample_free. */
hoi_sample *hoi_loader_take(hoi_loader *loader);

void hoi_sample_free(hoi_sample *sample); /* NULL is fine */

#endif
