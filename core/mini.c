/* mini: which groups a picture has and where; the picture itself; many of them by threads. */
#include "core/mini_plan.h"

#include "core/error.h"

#include <math.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

hoi_random hoi_mini_stream(hoi_mini_kind kind, uint64_t seed, uint64_t index, int stream) {
    return hoi_random_stream(seed, index, 4u * (uint64_t)kind + (uint64_t)stream);
}

/* A group with its place: X = x + side * scale * a, Y = y - scale * b for a point (a, b) of its
   frame. */
typedef struct place {
    hoi_mini_group group;
    float x, y, scale, side;
    float box[4]; /* in pixels */
} place;

typedef struct layout {
    place places[HOI_MINI_GROUPS];
    int count;
    float horizon;
} layout;

static const float ROOM = 92; /* pixels that a group may take; 2 stay free on each side */

static float overlap(const float a[4], const float b[4]) {
    float w = fminf(a[2], b[2]) - fmaxf(a[0], b[0]), h = fminf(a[3], b[3]) - fmaxf(a[1], b[1]);
    if (w <= 0 || h <= 0) {
        return 0;
    }
    return w * h / fminf((a[2] - a[0]) * (a[3] - a[1]), (b[2] - b[0]) * (b[3] - b[1]));
}

/* Finds a place for the group built in places[count] that hides less than `most` of an earlier
   group, or drops it. */
static bool settle(layout *l, hoi_random *r, float scale, float most) {
    place *p = &l->places[l->count];
    const float *b = p->group.bounds;
    p->scale = fminf(scale, fminf(ROOM / (b[2] - b[0]), ROOM / (b[3] - fminf(b[1], 0))));
    float low = fmaxf(fmaxf(l->horizon + 6, 60), 2 + p->scale * b[3]),
          high = 94 + p->scale * fminf(b[1], 0);
    for (int attempt = 0; attempt < 24; attempt++) {
        p->side = hoi_random_unit(r) < 0.5f ? -1.0f : 1.0f;
        float left = p->side > 0 ? p->scale * b[0] : -p->scale * b[2];
        float width = p->scale * (b[2] - b[0]);
        p->box[0] = 2 + (ROOM - width) * hoi_random_unit(r);
        p->x = p->box[0] - left;
        p->y = low < high ? hoi_random_range(r, low, high) : high;
        p->box[1] = p->y - p->scale * b[3];
        p->box[2] = p->box[0] + width;
        p->box[3] = p->y - p->scale * b[1];
        bool free_place = true;
        for (int i = 0; i < l->count && free_place; i++) {
            free_place = overlap(p->box, l->places[i].box) < most;
        }
        if (free_place) {
            l->count++;
            return true;
        }
    }
    return false;
}

static bool is_detection(hoi_mini_kind kind) {
    return kind == HOI_MINI_TRAIN || kind == HOI_MINI_TEST;
}

static float thing_size(hoi_random *r, hoi_mini_kind kind, bool decoys) {
    return decoys && is_detection(kind) ? hoi_random_range(r, 0.65f, 1.5f)
                                        : hoi_random_range(r, 0.9f, 1.25f);
}

/* Adds a group that does something, or a decoy. Gets whether it is a decoy. */
static bool add_pair(layout *l, hoi_random *r, hoi_mini_kind kind, bool decoys, float scale) {
    const unsigned with_decoys = 1u << HOI_MINI_HOLD | 1u << HOI_MINI_KICK |
                                 1u << HOI_MINI_REACH_FOR | 1u << HOI_MINI_LOOK_AT |
                                 1u << HOI_MINI_PUSH | 1u << HOI_MINI_PULL | 1u << HOI_MINI_PICK_UP;
    int class = hoi_mini_draw_class(r, kind), verb = hoi_mini_class_verb(class);
    float size = thing_size(r, kind, decoys);
    bool decoy =
        decoys && is_detection(kind) && (with_decoys >> verb & 1u) && hoi_random_unit(r) < 0.5f;
    hoi_mini_build_group(r, verb, hoi_mini_class_thing(class), size, decoy,
                         &l->places[l->count].group);
    return settle(l, r, scale, 0.18f) && decoy;
}

