/* mini_plan: what a picture shows before it is drawn. Inside core/mini*.c only.

   A group (a person and a thing, or one of them) is built in its own frame: lengths in body
   heights, y up, ground at y = 0, the person at x = 0 facing +x. */
#ifndef HOI_MINI_PLAN_H
#define HOI_MINI_PLAN_H

#include "core/mini_draw.h"
#include "core/random.h"

/* Streams of random numbers of one picture (each kind of picture has its own four). */
enum {
    HOI_MINI_SCENE_STREAM,
    HOI_MINI_BACKGROUND_STREAM,
    HOI_MINI_NOISE_STREAM,
    HOI_MINI_CAPTION_STREAM
};
hoi_random hoi_mini_stream(hoi_mini_kind kind, uint64_t seed, uint64_t index, int stream);

enum {
    HOI_MINI_BALL,
    HOI_MINI_CARTON,
    HOI_MINI_CHAIR,
    HOI_MINI_CUP,
    HOI_MINI_BIKE,
    HOI_MINI_DOG,
    HOI_MINI_HORSE,
    HOI_MINI_UMBRELLA,
    HOI_MINI_BOOK,
    HOI_MINI_KITE,
    HOI_MINI_BOARD,
    HOI_MINI_BAT
};
enum {
    HOI_MINI_HOLD,
    HOI_MINI_CARRY,
    HOI_MINI_SIT_ON,
    HOI_MINI_STAND_ON,
    HOI_MINI_KICK,
    HOI_MINI_REACH_FOR,
    HOI_MINI_LOOK_AT,
    HOI_MINI_PUSH,
    HOI_MINI_RIDE,
    HOI_MINI_PULL,
    HOI_MINI_PICK_UP,
    HOI_MINI_JUMP_OVER
};

/* Draws a class by its weight in this kind of picture. */
int hoi_mini_draw_class(hoi_random *r, hoi_mini_kind kind);

/* Writes a named colour with every part moved by at most `jitter`. */
void hoi_mini_paint_color(hoi_random *r, int color, float jitter, float out[3]);

/* Where a thing is: its point `pivot` (origin: the middle of its bottom, at size 1) lies at (x, y);
   it is mirrored when flip, then turned by angle (radians, counter-clockwise), `size` times as
   large as usual. */
typedef struct hoi_mini_pose_thing {
    float x, y, pivot[2], angle, size;
    bool flip;
} hoi_mini_pose_thing;

/* What a thing looks like. */
typedef struct hoi_mini_look_thing {
    int kind, color;
    float first[3], second[3];
} hoi_mini_look_thing;

float hoi_mini_thing_height(int kind); /* at size 1 */
float hoi_mini_thing_seat(int kind);   /* height of the seat at size 1; 0 without one */

/* Gets the point of the group's frame where the thing's own point (a, b) lies. */
void hoi_mini_thing_point(const hoi_mini_pose_thing *pose, float a, float b, float out[2]);

/* Builds a thing. */
void hoi_mini_build_thing(hoi_mini_object *object, const hoi_mini_look_thing *look,
                          const hoi_mini_pose_thing *pose);

/* What a person looks like: colours, and the thickness of limbs. */
typedef struct hoi_mini_look_person {
    float skin[3], shirt[3], trousers[3], cap[3];
    float thickness;
    int shirt_color;
} hoi_mini_look_person;

/* How a person stands: 0 is the far limb, 1 the near one. A limb that is too short ends on the way
   to its target. gaze: direction of the peak of the cap, radians; facing: to the viewer instead,
   with two eyes. */
typedef struct hoi_mini_pose_person {
    float hip[2], lean, hand[2][2], foot[2][2];
    bool facing;
    float gaze;
} hoi_mini_pose_person;

void hoi_mini_shoulder(const hoi_mini_pose_person *pose, float out[2]);
void hoi_mini_head(const hoi_mini_pose_person *pose, float out[2]);

/* Gets where the hand really is. */
void hoi_mini_hand(const hoi_mini_pose_person *pose, int hand, float out[2]);

void hoi_mini_build_person(hoi_mini_object *object, const hoi_mini_look_person *look,
                           const hoi_mini_pose_person *pose);

/* A group: its objects in the order of drawing, and what is true about it. */
enum { HOI_MINI_GROUP_OBJECTS = 4 };
typedef struct hoi_mini_group {
    hoi_mini_object objects[HOI_MINI_GROUP_OBJECTS];
    int count;
    int person, thing; /* their places in objects; -1 without */
    int shirt, color;  /* colours of the shirt and of the thing */
    unsigned verbs;    /* 0: nothing is done */
    float bounds[4];   /* of all objects, in the group's frame */
} hoi_mini_group;

/* Builds a person who does `verb` to a thing, or, as a decoy, does nothing. */
void hoi_mini_build_group(hoi_random *r, int verb, int thing, float size, bool decoy,
                          hoi_mini_group *group);

/* Builds a thing alone (flying: a kite may be in the air), and a person alone. */
void hoi_mini_build_lone_thing(hoi_random *r, int thing, float size, bool flying,
                               hoi_mini_group *group);
void hoi_mini_build_idle_person(hoi_random *r, hoi_mini_group *group);

/* Every group in its place: objects in pixels, in the order of drawing. */
enum {
    HOI_MINI_GROUPS = HOI_MINI_MOST_PAIRS + 3,
    HOI_MINI_OBJECTS = HOI_MINI_GROUPS * HOI_MINI_GROUP_OBJECTS
};
typedef struct hoi_mini_plan {
    hoi_mini_scene scene;
    float horizon;
    hoi_mini_object objects[HOI_MINI_OBJECTS];
    int truth[HOI_MINI_OBJECTS]; /* the object's place among scene.person_box or scene.thing_box;
                                    -1: neither */
    int count;
} hoi_mini_plan;

void hoi_mini_lay_out(hoi_mini_kind kind, bool decoys, uint64_t seed, uint64_t index,
                      hoi_mini_plan *plan);

/* Gets the height of the horizon and the place, the first numbers of the background's stream. */
int hoi_mini_place_of(hoi_random *background, float *horizon);

/* Paints sky, ground and clutter. */
void hoi_mini_paint_background(hoi_mini_canvas *canvas, hoi_random *r, int place, float horizon);

/* Finishes the picture: brightness and noise; (96, 96, 3) bytes. */
void hoi_mini_develop(const hoi_mini_canvas *canvas, hoi_random *noise, unsigned char *rgb);

#endif
