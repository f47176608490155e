/* What link.coder.latent_coder.intervals computes, in the same integers: the weights of the
   components follow the symbols one by one, and mix the counts below each symbol and up to it. */

#include <stdint.h>

enum { WEIGHT_BITS = 24 };

/* counts: rows of k, at most 2**16; rows[i]: that below symbol i of n, the next is up to it.
   weights: k, below 2**24, the prior; scratch: k. */
void intervals(const uint32_t *counts, const int64_t *rows, int64_t n, int64_t k, uint32_t *weights,
               uint64_t *scratch, int64_t *low, int64_t *high)
{
    for (int64_t i = 0; i < n; i++) {
        const uint32_t *below = counts + rows[i] * k, *up_to = below + k;
        uint64_t total = 0, sum_below = 0, sum_between = 0, bits = 0;
        for (int64_t j = 0; j < k; j++) {
            uint64_t learned = (uint64_t)weights[j] * (up_to[j] - below[j]);
            total += weights[j];
            sum_below += (uint64_t)weights[j] * below[j];
            sum_between += learned;
            bits |= learned; /* as long as the largest */
            scratch[j] = learned;
        }
        low[i] = (int64_t)(sum_below / total);
        high[i] = (int64_t)((sum_below + sum_between) / total);
        int shift = 64 - __builtin_clzll(bits) - WEIGHT_BITS;
        for (int64_t j = 0; j < k; j++) {
            uint32_t weight = (uint32_t)(scratch[j] >> shift);
            weights[j] = weight + !weight;
        }
    }
}