static void add_things(layout *l, hoi_random *r, hoi_mini_kind kind, bool decoys, int count,
                       float low, float high) {
    for (int i = 0; i < count; i++) {
        int thing = (int)hoi_random_below(r, HOI_MINI_THINGS);
        hoi_mini_build_lone_thing(r, thing, thing_size(r, kind, decoys), true,
                                  &l->places[l->count].group);
        settle(l, r, hoi_random_range(r, low, high), 0.12f);
    }
}

static void product_shot(layout *l, hoi_random *r) {
    hoi_mini_group *g = &l->places[l->count].group;
    hoi_mini_build_lone_thing(r, (int)hoi_random_below(r, HOI_MINI_THINGS), 1, false, g);
    float side = fmaxf(g->bounds[2] - g->bounds[0], g->bounds[3] - g->bounds[1]);
    settle(l, r, hoi_random_range(r, 36, 84) / side, 1);
}

/* Gets the number of decoys. */
static int fill_layout(layout *l, hoi_random *r, hoi_mini_kind kind, bool decoys) {
    float alone = kind == HOI_MINI_EASY ? 0.4f : kind == HOI_MINI_WEB ? 0.2f : 0;
    if (hoi_random_unit(r) < alone) {
        product_shot(l, r);
        return 0;
    }
    float close = kind == HOI_MINI_EASY ? 1 : kind == HOI_MINI_WEB ? 0.6f : 0.35f;
    if (hoi_random_unit(r) < close) {
        float scale = hoi_random_range(r, 46, 80);
        int count = add_pair(l, r, kind, decoys, scale);
        int things = kind == HOI_MINI_EASY ? 0 : (int)hoi_random_below(r, 2);
        add_things(l, r, kind, decoys, things, 0.7f * scale, scale);
        return count;
    }
    float low = decoys ? 32 : 27, high = decoys ? 48 : 42;
    int count = 0;
    for (int n = 1 + (int)hoi_random_below(r, HOI_MINI_MOST_PAIRS); n > 0; n--) {
        count += add_pair(l, r, kind, decoys, hoi_random_range(r, low, high));
    }
    if (hoi_random_unit(r) < 0.3f) {
        hoi_mini_build_idle_person(r, &l->places[l->count].group);
        settle(l, r, hoi_random_range(r, low, high), 0.18f);
    }
    add_things(l, r, kind, decoys, (int)hoi_random_below(r, 3), low, high);
    return count;
}

static void truth_box(const hoi_mini_object *object, float box[4]) {
    box[0] = box[1] = HOI_MINI_SIZE;
    box[2] = box[3] = 0;
    for (int i = 0; i < object->count; i++) {
        hoi_mini_bounds(&object->strokes[i], box);
    }
    for (int i = 0; i < 4; i++) {
        box[i] = fminf(fmaxf(box[i], 0), HOI_MINI_SIZE);
    }
}

/* Adds the objects of a settled group to the plan, in pixels, and what is true about them. */
static void add_to_plan(hoi_mini_plan *plan, const place *p) {
    const hoi_mini_group *g = &p->group;
    hoi_mini_scene *scene = &plan->scene;
    hoi_mini_frame frame = {p->x, p->y, p->side * p->scale, 0, 0, -p->scale};
    for (int i = 0; i < g->count; i++) {
        hoi_mini_object *o = &plan->objects[plan->count];
        o->count = g->objects[i].count;
        o->label = g->objects[i].label;
        for (int j = 0; j < o->count; j++) {
            o->strokes[j] = hoi_mini_map(&g->objects[i].strokes[j], &frame);
        }
        plan->truth[plan->count++] = i == g->person  ? scene->persons
                                     : i == g->thing ? scene->things
                                                     : -1;
        if (i == g->person) {
            truth_box(o, scene->person_box[scene->persons]);
            scene->person_shirt[scene->persons] = g->shirt;
        } else if (i == g->thing) {
            truth_box(o, scene->thing_box[scene->things]);
            scene->thing_kind[scene->things] = o->label;
            scene->thing_color[scene->things] = g->color;
        }
    }
    if (g->verbs) {
        scene->pair[scene->pairs].person = scene->persons;
        scene->pair[scene->pairs].thing = scene->things;
        scene->pair[scene->pairs++].verbs = g->verbs;
    }
    scene->persons += g->person >= 0;
    scene->things += g->thing >= 0;
}

