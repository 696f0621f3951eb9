/* Tracking requests that wait, are sorted, posted and settled.

   Of each there is a row of numbers, and its query among the texts, which stand one behind the other in the order of
   the rows. So some thousands of requests are two runs of bytes: to copy and to cut them costs next to nothing, and
   what has to look at each of them is here. log_importer/batching/layout.py has the same layout. */

#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define API __attribute__((visibility("default")))

typedef struct {
    uint64_t number, offset;
    double time;
    uint64_t visitor;
    uint32_t agent, source, site, doubts, length;
    uint16_t lane, none;
} row;

API void rows_of(int64_t count, uint32_t source, const uint32_t *lengths, const uint64_t *numbers,
                 const uint64_t *offsets, const double *times, const uint64_t *visitors, const uint32_t *agents,
                 const uint32_t *sites, const uint16_t *lanes, row *out) {
    for (int64_t n = 0; n < count; n++)
        out[n] = (row){numbers[n], offsets[n], times[n], visitors[n], agents[n], source,
                       sites[n],   0,          lengths[n], lanes[n],   0};
}

/* Bytes of the queries of the rows from place `first` to `end`. */
API uint64_t rows_size(int64_t first, int64_t end, const row *rows) {
    uint64_t size = 0;
    for (int64_t n = first; n < end; n++)
        size += rows[n].length;
    return size;
}

/* The rows at these places, and how many bytes their queries have. */
API uint64_t rows_at(int64_t count, const int32_t *places, const row *rows, row *out) {
    uint64_t size = 0;
    for (int64_t n = 0; n < count; n++) {
        out[n] = rows[places[n]];
        size += out[n].length;
    }
    return size;
}

/* The queries of the rows at these places. The rows are those of several parts, one part after the other: of each part
   there are how many rows it has, its texts, and where among them that of its first row begins. Other than 0 where there
   is no memory. */
API int32_t rows_texts_at(int64_t count, const int32_t *places, const row *rows, int32_t parts, const int64_t *counts,
                          const uint8_t **texts, const uint64_t *begins, uint8_t *out) {
    int64_t all = 0;
    for (int32_t part = 0; part < parts; part++)
        all += counts[part];
    const uint8_t **places_of = malloc((size_t)(all ? all : 1) * sizeof *places_of);
    if (!places_of)
        return -1;
    for (int64_t part = 0, n = 0; part < parts; part++) {
        const uint8_t *at = texts[part] + begins[part];
        for (int64_t end = n + counts[part]; n < end; n++) {
            places_of[n] = at;
            at += rows[n].length;
        }
    }
    for (int64_t n = 0; n < count; n++) {
        uint32_t length = rows[places[n]].length;
        memcpy(out, places_of[places[n]], length);
        out += length;
    }
    free(places_of);
    return 0;
}

/* The queries, each in quotes and with a comma to the next, between what comes before and behind. */
API void rows_quoted(int64_t count, const row *rows, const uint8_t *texts, uint64_t begin, const uint8_t *before,
                     uint64_t size_before, const uint8_t *behind, uint64_t size_behind, uint8_t *out) {
    memcpy(out, before, size_before);
    out += size_before;
    texts += begin;
    for (int64_t n = 0; n < count; n++) {
        if (n)
            *out++ = ',';
        *out++ = '"';
        memcpy(out, texts, rows[n].length);
        out += rows[n].length;
        texts += rows[n].length;
        *out++ = '"';
    }
    memcpy(out, behind, size_behind);
}

/* How many of the rows have queries that fit into so many bytes, with `more` bytes beside each. */
API int64_t rows_fitting(int64_t count, const row *rows, uint64_t more, uint64_t room) {
    uint64_t size = 0;
    for (int64_t n = 0; n < count; n++) {
        size += rows[n].length + more;
        if (size > room)
            return n;
    }
    return count;
}

/* The places of all rows by lane, of `lanes` of them, in order. Lane n has those from begins[n] to begins[n + 1], and
   their queries, put in this order, are from sizes[n] to sizes[n + 1]. */
