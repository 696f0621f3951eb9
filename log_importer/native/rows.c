/* Tracking requests that wait, are sorted, posted and settled.

   Of each there is a row of numbers, which say where its query lies among some texts. So some thousands of requests are
   a run of bytes, to copy and to cut which costs next to nothing, and what has to look at each of them is here.
   log_importer/model/rows/layout.py has the same layout. */

#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define API __attribute__((visibility("default")))

typedef struct {
    uint64_t number, offset;
    double time;
    uint64_t visitor, begin;
    uint32_t agent, source, site, doubts, length;
    uint16_t lane, text;
} row;

API void rows_of(int64_t count, uint32_t source, const uint32_t *lengths, const uint64_t *numbers,
                 const uint64_t *offsets, const double *times, const uint64_t *visitors, const uint32_t *agents,
                 const uint32_t *sites, const uint16_t *lanes, row *out) {
    uint64_t begin = 0;
    for (int64_t n = 0; n < count; n++) {
        out[n] = (row){numbers[n], offsets[n], times[n], visitors[n], begin, agents[n], source,
                       sites[n],   0,          lengths[n], lanes[n],  0};
        begin += lengths[n];
    }
}

/* Bytes of the queries of all rows. */
API uint64_t rows_size(int64_t count, const row *rows) {
    uint64_t size = 0;
    for (int64_t n = 0; n < count; n++)
        size += rows[n].length;
    return size;
}

/* The rows at these places. */
API void rows_at(int64_t count, const int32_t *places, const row *rows, row *out) {
    for (int64_t n = 0; n < count; n++)
        out[n] = rows[places[n]];
}

/* The rows where their texts have these numbers. */
API void rows_lying_in(int64_t count, const row *rows, const uint16_t *numbers, row *out) {
    for (int64_t n = 0; n < count; n++) {
        out[n] = rows[n];
        out[n].text = numbers[rows[n].text];
    }
}

/* The rows with their queries one behind the other in one text, which is `queries`. */
API void rows_compact(int64_t count, const row *rows, const uint8_t **texts, row *out, uint8_t *queries) {
    uint64_t begin = 0;
    for (int64_t n = 0; n < count; n++) {
        memcpy(queries + begin, texts[rows[n].text] + rows[n].begin, rows[n].length);
        out[n] = rows[n];
        out[n].begin = begin;
        out[n].text = 0;
        begin += rows[n].length;
    }
}

