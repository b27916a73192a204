/* mini_person: a person as strokes: two-link limbs that reach for their targets, a torso, a head
   with a cap. */
#include "core/mini_plan.h"

#include <math.h>

static const float ARM = 0.19f, LEG = 0.235f; /* length of one of the two links */

static void along(const hoi_mini_pose_person *pose, float length, float out[2]) {
    out[0] = pose->hip[0] + length * sinf(pose->lean);
    out[1] = pose->hip[1] + length * cosf(pose->lean);
}

void hoi_mini_shoulder(const hoi_mini_pose_person *pose, float out[2]) {
    along(pose, 0.28f, out);
}

void hoi_mini_head(const hoi_mini_pose_person *pose, float out[2]) {
    along(pose, 0.435f, out);
}

/* Two links of this length from a to the target: where they meet (bent to the left of the way for
   bend = 1, to the right for -1) and where they end. */
static void reach(const float a[2], const float target[2], float link, float bend, float middle[2],
                  float end[2]) {
    float dx = target[0] - a[0], dy = target[1] - a[1];
    float distance = fmaxf(hypotf(dx, dy), 1e-4f);
    float d = fminf(distance, 1.998f * link);
    dx /= distance;
    dy /= distance;
    float side = bend * sqrtf(fmaxf(link * link - 0.25f * d * d, 0));
    middle[0] = a[0] + 0.5f * d * dx - side * dy;
    middle[1] = a[1] + 0.5f * d * dy + side * dx;
    end[0] = a[0] + d * dx;
    end[1] = a[1] + d * dy;
}

static void reach_hand(const hoi_mini_pose_person *pose, int hand, float shoulder[2],
                       float elbow[2], float end[2]) {
    hoi_mini_shoulder(pose, shoulder);
    const float *target = pose->hand[hand];
    /* Elbows hang down, or stand out to the side of a raised arm. */
    bool behind = target[0] < shoulder[0] - 0.03f && target[1] > shoulder[1] - 0.3f;
    reach(shoulder, target, ARM, behind ? 1 : -1, elbow, end);
}

void hoi_mini_hand(const hoi_mini_pose_person *pose, int hand, float out[2]) {
    float shoulder[2], elbow[2];
    reach_hand(pose, hand, shoulder, elbow, out);
}

static void capsule(hoi_mini_object *o, const float color[3], const float a[2], const float b[2],
                    float radius) {
    hoi_mini_add(o, HOI_MINI_CAPSULE, color, 5, (float[]){a[0], a[1], b[0], b[1], radius});
}

static void disc(hoi_mini_object *o, const float color[3], float x, float y, float rx, float ry) {
    hoi_mini_add(o, HOI_MINI_ELLIPSE, color, 6, (float[]){x, y, rx, ry, 1, 0});
}

static void scaled(const float color[3], float factor, float out[3]) {
    for (int c = 0; c < 3; c++) {
        out[c] = factor * color[c];
    }
}

static void arm(hoi_mini_object *o, const hoi_mini_look_person *look,
                const hoi_mini_pose_person *pose, int which) {
    float shoulder[2], elbow[2], hand[2], sleeve[3];
    reach_hand(pose, which, shoulder, elbow, hand);
    scaled(look->shirt, 0.8f, sleeve);
    capsule(o, sleeve, shoulder, elbow, 0.032f * look->thickness);
    capsule(o, sleeve, elbow, hand, 0.032f * look->thickness);
    disc(o, look->skin, hand[0], hand[1], 0.037f, 0.037f);
}

static void leg(hoi_mini_object *o, const hoi_mini_look_person *look,
                const hoi_mini_pose_person *pose, int which) {
    static const float shoe[3] = {0.13f, 0.1f, 0.09f};
    float knee[2], foot[2], color[3];
    reach(pose->hip, pose->foot[which], LEG, 1, knee, foot);
    scaled(look->trousers, which ? 1.0f : 0.75f, color);
    capsule(o, color, pose->hip, knee, 0.045f * look->thickness);
    capsule(o, color, knee, foot, 0.045f * look->thickness);
    capsule(o, shoe, foot, (float[]){foot[0] + 0.05f, foot[1]}, 0.03f);
}

/* The cap turns with the face, and so does its peak: who looks at a thing points at it with the
   peak. */
static void head(hoi_mini_object *o, const hoi_mini_look_person *look,
                 const hoi_mini_pose_person *pose) {
    static const float eye[3] = {0.08f, 0.06f, 0.06f};
    float at[2];
    hoi_mini_head(pose, at);
    disc(o, look->skin, at[0], at[1], 0.085f, 0.09f);
    if (pose->facing) {
        float tilt = 0.5f * pose->lean, ux = sinf(tilt), uy = cosf(tilt);
        hoi_mini_add(o, HOI_MINI_HALF, look->cap, 5,
                     (float[]){at[0] + 0.015f * ux, at[1] + 0.015f * uy, 0.09f, ux, uy});
        for (float side = -0.035f; side < 0.05f; side += 0.07f) {
            disc(o, eye, at[0] + side * uy - 0.02f * ux, at[1] - side * ux - 0.02f * uy, 0.016f,
                 0.018f);
        }
        return;
    }
    float gx = cosf(pose->gaze), gy = sinf(pose->gaze);
    float side = gx < 0 ? -1.0f : 1.0f; /* which of the two normals is up */
    float ux = -gy * side, uy = gx * side;
    float from[2] = {at[0] + 0.03f * ux, at[1] + 0.03f * uy};
    hoi_mini_add(o, HOI_MINI_HALF, look->cap, 5, (float[]){from[0], from[1], 0.09f, ux, uy});
    capsule(o, look->cap, from, (float[]){from[0] + 0.15f * gx, from[1] + 0.15f * gy}, 0.02f);
    disc(o, eye, at[0] + 0.05f * gx - 0.015f * ux, at[1] + 0.05f * gy - 0.015f * uy, 0.017f,
         0.019f);
}

void hoi_mini_build_person(hoi_mini_object *object, const hoi_mini_look_person *look,
                           const hoi_mini_pose_person *pose) {
    float shoulder[2], neck[2];
    hoi_mini_shoulder(pose, shoulder);
    along(pose, 0.36f, neck);
    object->count = 0;
    object->label = HOI_MINI_THINGS;
    arm(object, look, pose, 0);
    leg(object, look, pose, 0);
    leg(object, look, pose, 1);
    capsule(object, look->shirt, pose->hip, shoulder, 0.0375f * (1 + look->thickness));
    capsule(object, look->skin, shoulder, neck, 0.035f);
    head(object, look, pose);
    arm(object, look, pose, 1);
}