void hoi_mini_lay_out(hoi_mini_kind kind, bool decoys, uint64_t seed, uint64_t index,
                      hoi_mini_plan *plan) {
    hoi_random background = hoi_mini_stream(kind, seed, index, HOI_MINI_BACKGROUND_STREAM);
    hoi_random r = hoi_mini_stream(kind, seed, index, HOI_MINI_SCENE_STREAM);
    memset(&plan->scene, 0, sizeof plan->scene);
    plan->count = 0;
    plan->scene.place = hoi_mini_place_of(&background, &plan->horizon);
    layout l;
    l.count = 0;
    l.horizon = plan->horizon;
    plan->scene.decoys = fill_layout(&l, &r, kind, decoys);
    /* What stands lower in the picture is nearer, and drawn later. */
    bool done[HOI_MINI_GROUPS] = {false};
    for (int n = 0; n < l.count; n++) {
        int next = -1;
        for (int i = 0; i < l.count; i++) {
            if (!done[i] && (next < 0 || l.places[i].y < l.places[next].y)) {
                next = i;
            }
        }
        done[next] = true;
        add_to_plan(plan, &l.places[next]);
    }
}

static void count_cells(const hoi_mini_canvas *canvas, int grid, unsigned char *cells) {
    int side = HOI_MINI_SIZE / grid;
    for (int cell = 0; cell < grid * grid; cell++) {
        int counts[HOI_MINI_CELL_CLASSES] = {0};
        const signed char *at =
            canvas->label + cell / grid * side * HOI_MINI_SIZE + cell % grid * side;
        for (int y = 0; y < side; y++, at += HOI_MINI_SIZE) {
            for (int x = 0; x < side; x++) {
                if (at[x] >= 0) {
                    counts[at[x]]++;
                }
            }
        }
        for (int k = 0; k < HOI_MINI_CELL_CLASSES; k++) {
            *cells++ = 10 * counts[k] > 3 * side * side;
        }
    }
}

void hoi_mini_render_cells(hoi_mini_kind kind, bool decoys, uint64_t seed, uint64_t index,
                           unsigned char *rgb, hoi_mini_scene *scene, int grid,
                           unsigned char *cells) {
    hoi_mini_plan plan;
    hoi_mini_lay_out(kind, decoys, seed, index, &plan);
    if (scene) {
        *scene = plan.scene;
    }
    if (!rgb && !cells) {
        return;
    }
    hoi_mini_canvas canvas;
    hoi_random background = hoi_mini_stream(kind, seed, index, HOI_MINI_BACKGROUND_STREAM);
    float horizon;
    int where = hoi_mini_place_of(&background, &horizon);
    hoi_mini_paint_background(&canvas, &background, where, horizon);
    for (int i = 0; i < plan.count; i++) {
        hoi_mini_paint(&canvas, &plan.objects[i], true);
    }
    if (rgb) {
        hoi_random noise = hoi_mini_stream(kind, seed, index, HOI_MINI_NOISE_STREAM);
        hoi_mini_develop(&canvas, &noise, rgb);
    }
    if (cells) {
        count_cells(&canvas, grid, cells);
    }
}

void hoi_mini_render(hoi_mini_kind kind, bool decoys, uint64_t seed, uint64_t index,
                     unsigned char *rgb, hoi_mini_scene *scene) {
    hoi_mini_render_cells(kind, decoys, seed, index, rgb, scene, 0, NULL);
}

