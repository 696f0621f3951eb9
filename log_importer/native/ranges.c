/* Downloads of late, and when each was last asked for: rules/ranges.py has the same in Python, and says what for.

   Two generations of them, so that those of long ago can be forgotten all at once. */

#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define API __attribute__((visibility("default")))

typedef struct {
    uint64_t key; /* 0 where the slot is free */
    double time;
} download;

typedef struct {
    download *slots;
    uint64_t mask, count; /* slots - 1, and how many of them are taken */
} generation;

typedef struct {
    generation seen, before;
    uint64_t remembered;
} ranges;

static int begin(generation *g, uint64_t slots) {
    g->slots = calloc(slots, sizeof *g->slots);
    g->mask = slots - 1;
    g->count = 0;
    return g->slots != NULL;
}

/* The slot of a key, or the one to put it in. */
static download *slot_of(const generation *g, uint64_t key) {
    uint64_t at = (key * 0x9E3779B97F4A7C15u) >> 20;
    while (g->slots[at & g->mask].key && g->slots[at & g->mask].key != key)
        at++;
    return &g->slots[at & g->mask];
}

static int note(generation *g, uint64_t key, double time) {
    if (2 * g->count > g->mask) {
        generation larger;
        if (!begin(&larger, 2 * (g->mask + 1)))
            return 0;
        for (uint64_t n = 0; n <= g->mask; n++)
            if (g->slots[n].key)
                *slot_of(&larger, g->slots[n].key) = g->slots[n];
        larger.count = g->count;
        free(g->slots);
        *g = larger;
    }
    download *slot = slot_of(g, key);
    g->count += !slot->key;
    *slot = (download){key, time};
    return 1;
}

#define FEW 4096

/* The slots of the older generation are those of the next: to grow anew costs more than all that is put in. */
static void forget(ranges *r) {
    if (r->seen.count < r->remembered)
        return;
    generation fresh = r->before;
    memset(fresh.slots, 0, (fresh.mask + 1) * sizeof *fresh.slots);
    fresh.count = 0;
    r->before = r->seen;
    r->seen = fresh;
}

API void ranges_free(ranges *r) {
    if (r) {
        free(r->seen.slots);
        free(r->before.slots);
        free(r);
    }
}

/* At least so many downloads are remembered; NULL where there is no memory. */
API ranges *ranges_new(uint64_t remembered) {
    ranges *r = calloc(1, sizeof *r);
    if (r && begin(&r->seen, FEW) && begin(&r->before, FEW)) {
        r->remembered = remembered;
        return r;
    }
    ranges_free(r);
    return NULL;
}

/* The places of those that are for a part of a file that was asked for within so many seconds. How many; -1 where there
   is no memory. */
API int64_t ranges_repeats(ranges *r, int64_t count, const uint64_t *downloads, const double *times,
                           const uint8_t *partial, double within, int32_t *found) {
    int64_t repeats = 0;
    for (int64_t n = 0; n < count; n++) {
        if (partial[n]) {
            forget(r);
            const download *last = slot_of(&r->seen, downloads[n]);
            if (!last->key)
                last = slot_of(&r->before, downloads[n]);
            if (downloads[n] && last->key && fabs(times[n] - last->time) < within)
                found[repeats++] = (int32_t)n;
        }
        if (downloads[n] && !note(&r->seen, downloads[n], times[n]))
            return -1;
    }
    forget(r);
    return repeats;
}
