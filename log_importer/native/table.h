/* Tables: texts numbered from 0 in the order they came. */

#ifndef TABLE_H
#define TABLE_H

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define API __attribute__((visibility("default")))

typedef struct {
    uint64_t hash;
    uint64_t start;
    uint32_t length;
} entry;

typedef struct {
    entry *entries;
    uint32_t count, room;
    uint32_t *slots; /* number + 1 of an entry, 0 for none */
    uint32_t mask;
    uint8_t *texts;
    uint64_t used, size;
    uint64_t seed;
} table;

/* The seed is another in each process, so that no client can choose texts that all fall on one slot. */
static uint64_t hash_of(const uint8_t *text, size_t length, uint64_t seed) {
    uint64_t h = seed ^ (length * 0x9E3779B97F4A7C15u), word;
    while (length >= 8) {
        memcpy(&word, text, 8);
        h = (h ^ word) * 0xD6E8FEB86659FD93u;
        h ^= h >> 32;
        text += 8;
        length -= 8;
    }
    word = 0;
    memcpy(&word, text, length);
    h = (h ^ word ^ seed) * 0xD6E8FEB86659FD93u;
    h ^= h >> 32;
    h *= 0xD6E8FEB86659FD93u;
    return h ^ (h >> 32);
}

static int grown(table *t, size_t length) {
    if (t->count == t->room) {
        entry *entries = realloc(t->entries, 2 * (size_t)t->room * sizeof *entries);
        if (!entries)
            return 0;
        t->entries = entries;
        t->room *= 2;
    }
    if (t->used + length > t->size) {
        uint64_t size = 2 * t->size + length;
        uint8_t *texts = realloc(t->texts, size);
        if (!texts)
            return 0;
        t->texts = texts;
        t->size = size;
    }
    if (2 * (uint64_t)t->count > t->mask) {
        uint32_t mask = 2 * t->mask + 1;
        uint32_t *slots = calloc((size_t)mask + 1, sizeof *slots);
        if (!slots)
            return 0;
        for (uint32_t n = 0; n < t->count; n++) {
            uint32_t slot = t->entries[n].hash & mask;
            while (slots[slot])
                slot = (slot + 1) & mask;
            slots[slot] = n + 1;
        }
        free(t->slots);
        t->slots = slots;
        t->mask = mask;
    }
    return 1;
}

static int32_t add(table *t, const uint8_t *text, size_t length, uint64_t hash) {
    if (!grown(t, length))
        return -1;
    uint32_t slot = hash & t->mask;
    while (t->slots[slot])
        slot = (slot + 1) & t->mask;
    entry *one = &t->entries[t->count];
    one->hash = hash;
    one->start = t->used;
    one->length = (uint32_t)length;
    memcpy(t->texts + t->used, text, length);
    t->used += length;
    t->slots[slot] = ++t->count;
    return (int32_t)t->count - 1;
}

/* Whether that is the text of a number. */
static inline int is_text(const table *t, int32_t number, const uint8_t *text, size_t length) {
    const entry *one = &t->entries[number];
    return one->length == length && !memcmp(t->texts + one->start, text, length);
}

/* The number of a text, a new one where it is new; -1 where there is no memory. */
static int32_t number_of(table *t, const uint8_t *text, size_t length) {
    uint64_t hash = hash_of(text, length, t->seed);
    for (uint32_t slot = hash & t->mask; t->slots[slot]; slot = (slot + 1) & t->mask) {
        const entry *one = &t->entries[t->slots[slot] - 1];
        if (one->hash == hash && is_text(t, (int32_t)t->slots[slot] - 1, text, length))
            return (int32_t)t->slots[slot] - 1;
    }
    return add(t, text, length, hash);
}

#endif
