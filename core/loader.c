/* loader: a ring of jobs under one lock; a worker takes the oldest that nobody works at. */
#include "core/loader.h"

#include "core/error.h"

#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

struct slot {
    hoi_loader_job job; /* its path is the slot's own copy */
    hoi_sample *sample; /* NULL until it is done */
};

/* Places count pictures from the beginning on: taken <= started <= put <= taken + room. The ring's
   slot of place i is i % room. */
struct hoi_loader {
    hoi_loader_options options;
    pthread_t *threads;
    int running; /* threads that were started */
    struct slot *slots;
    pthread_mutex_t lock;
    pthread_cond_t work, done;
    uint64_t put, started, taken;
    bool stopping;
};

enum { most_threads = 64, most_room = 4096, milliseconds = 100 };

/* ------------------------------------------------------------------ one picture */

void hoi_sample_free(hoi_sample *sample) {
    if (!sample)
        return;
    free(sample->error);
    free(sample->pixels);
    hoi_image_free(sample->original);
    hoi_image_free(sample->changed);
    free(sample);
}

static hoi_image *read_picture(const hoi_loader_job *job) {
    if (job->path)
        return hoi_image_load_stored(job->path); /* as the data set's boxes count its pixels */
    hoi_image *image = hoi_image_new(HOI_MINI_SIZE, HOI_MINI_SIZE);
    if (image)
        hoi_mini_render(job->kind, job->decoys, job->seed, job->index, image->rgb, NULL);
    return image;
}

static bool make(const hoi_loader_options *options, const hoi_loader_job *job, hoi_sample *sample) {
    hoi_preprocess tower = options->tower;
    size_t size = (size_t)tower.size;
    tower.warp = true;
    sample->original = read_picture(job);
    if (!sample->original)
        return false;
    int width = sample->original->width, height = sample->original->height;
    sample->where = job->augmented ? hoi_augment_draw(&options->augment, options->seed, job->epoch,
                                                      job->picture, width, height)
                                   : hoi_augment_nothing(&options->augment, width, height);
    sample->changed = hoi_augment_image(&sample->where, sample->original);
    sample->pixels = malloc(3 * size * size * sizeof *sample->pixels);
    if (!sample->changed || !sample->pixels ||
        !hoi_image_preprocess(sample->changed, &tower, sample->pixels))
        return hoi_fail("image: no memory for the pixels of a picture");
    return true;
}

/* Gets a copy of a message, which names the picture. */
static char *complaint(const char *path, const char *message) {
    const char *name = path && !strstr(message, path) ? path : "";
    size_t length = strlen(name) + strlen(message) + 3;
    char *text = malloc(length);
    if (text)
        snprintf(text, length, "%s%s%s", name, *name ? ": " : "", message);
    return text;
}

/* Gets the sample of a job; its error where there is none. NULL when there is not even memory to
   say so. */
static hoi_sample *work_at(const hoi_loader_options *options, const hoi_loader_job *job) {
    hoi_sample *sample = calloc(1, sizeof *sample);
    if (!sample)
        return NULL;
    if (!make(options, job, sample)) {
        free(sample->pixels);
        sample->pixels = NULL;
        sample->error = complaint(job->path, hoi_error());
        if (!sample->error) {
            hoi_sample_free(sample);
            return NULL;
        }
    }
    if (sample->error || !job->keep_original) {
        hoi_image_free(sample->original);
        sample->original = NULL;
    }
    if (sample->error || !job->keep_changed) {
        hoi_image_free(sample->changed);
        sample->changed = NULL;
    }
    return sample;
}

/* ------------------------------------------------------------------ threads */

/* What a worker gives when it has no memory for a sample: nobody may wait for ever. */
static hoi_sample no_memory;

static void *worker(void *argument) {
    hoi_loader *loader = argument;
    pthread_mutex_lock(&loader->lock);
    while (!loader->stopping) {
        if (loader->started == loader->put) {
            pthread_cond_wait(&loader->work, &loader->lock);
            continue;
        }
        struct slot *slot = &loader->slots[loader->started++ % (uint64_t)loader->options.room];
        pthread_mutex_unlock(&loader->lock);
        hoi_sample *sample = work_at(&loader->options, &slot->job);
        pthread_mutex_lock(&loader->lock);
        slot->sample = sample ? sample : &no_memory;
        pthread_cond_broadcast(&loader->done);
    }
    pthread_mutex_unlock(&loader->lock);
    return NULL;
}

/* Starts the workers with all signals blocked: Ctrl-C is the caller's. */
static bool start(hoi_loader *loader) {
    sigset_t all, before;
    sigfillset(&all);
    if (pthread_sigmask(SIG_SETMASK, &all, &before) != 0)
        return hoi_fail("loader: signals can not be kept from its threads");
    int problem = 0;
    while (loader->running < loader->options.threads && !problem) {
        problem = pthread_create(&loader->threads[loader->running], NULL, worker, loader);
        loader->running += !problem;
    }
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return !problem || hoi_fail("loader: thread %d of %d did not start: %s", loader->running + 1,
                                loader->options.threads, strerror(problem));
}

