/* random: counter-based numbers. Value n of (seed, stream) depends on nothing else: not on order,
   batch or thread. */
#ifndef HOI_RANDOM_H
#define HOI_RANDOM_H

#include <stdint.h>

/* The finaliser of splitmix64: a bijection of 64 bits in which every input bit reaches every output
   bit. */
static inline uint64_t hoi_mix(uint64_t x) {
    x ^= x >> 30;
    x *= 0xBF58476D1CE4E5B9u;
    x ^= x >> 27;
    x *= 0x94D049BB133111EBu;
    return x ^ (x >> 31);
}

/* A stream of numbers: the key of (seed, index, stream) and the place of the next draw. */
typedef struct hoi_random {
    uint64_t key;
    uint64_t count;
} hoi_random;

static inline hoi_random hoi_random_stream(uint64_t seed, uint64_t index, uint64_t stream) {
    return (hoi_random){hoi_mix(hoi_mix(hoi_mix(seed) ^ index) ^ stream), 0};
}

/* Gets 64 random bits. */
static inline uint64_t hoi_random_bits(hoi_random *r) {
    return hoi_mix(r->key + r->count++ * 0xD1342543DE82EF95u);
}

/* Gets a float in [0, 1): the top 24 bits. */
static inline float hoi_random_unit(hoi_random *r) {
    return (float)(hoi_random_bits(r) >> 40) * 0x1p-24f;
}

/* Gets a float in [low, high). */
static inline float hoi_random_range(hoi_random *r, float low, float high) {
    return low + (high - low) * hoi_random_unit(r);
}

/* Gets an integer in 0 .. n - 1, by multiply and shift. n > 0. */
static inline uint32_t hoi_random_below(hoi_random *r, uint32_t n) {
    return (uint32_t)(((hoi_random_bits(r) >> 32) * n) >> 32);
}

#endif
