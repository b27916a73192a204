/* dtype: the types of elements in files, and half precision to and from float. */
#include "core/dtype.h"

#include <string.h>

static const struct {
    const char *name;
    size_t bytes;
} dtypes[HOI_DTYPES] = {
    [HOI_BOOL] = {"BOOL", 1},       [HOI_U8] = {"U8", 1},           [HOI_I8] = {"I8", 1},
    [HOI_F8_E5M2] = {"F8_E5M2", 1}, [HOI_F8_E4M3] = {"F8_E4M3", 1}, [HOI_F8_E8M0] = {"F8_E8M0", 1},
    [HOI_I16] = {"I16", 2},         [HOI_U16] = {"U16", 2},         [HOI_F16] = {"F16", 2},
    [HOI_BF16] = {"BF16", 2},       [HOI_I32] = {"I32", 4},         [HOI_U32] = {"U32", 4},
    [HOI_F32] = {"F32", 4},         [HOI_C64] = {"C64", 8},         [HOI_F64] = {"F64", 8},
    [HOI_I64] = {"I64", 8},         [HOI_U64] = {"U64", 8},
};

const char *hoi_dtype_name(hoi_dtype dtype) {
    return dtypes[dtype].name;
}

size_t hoi_dtype_bytes(hoi_dtype dtype) {
    return dtypes[dtype].bytes;
}

static float from_bits(uint32_t bits) {
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

static uint32_t to_bits(float value) {
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    return bits;
}

float hoi_half_to_float(uint16_t half) {
    uint32_t sign = (uint32_t)(half & 0x8000u) << 16;
    uint32_t magnitude = half & 0x7FFFu;
    if (magnitude >= 0x7C00u) /* infinity and NaN: the largest exponent stays the largest */
        return from_bits(sign | 0x7F800000u | (magnitude & 0x3FFu) << 13);
    if (magnitude < 0x0400u) /* subnormal: a whole number of 2^-24 */
        return from_bits(sign | to_bits((float)magnitude * 0x1p-24f));
    return from_bits(sign | ((magnitude << 13) + (112u << 23))); /* exponent bias 15 -> 127 */
}

/* Drops the lowest `drop` bits, rounding to nearest and ties to even; a carry into the exponent is
   what is wanted. */
static uint32_t round_off(uint32_t bits, unsigned drop) {
    uint32_t odd = bits >> drop & 1u;
    return (bits + (1u << (drop - 1)) - 1u + odd) >> drop;
}

uint16_t hoi_float_to_half(float value) {
    uint32_t bits = to_bits(value);
    uint32_t sign = bits >> 16 & 0x8000u;
    uint32_t magnitude = bits & 0x7FFFFFFFu;
    if (magnitude > 0x7F800000u) /* NaN: the quiet bit keeps it from becoming infinite */
        return (uint16_t)(sign | 0x7E00u | (magnitude >> 13 & 0x3FFu));
    if (magnitude >= 0x47800000u) /* 65536 and more; 65520 to 65536 round up to infinity below */
        return (uint16_t)(sign | 0x7C00u);
    if (magnitude < 0x38800000u) /* below 2^-14: adding 0.5 leaves the half's subnormal in the last
                                    bits, rounded */
        return (uint16_t)(sign | (to_bits(from_bits(magnitude) + 0.5f) - 0x3F000000u));
    return (uint16_t)(sign | round_off(magnitude - (112u << 23), 13));
}

float hoi_bf16_to_float(uint16_t bf16) {
    return from_bits((uint32_t)bf16 << 16);
}

uint16_t hoi_float_to_bf16(float value) {
    uint32_t bits = to_bits(value);
    if ((bits & 0x7FFFFFFFu) > 0x7F800000u)
        return (uint16_t)(bits >> 16 | 0x40u);
    return (uint16_t)round_off(bits, 16);
}