/* The queries, each in quotes and with a comma to the next, between what comes before and behind. */
API void rows_quoted(int64_t count, const row *rows, const uint8_t **texts, const uint8_t *before,
                     uint64_t size_before, const uint8_t *behind, uint64_t size_behind, uint8_t *out) {
    memcpy(out, before, size_before);
    out += size_before;
    for (int64_t n = 0; n < count; n++) {
        if (n)
            *out++ = ',';
        *out++ = '"';
        memcpy(out, texts[rows[n].text] + rows[n].begin, rows[n].length);
        out += rows[n].length;
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

/* The places of all rows by lane, of `lanes` of them, in order. Lane n has those from begins[n] to begins[n + 1]. */
API void rows_by_lane(int64_t count, const row *rows, int32_t lanes, int32_t *places, int32_t *begins) {
    memset(begins, 0, (size_t)(lanes + 1) * sizeof *begins);
    for (int64_t n = 0; n < count; n++)
        begins[rows[n].lane % lanes + 1]++;
    for (int32_t lane = 0; lane < lanes; lane++)
        begins[lane + 1] += begins[lane];
    for (int64_t n = 0; n < count; n++)
        places[begins[rows[n].lane % lanes]++] = (int32_t)n;
    for (int32_t lane = lanes; lane > 0; lane--)
        begins[lane] = begins[lane - 1];
    begins[0] = 0;
}

typedef struct {
    uint64_t key;
    int32_t place;
} keyed;

/* Sorts by key; those with one key stay in their order. `other` has room for as many. By the bytes of the keys, since a
   comparison for each step of a sort would take ten times as long. */
static void sort(int64_t count, keyed *all, keyed *other) {
    uint64_t differing = 0;
    int sorted = 1;
    for (int64_t n = 1; n < count; n++) {
        differing |= all[n].key ^ all[n - 1].key;
        sorted &= all[n - 1].key <= all[n].key;
    }
    keyed *from = all, *to = other;
    for (int shift = 0; shift < 64 && !sorted; shift += 8) {
        if (!(differing >> shift & 0xff))
            continue;
        int64_t begins[257] = {0};
        for (int64_t n = 0; n < count; n++)
            begins[(from[n].key >> shift & 0xff) + 1]++;
        for (int byte = 0; byte < 255; byte++)
            begins[byte + 1] += begins[byte];
        for (int64_t n = 0; n < count; n++)
            to[begins[from[n].key >> shift & 0xff]++] = from[n];
        keyed *swapped = from;
        from = to;
        to = swapped;
    }
    if (from != all)
        memcpy(all, from, (size_t)count * sizeof *all);
}

/* Twice so many, for `sort`; NULL where there is no memory. */
static keyed *room_for(int64_t count) { return malloc((size_t)(count ? count : 1) * 2 * sizeof(keyed)); }

/* A number that is the greater, the later a time is. */
static uint64_t key_of_time(double time) {
    uint64_t bits;
    time += 0.0; /* there is a zero below zero */
    memcpy(&bits, &time, sizeof bits);
    return bits >> 63 ? ~bits : bits | (uint64_t)1 << 63;
}

/* The user agent of each visitor's first row, which counts for all of the visitor's. Other than 0 where there is no
   memory. */
static int32_t first_agents(int64_t count, const row *rows, uint32_t *agents) {
    uint64_t room = 16;
    while (room < 2 * (uint64_t)count)
        room *= 2;
    uint32_t *slots = calloc(room, sizeof *slots); /* place + 1 of a visitor's first, 0 for none */
    if (!slots)
        return -1;
    for (int64_t n = 0; n < count; n++) {
        uint64_t slot = rows[n].visitor * 0x9E3779B97F4A7C15u >> 20 & (room - 1);
        while (slots[slot] && rows[slots[slot] - 1].visitor != rows[n].visitor)
            slot = (slot + 1) & (room - 1);
        if (!slots[slot])
            slots[slot] = (uint32_t)n + 1;
        agents[n] = rows[slots[slot] - 1].agent;
    }
    free(slots);
    return 0;
}

/* The order of a batch: by user agent, visitor and time; of a visitor with several user agents the first counts.
   Other than 0 where there is no memory. */
API int32_t rows_batch_order(int64_t count, const row *rows, int32_t *order) {
    keyed *all = room_for(count);
    uint32_t *agents = malloc((size_t)(count ? count : 1) * sizeof *agents);
    int32_t failed = !all || !agents || first_agents(count, rows, agents);
    if (!failed) {
        for (int64_t n = 0; n < count; n++)
            all[n] = (keyed){key_of_time(rows[n].time), (int32_t)n};
        sort(count, all, all + count);
        for (int64_t n = 0; n < count; n++)
            all[n].key = rows[all[n].place].visitor;
        sort(count, all, all + count);
        for (int64_t n = 0; n < count; n++)
            all[n].key = agents[all[n].place];
        sort(count, all, all + count);
        for (int64_t n = 0; n < count; n++)
            order[n] = all[n].place;
    }
    free(agents);
    free(all);
    return failed;
}

/* Whether a row comes behind another by their times, by source and offset where those are one. */
static int is_behind(const row *a, const row *b) {
    if (a->time != b->time)
        return a->time > b->time;
    return a->source != b->source ? a->source > b->source : a->offset > b->offset;
}

/* The order of their times; those of one time by source and offset. 1 where they are in it already, and `order` is not
   written; else 0, or -1 where there is no memory. */
API int32_t rows_time_order(int64_t count, const row *rows, int32_t *order) {
    int64_t sorted = 1;
    while (sorted < count && !is_behind(&rows[sorted - 1], &rows[sorted]))
        sorted++;
    if (sorted >= count)
        return 1;
    keyed *all = room_for(count);
    if (!all)
        return -1;
    for (int64_t n = 0; n < count; n++)
        all[n] = (keyed){rows[n].offset, (int32_t)n};
    sort(count, all, all + count);
    for (int64_t n = 0; n < count; n++)
        all[n].key = rows[all[n].place].source;
    sort(count, all, all + count);
    for (int64_t n = 0; n < count; n++)
        all[n].key = key_of_time(rows[all[n].place].time);
    sort(count, all, all + count);
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

/* Line numbers and offsets, each ascending. Other than 0 where there is no memory. */
API int32_t rows_lines(int64_t count, const row *rows, uint64_t *numbers, uint64_t *offsets) {
    keyed *all = room_for(count);
    if (!all)
        return -1;
    for (int64_t n = 0; n < count; n++)
        all[n] = (keyed){rows[n].number, (int32_t)n};
    sort(count, all, all + count);
    for (int64_t n = 0; n < count; n++) { /* the offsets of a source rise with its numbers, so they are in order now */
        numbers[n] = all[n].key;
        all[n].key = rows[all[n].place].offset;
    }
    sort(count, all, all + count);
    for (int64_t n = 0; n < count; n++)
        offsets[n] = all[n].key;
    free(all);
    return 0;
}

/* Whether one number stands in that word of all rows, of which there are some. */
API int32_t rows_one(int64_t count, const row *rows, int32_t word, uint32_t *value) {
    *value = ((const uint32_t *)rows)[word];
    for (int64_t n = 1; n < count; n++)
        if (((const uint32_t *)&rows[n])[word] != *value)
            return 0;
    return 1;
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