enum {
    PICTURE_BYTES = HOI_MINI_SIZE * HOI_MINI_SIZE * 3,
    MOST_PICTURES = 1 << 16,
    MOST_THREADS = 64
};

static size_t cell_bytes(int grid) {
    return (size_t)(grid * grid * HOI_MINI_CELL_CLASSES);
}

hoi_mini_batch *hoi_mini_batch_new(int count, int grid) {
    if (count < 1 || count > MOST_PICTURES) {
        hoi_fail("mini: a batch of %d pictures, wanted 1 to %d", count, (int)MOST_PICTURES);
        return NULL;
    }
    if (grid < 0 || grid > HOI_MINI_SIZE || (grid > 0 && HOI_MINI_SIZE % grid)) {
        hoi_fail("mini: cells in a grid of %d, which does not divide %d; use 8 or 12", grid,
                 (int)HOI_MINI_SIZE);
        return NULL;
    }
    hoi_mini_batch *batch = calloc(1, sizeof *batch);
    if (!batch) {
        hoi_fail("mini: no memory for a batch");
        return NULL;
    }
    batch->count = count;
    batch->grid = grid;
    batch->rgb = calloc((size_t)count, PICTURE_BYTES);
    batch->scenes = calloc((size_t)count, sizeof *batch->scenes);
    batch->cells = grid ? calloc((size_t)count, cell_bytes(grid)) : NULL;
    if (!batch->rgb || !batch->scenes || (grid && !batch->cells)) {
        hoi_mini_batch_free(batch);
        hoi_fail("mini: no memory for a batch of %d pictures; ask for fewer", count);
        return NULL;
    }
    return batch;
}

void hoi_mini_batch_free(hoi_mini_batch *batch) {
    if (batch) {
        free(batch->rgb);
        free(batch->scenes);
        free(batch->cells);
        free(batch);
    }
}

typedef struct share {
    const hoi_mini_batch *batch;
    int first, end;
} share;

static void *draw_share(void *data) {
    const share *s = data;
    const hoi_mini_batch *b = s->batch;
    for (int i = s->first; i < s->end; i++) {
        unsigned char *cells = b->cells ? b->cells + (size_t)i * cell_bytes(b->grid) : NULL;
        hoi_mini_render_cells(b->kind, b->decoys, b->seed, b->first + (uint64_t)i,
                              b->rgb + (size_t)i * PICTURE_BYTES, b->scenes + i, b->grid, cells);
    }
    return NULL;
}

void hoi_mini_batch_fill(hoi_mini_batch *batch, hoi_mini_kind kind, bool decoys, uint64_t seed,
                         uint64_t first, int threads) {
    batch->kind = kind;
    batch->decoys = decoys;
    batch->seed = seed;
    batch->first = first;
    int most = batch->count < MOST_THREADS ? batch->count : MOST_THREADS;
    threads = threads > 0 ? threads : (int)sysconf(_SC_NPROCESSORS_ONLN);
    threads = threads < 1 ? 1 : threads > most ? most : threads;
    pthread_t workers[MOST_THREADS];
    share shares[MOST_THREADS];
    bool started[MOST_THREADS];
    for (int t = 0; t < threads; t++) {
        int from = (int)((int64_t)batch->count * t / threads),
            end = (int)((int64_t)batch->count * (t + 1) / threads);
        shares[t] = (share){batch, from, end};
        /* The last share is this thread's own, as is every one that gets no thread. */
        started[t] = t + 1 < threads && !pthread_create(&workers[t], NULL, draw_share, &shares[t]);
    }
    for (int t = threads - 1; t >= 0; t--) {
        if (!started[t]) {
            draw_share(&shares[t]);
        }
    }
    for (int t = 0; t < threads; t++) {
        if (started[t]) {
            pthread_join(workers[t], NULL);
        }
    }
}