API void rows_by_lane(int64_t count, const row *rows, int32_t lanes, int32_t *places, int32_t *begins,
                      uint64_t *sizes) {
    memset(begins, 0, (size_t)(lanes + 1) * sizeof *begins);
    memset(sizes, 0, (size_t)(lanes + 1) * sizeof *sizes);
    for (int64_t n = 0; n < count; n++) {
        begins[rows[n].lane % lanes + 1]++;
        sizes[rows[n].lane % lanes + 1] += rows[n].length;
    }
    for (int32_t lane = 0; lane < lanes; lane++) {
        begins[lane + 1] += begins[lane];
        sizes[lane + 1] += sizes[lane];
    }
    for (int64_t n = 0; n < count; n++)
        places[begins[rows[n].lane % lanes]++] = (int32_t)n;
    for (int32_t lane = lanes; lane > 0; lane--)
        begins[lane] = begins[lane - 1];
    begins[0] = 0;
}

typedef struct {
    uint64_t visitor;
    double time;
    uint32_t agent;
    int32_t place;
} waiting;

static int by_place(const waiting *a, const waiting *b) {
    return a->place < b->place ? -1 : a->place > b->place;
}

static int by_visitor(const void *left, const void *right) {
    const waiting *a = left, *b = right;
    if (a->visitor != b->visitor)
        return a->visitor < b->visitor ? -1 : 1;
    return by_place(a, b);
}

static int by_time(const void *left, const void *right) {
    const waiting *a = left, *b = right;
    if (a->time != b->time)
        return a->time < b->time ? -1 : 1;
    return by_place(a, b);
}

static int by_agent(const void *left, const void *right) {
    const waiting *a = left, *b = right;
    if (a->agent != b->agent)
        return a->agent < b->agent ? -1 : 1;
    if (a->visitor != b->visitor)
        return a->visitor < b->visitor ? -1 : 1;
    return by_time(a, b);
}

static waiting *all_of(int64_t count, const row *rows) {
    waiting *all = malloc((size_t)(count ? count : 1) * sizeof *all);
    for (int64_t n = 0; all && n < count; n++)
        all[n] = (waiting){rows[n].visitor, rows[n].time, rows[n].agent, (int32_t)n};
    return all;
}

/* The order of a batch: by user agent, visitor and time; of a visitor with several user agents the first counts.
   Other than 0 where there is no memory. */
API int32_t rows_batch_order(int64_t count, const row *rows, int32_t *order) {
    waiting *all = all_of(count, rows);
    if (!all)
        return -1;
    qsort(all, (size_t)count, sizeof *all, by_visitor);
    for (int64_t n = 1; n < count; n++)
        if (all[n].visitor == all[n - 1].visitor)
            all[n].agent = all[n - 1].agent;
    qsort(all, (size_t)count, sizeof *all, by_agent);
    for (int64_t n = 0; n < count; n++)
        order[n] = all[n].place;
    free(all);
    return 0;
}

typedef struct {
    double time;
    uint64_t offset;
    uint32_t source;
    int32_t place;
} moment;

static int by_moment(const void *left, const void *right) {
    const moment *a = left, *b = right;
    if (a->time != b->time)
        return a->time < b->time ? -1 : 1;
    if (a->source != b->source)
        return a->source < b->source ? -1 : 1;
    if (a->offset != b->offset)
        return a->offset < b->offset ? -1 : 1;
    return a->place < b->place ? -1 : a->place > b->place;
}

static moment moment_of(const row *rows, int64_t n) {
    return (moment){rows[n].time, rows[n].offset, rows[n].source, (int32_t)n};
}

/* The order of their times; those of one time by source and offset. 1 where they are in it already, and `order` is not
   written; else 0, or -1 where there is no memory. */
API int32_t rows_time_order(int64_t count, const row *rows, int32_t *order) {
    int64_t sorted = 1;
    while (sorted < count) {
        moment before = moment_of(rows, sorted - 1), next = moment_of(rows, sorted);
        if (by_moment(&before, &next) > 0)
            break;
        sorted++;
    }
    if (sorted >= count)
        return 1;
    moment *all = malloc((size_t)count * sizeof *all);
    if (!all)
        return -1;
    for (int64_t n = 0; n < count; n++)
        all[n] = moment_of(rows, n);
    qsort(all, (size_t)count, sizeof *all, by_moment);
    for (int64_t n = 0; n < count; n++)
        order[n] = all[n].place;
    free(all);
    return 0;
}

