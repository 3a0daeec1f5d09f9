/* The row operations of ops.py for x86-64 processors with AVX512-BF16. Every function works on a range of rows, so
   that threads can share a chunk; none allocates more than add_outer's packing buffers. */
#include <immintrin.h>
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

typedef uint16_t bfloat;
#define INLINE static inline __attribute__((always_inline))
#define BLOCK 4096 /* entries summed in float32 before they join a double */

/* Logits are float32, or bfloat16 where `narrow`; the flag is a constant wherever these are used. */
INLINE __m512 load(const void *row, int64_t i, __mmask16 mask, int narrow) {
    if (!narrow) return _mm512_maskz_loadu_ps(mask, (const float *)row + i);
    __m256i half = _mm256_maskz_loadu_epi16(mask, (const bfloat *)row + i);
    return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(half), 16));
}

INLINE void store(void *row, int64_t i, __mmask16 mask, __m512 value, int narrow) {
    if (!narrow) _mm512_mask_storeu_ps((float *)row + i, mask, value);
    else _mm256_mask_storeu_epi16((bfloat *)row + i, mask, (__m256i)_mm512_cvtneps_pbh(value));
}

INLINE __mmask16 lanes(int64_t i, int64_t end) {
    return end - i >= 16 ? (__mmask16)0xffff : (__mmask16)((1u << (end - i)) - 1);
}

/* exp(x) for x <= 0 within an ulp; the caller bounds x from below. NaN stays NaN. */
INLINE __m512 exponential(__m512 x) {
    __m512 n = _mm512_roundscale_ps(_mm512_mul_ps(x, _mm512_set1_ps(1.44269504f)), _MM_FROUND_TO_NEAREST_INT);
    __m512 r = _mm512_fnmadd_ps(n, _mm512_set1_ps(0.693359375f), x);
    r = _mm512_fnmadd_ps(n, _mm512_set1_ps(-2.12194440e-4f), r);
    __m512 p = _mm512_set1_ps(1.0f / 5040);
    p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(1.0f / 720));
    p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(1.0f / 120));
    p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(1.0f / 24));
    p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(1.0f / 6));
    p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(0.5f));
    p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(1.0f));
    p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(1.0f));
    return _mm512_scalef_ps(p, n);
}

#define LEAST _mm512_set1_ps(-104.0f) /* exp rounds to 0; keeps 0 * -inf away */

INLINE __mmask16 kept(__m512 logit, __mmask16 mask, __m512 floor) {
    return _mm512_mask_cmp_ps_mask(mask, logit, floor, _CMP_NLT_UQ); /* NaN is kept, so that it shows */
}