static bool check(const hoi_loader_options *o) {
    if (o->threads < 1 || o->threads > most_threads)
        return hoi_fail("loader: %d threads, 1 to %d wanted", o->threads, most_threads);
    if (o->room < 1 || o->room > most_room)
        return hoi_fail("loader: room for %d pictures, 1 to %d wanted", o->room, most_room);
    if (o->tower.size < 1 || o->tower.size > 4096)
        return hoi_fail("loader: pictures of size %d, 1 to 4096 wanted", o->tower.size);
    if (o->augment.side < 1 || o->augment.side > 8192)
        return hoi_fail("loader: augmentation to a side of %d, 1 to 8192 wanted", o->augment.side);
    const float parts[3] = {o->augment.flip, o->augment.jitter, o->augment.crop};
    for (int i = 0; i < 3; i++)
        if (!(parts[i] >= 0 && parts[i] <= 1))
            return hoi_fail("loader: augmentation with flip %g, jitter %g, crop %g: 0 to 1 wanted",
                            (double)parts[0], (double)parts[1], (double)parts[2]);
    return true;
}

hoi_loader *hoi_loader_new(const hoi_loader_options *options) {
    if (!check(options))
        return NULL;
    hoi_loader *loader = calloc(1, sizeof *loader);
    if (!loader) {
        hoi_fail("loader: no memory");
        return NULL;
    }
    loader->options = *options;
    pthread_condattr_t clock;
    pthread_condattr_init(&clock);
    pthread_condattr_setclock(&clock, CLOCK_MONOTONIC);
    pthread_mutex_init(&loader->lock, NULL);
    pthread_cond_init(&loader->work, NULL);
    pthread_cond_init(&loader->done, &clock);
    pthread_condattr_destroy(&clock);
    loader->threads = calloc((size_t)options->threads, sizeof *loader->threads);
    loader->slots = calloc((size_t)options->room, sizeof *loader->slots);
    if (!loader->threads || !loader->slots)
        hoi_fail("loader: no memory for %d threads and %d pictures", options->threads,
                 options->room);
    else if (start(loader))
        return loader;
    hoi_loader_free(loader);
    return NULL;
}

static void empty(struct slot *slot) {
    free((char *)slot->job.path);
    if (slot->sample != &no_memory)
        hoi_sample_free(slot->sample);
    *slot = (struct slot){0};
}

void hoi_loader_free(hoi_loader *loader) {
    if (!loader)
        return;
    pthread_mutex_lock(&loader->lock);
    loader->stopping = true;
    pthread_cond_broadcast(&loader->work);
    pthread_mutex_unlock(&loader->lock);
    for (int i = 0; i < loader->running; i++)
        pthread_join(loader->threads[i], NULL);
    for (int i = 0; loader->slots && i < loader->options.room; i++)
        empty(&loader->slots[i]);
    pthread_cond_destroy(&loader->work);
    pthread_cond_destroy(&loader->done);
    pthread_mutex_destroy(&loader->lock);
    free(loader->threads);
    free(loader->slots);
    free(loader);
}

/* ------------------------------------------------------------------ in and out */

/* put and taken change in the caller's thread alone. */
int hoi_loader_room(const hoi_loader *loader) {
    return loader->options.room - (int)(loader->put - loader->taken);
}

bool hoi_loader_put(hoi_loader *loader, const hoi_loader_job *job) {
    if (hoi_loader_room(loader) == 0)
        return hoi_fail("loader: %d pictures are waiting: one has to be taken first",
                        loader->options.room);
    char *path = job->path ? strdup(job->path) : NULL;
    if (job->path && !path)
        return hoi_fail("loader: no memory");
    pthread_mutex_lock(&loader->lock);
    struct slot *slot = &loader->slots[loader->put++ % (uint64_t)loader->options.room];
    *slot = (struct slot){.job = *job};
    slot->job.path = path;
    pthread_cond_signal(&loader->work);
    pthread_mutex_unlock(&loader->lock);
    return true;
}

/* Waits a moment for a sample: between two of them Ctrl-C is looked for. */
static void wait_a_moment(hoi_loader *loader) {
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_nsec += milliseconds * 1000000L;
    until.tv_sec += until.tv_nsec / 1000000000L;
    until.tv_nsec %= 1000000000L;
    pthread_cond_timedwait(&loader->done, &loader->lock, &until);
}

hoi_sample *hoi_loader_take(hoi_loader *loader) {
    hoi_sample *sample = NULL;
    bool stopped = false;
    if (loader->taken == loader->put) {
        hoi_fail("loader: no picture was put in");
        return NULL;
    }
    pthread_mutex_lock(&loader->lock);
    struct slot *slot = &loader->slots[loader->taken % (uint64_t)loader->options.room];
    while (!slot->sample && !stopped) {
        wait_a_moment(loader);
        stopped = loader->options.interrupted && loader->options.interrupted();
    }
    if (slot->sample) {
        sample = slot->sample;
        slot->sample = NULL;
        empty(slot);
        loader->taken++;
    }
    pthread_mutex_unlock(&loader->lock);
    if (!sample)
        hoi_fail("loader: interrupted");
    else if (sample == &no_memory)
        hoi_fail("loader: no memory for a picture");
    return sample == &no_memory ? NULL : sample;
}