/* The greatest of the times. */
API double rows_latest(int64_t count, const row *rows) {
    double latest = rows[0].time;
    for (int64_t n = 1; n < count; n++)
        if (rows[n].time > latest)
            latest = rows[n].time;
    return latest;
}

/* The sites of the rows and the spans of so many seconds that their times lie in, counted from 1970 on: each pair
   once, with how many rows it has. How many pairs; -1 where there is no memory. */
API int64_t rows_spans(int64_t count, const row *rows, int64_t seconds, uint32_t *sites, int64_t *spans,
                       int64_t *counts) {
    uint64_t room = 16;
    while (room < 2 * (uint64_t)count)
        room *= 2;
    uint32_t *slots = calloc(room, sizeof *slots); /* number + 1 of a pair, 0 for none */
    if (!slots)
        return -1;
    int64_t found = 0;
    for (int64_t n = 0; n < count; n++) {
        int64_t whole = (int64_t)floor(rows[n].time);
        int64_t span = whole / seconds - (whole % seconds < 0);
        uint64_t slot = ((uint64_t)span * 0x9E3779B97F4A7C15u ^ rows[n].site * 0xD6E8FEB86659FD93u) >> 20 & (room - 1);
        while (slots[slot] && (spans[slots[slot] - 1] != span || sites[slots[slot] - 1] != rows[n].site))
            slot = (slot + 1) & (room - 1);
        if (!slots[slot]) {
            sites[found] = rows[n].site;
            spans[found] = span;
            counts[found] = 0;
            slots[slot] = (uint32_t)++found;
        }
        counts[slots[slot] - 1]++;
    }
    free(slots);
    return found;
}

static int smaller(const void *left, const void *right) {
    uint64_t a = *(const uint64_t *)left, b = *(const uint64_t *)right;
    return a < b ? -1 : a > b;
}

/* Line numbers and offsets, each ascending. */
API void rows_lines(int64_t count, const row *rows, uint64_t *numbers, uint64_t *offsets) {
    for (int64_t n = 0; n < count; n++) {
        numbers[n] = rows[n].number;
        offsets[n] = rows[n].offset;
    }
    qsort(numbers, (size_t)count, sizeof *numbers, smaller);
    qsort(offsets, (size_t)count, sizeof *offsets, smaller);
}

/* The 32-bit numbers that stand in a row's word, where each is another than the one before it, and how often it stands
   in a row; how many. */
API int64_t rows_runs(int64_t count, const row *rows, int32_t word, uint32_t *values, int64_t *lengths) {
    int64_t found = 0;
    for (int64_t n = 0; n < count; n++) {
        uint32_t value = ((const uint32_t *)&rows[n])[word];
        if (!found || values[found - 1] != value) {
            values[found] = value;
            lengths[found++] = 0;
        }
        lengths[found - 1]++;
    }
    return found;
}

/* The differences of ascending numbers, in the fewest bytes that hold them all: so many. */
API int32_t differences(int64_t count, const uint64_t *values, uint8_t *out) {
    uint64_t widest = 0;
    for (int64_t n = 1; n < count; n++)
        if (values[n] - values[n - 1] > widest)
            widest = values[n] - values[n - 1];
    int32_t width = widest < 1u << 8 ? 1 : widest < 1u << 16 ? 2 : widest < (uint64_t)1 << 32 ? 4 : 8;
    for (int64_t n = 1; n < count; n++) {
        uint64_t step = values[n] - values[n - 1];
        uint8_t byte = (uint8_t)step;
        uint16_t two = (uint16_t)step;
        uint32_t four = (uint32_t)step;
        const void *from = width == 1 ? (void *)&byte : width == 2 ? (void *)&two : width == 4 ? (void *)&four : &step;
        memcpy(out, from, (size_t)width);
        out += width;
    }
    return width;
}