INLINE float entry(const void *row, int64_t i, int narrow) {
    if (!narrow) return ((const float *)row)[i];
    uint32_t bits = (uint32_t)((const bfloat *)row)[i] << 16;
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

INLINE void row_statistics(const void *row, int64_t vocabulary, int64_t target, float scale, float least_kept,
                           float *largest_entry, float *log_of_sum, float *logprob, float *entropy, int narrow) {
    const __m512 factor = _mm512_set1_ps(scale), floor = _mm512_set1_ps(least_kept);
    __m512 top[4];
    for (int j = 0; j < 4; j++) top[j] = _mm512_set1_ps(-INFINITY);
    int64_t i = 0;
    for (; i + 64 <= vocabulary; i += 64)
        for (int j = 0; j < 4; j++) top[j] = _mm512_max_ps(top[j], load(row, i + 16 * j, 0xffff, narrow));
    for (; i < vocabulary; i += 16) {
        __mmask16 mask = lanes(i, vocabulary);
        top[0] = _mm512_mask_max_ps(top[0], mask, top[0], load(row, i, mask, narrow));
    }
    top[0] = _mm512_max_ps(_mm512_max_ps(top[0], top[1]), _mm512_max_ps(top[2], top[3]));
    const float largest = _mm512_reduce_max_ps(top[0]);
    const __m512 most = _mm512_set1_ps(largest);
    double sum = 0, weighted = 0;
    for (int64_t start = 0; start < vocabulary; start += BLOCK) {
        const int64_t end = start + BLOCK < vocabulary ? start + BLOCK : vocabulary;
        __m512 part = _mm512_setzero_ps(), moment = _mm512_setzero_ps();
        for (i = start; i < end; i += 16) {
            const __mmask16 mask = lanes(i, end);
            const __m512 logit = load(row, i, mask, narrow);
            const __mmask16 in = kept(logit, mask, floor);
            const __m512 below = _mm512_max_ps(LEAST, _mm512_mul_ps(_mm512_sub_ps(logit, most), factor));
            const __m512 e = _mm512_maskz_mov_ps(in, exponential(below));
            part = _mm512_add_ps(part, e);
            moment = _mm512_fmadd_ps(e, below, moment);
        }
        sum += _mm512_reduce_add_ps(part);
        weighted += _mm512_reduce_add_ps(moment);
    }
    const double log_sum = log(sum);
    *largest_entry = largest;
    *log_of_sum = (float)log_sum;
    *logprob = (float)(scale * ((double)entry(row, target, narrow) - largest) - log_sum);
    *entropy = (float)(log_sum - weighted / sum);
}

INLINE void row_gradient(void *row, int64_t vocabulary, int64_t target, float scale, float least_kept, float largest,
                         float log_sum, float entropy, float c, float e, int narrow) {
    const __m512 factor = _mm512_set1_ps(scale), floor = _mm512_set1_ps(least_kept);
    const __m512 most = _mm512_set1_ps(largest), log_of_sum = _mm512_set1_ps(log_sum);
    const __m512 minus_e = _mm512_set1_ps(-e * scale), spread = _mm512_set1_ps((-c - e * entropy) * scale);
    const double share_log = scale * ((double)entry(row, target, narrow) - largest) - log_sum;
    for (int64_t i = 0; i < vocabulary; i += 16) {
        const __mmask16 mask = lanes(i, vocabulary);
        const __m512 logit = load(row, i, mask, narrow);
        const __mmask16 in = kept(logit, mask, floor);
        const __m512 log_share = 
            _mm512_max_ps(LEAST, _mm512_fmsub_ps(_mm512_sub_ps(logit, most), factor, log_of_sum));
        const __m512 weight = _mm512_fmadd_ps(minus_e, log_share, spread); /* scale * (-c - e * (log p + H)) */
        store(row, i, mask, _mm512_maskz_mul_ps(in, exponential(log_share), weight), narrow);
    }
    const float chosen = (float)(scale * (-c * expm1(share_log) - e * exp(share_log) * (share_log + entropy)));
    store(row, target, 1, _mm512_set1_ps(chosen), narrow);
}

void statistics(const void *logits, int narrow, int64_t first, int64_t last, int64_t vocabulary, const int64_t *targets,
                float scale, const float *floor, float *largest, float *log_sum, float *logprob,
                float *entropy) {
    const int64_t bytes = vocabulary * (narrow ? 2 : 4);
    for (int64_t t = first; t < last; t++) {
        const void *row = (const char *)logits + t * bytes;
        const float least = floor ? floor[t] : -INFINITY;
        float *const to[] = {largest + t, log_sum + t, logprob + t, entropy + t};
        if (narrow) row_statistics(row, vocabulary, targets[t], scale, least, to[0], to[1], to[2], to[3], 1);
        else row_statistics(row, vocabulary, targets[t], scale, least, to[0], to[1], to[2], to[3], 0);
    }
}

void gradient(void *logits, int narrow, int64_t first, int64_t last, int64_t vocabulary, const int64_t *targets,
              float scale, const float *floor, const float *largest, const float *log_sum, const float *entropy,
              const float *c, const float *e) {
    const int64_t bytes = vocabulary * (narrow ? 2 : 4);
    for (int64_t t = first; t < last; t++) {
        void *row = (char *)logits + t * bytes;
        const float least = floor ? floor[t] : -INFINITY, slope = e ? e[t] : 0.0f;
        if (c[t] == 0.0f && slope == 0.0f) memset(row, 0, bytes);
        else if (narrow)
            row_gradient(row, vocabulary, targets[t], scale, least, largest[t], log_sum[t], entropy[t], c[t], slope, 1);
        else
            row_gradient(row, vocabulary, targets[t], scale, least, largest[t], log_sum[t], entropy[t], c[t], slope, 0);
    }
}

/* total (V, H) += gradient (n, V)^T hidden (n, H): a blocked product whose operands are packed as pairs of rows, the
   form of the bfloat16 dot product, and whose sums never leave float32. */
#define GROUP 8                /* rows of `total` in registers */
#define PANEL 48               /* columns of `total` in registers: 3 vectors, 24 accumulators with GROUP */
#define ROWS (16 * GROUP)      /* rows of `total` that stay in the second cache */
#define PAIRS 128              /* pairs of tokens that a packed panel holds: 24 KiB, half of the first cache */

INLINE __m512i pair(const bfloat *matrix, int64_t stride, int64_t token, int64_t tokens, int64_t column, __mmask16 mask) {
    const bfloat *at = matrix + token * stride + column;
    __m512i low = _mm512_cvtepu16_epi32(_mm256_maskz_loadu_epi16(mask, at));
    if (token + 1 == tokens) return low;
    __m512i high = _mm512_cvtepu16_epi32(_mm256_maskz_loadu_epi16(mask, at + stride));
    return _mm512_or_si512(low, _mm512_slli_epi32(high, 16));
}

INLINE void tile(float *total, int64_t stride, int rows, __mmask16 tail, const uint32_t *left, const uint32_t *right,
                 int64_t pairs, const int vectors) {
    __m512 sum[GROUP][3];
    for (int r = 0; r < GROUP; r++)
        for (int j = 0; j < vectors; j++)
            sum[r][j] = r < rows ? _mm512_maskz_loadu_ps(j + 1 == vectors ? tail : 0xffff, total + r * stride + 16 * j)
                                 : _mm512_setzero_ps();
    for (int64_t k = 0; k < pairs; k++) {
        __m512bh column[3];
        for (int j = 0; j < vectors; j++) column[j] = (__m512bh)_mm512_load_si512(right + k * PANEL + 16 * j);
        for (int r = 0; r < GROUP; r++) {
            const __m512bh value = (__m512bh)_mm512_set1_epi32((int)left[k * GROUP + r]);
            for (int j = 0; j < vectors; j++) sum[r][j] = _mm512_dpbf16_ps(sum[r][j], value, column[j]);
        }
    }
    for (int r = 0; r < rows; r++)
        for (int j = 0; j < vectors; j++)
            _mm512_mask_storeu_ps(total + r * stride + 16 * j, j + 1 == vectors ? tail : 0xffff, sum[r][j]);
}

static void pack_left(uint32_t *packed, const bfloat *gradient, int64_t vocabulary, int64_t row, int64_t rows,
                      int64_t token, int64_t tokens, int64_t pairs) {
    for (int64_t k = 0; k < pairs; k++)
        for (int64_t v = 0; v < rows; v += 2 * GROUP) {
            const __m512i both = pair(gradient, vocabulary, token + 2 * k, tokens, row + v, lanes(v, rows));
            uint32_t *place = packed + (v / GROUP * pairs + k) * GROUP;
            _mm256_store_si256((__m256i *)place, _mm512_castsi512_si256(both));
            _mm256_store_si256((__m256i *)(place + pairs * GROUP), _mm512_extracti64x4_epi64(both, 1));
        }
}

static void pack_right(uint32_t *packed, const bfloat *hidden, int64_t width, int64_t tokens) {
    const int64_t pairs = (tokens + 1) / 2;
    for (int64_t h = 0; h < width; h += PANEL)
        for (int64_t k = 0; k < pairs; k++)
            for (int64_t j = 0; j < PANEL; j += 16)
                if (h + j < width) {
                    const __m512i both = pair(hidden, width, 2 * k, tokens, h + j, lanes(h + j, width));
                    _mm512_store_si512(packed + (h / PANEL * pairs + k) * PANEL + j, both);
                }
}

/* 0, or 1 when the packing buffers could not be had. Rows `first` to `last` of total. */
int add_outer(float *total, const bfloat *gradient, const bfloat *hidden, int64_t first, int64_t last,
              int64_t vocabulary, int64_t width, int64_t tokens) {
    const int64_t all = (tokens + 1) / 2, panels = (width + PANEL - 1) / PANEL;
    uint32_t *left = aligned_alloc(64, (size_t)ROWS * PAIRS * 4);
    uint32_t *right = aligned_alloc(64, (size_t)panels * all * PANEL * 4);
    if (!left || !right) return free(left), free(right), 1;
    pack_right(right, hidden, width, tokens);
    for (int64_t row = first; row < last; row += ROWS) {
        const int64_t rows = last - row < ROWS ? last - row : ROWS;
        for (int64_t k = 0; k < all; k += PAIRS) {
            const int64_t pairs = all - k < PAIRS ? all - k : PAIRS;
            pack_left(left, gradient, vocabulary, row, rows, 2 * k, tokens, pairs);
            for (int64_t p = 0; p < panels; p++) {
                const uint32_t *panel = right + (p * all + k) * PANEL;
                const int64_t columns = width - p * PANEL < PANEL ? width - p * PANEL : PANEL;
                const int vectors = (int)((columns + 15) / 16);
                const __mmask16 tail = lanes(16 * (vectors - 1), columns);
                for (int64_t g = 0; g < rows; g += GROUP) {
                    float *at = total + (row + g) * width + p * PANEL;
                    const int high = rows - g < GROUP ? (int)(rows - g) : GROUP;
                    const uint32_t *group = left + g * pairs;
                    if (vectors == 3) tile(at, width, high, tail, group, panel, pairs, 3);
                    else if (vectors == 2) tile(at, width, high, tail, group, panel, pairs, 2);
                    else tile(at, width, high, tail, group, panel, pairs, 1);
                }
            }
        }
    }
    free(left);
    free(right);
    return 0;
}
