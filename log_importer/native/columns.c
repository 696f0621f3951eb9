/* Lines cut into pieces, and columns of small numbers that stand for them.

   A piece of a line (a request, a user agent) was mostly there on lines before. So each is looked up in a table and
   becomes a number, and what is known of it is looked up by that number from then on. What a piece means is worked out
   in Python, once for each that is new.

   Plain C without Python's headers: the library is loaded by name (log_importer/native/__init__.py says what each
   function is given), and serves every version of Python. Nothing here allocates but tables, and all arrays are the
   caller's and as long as it says. */

#include <math.h>

#include "table.h"

/* Which sources this was compiled from: one that was changed since is not used until it is compiled anew. */
API uint32_t built_from(void) { return BUILT_FROM; }

/* ---- Tables ---- */

API void table_free(table *t) {
    if (t) {
        free(t->entries);
        free(t->slots);
        free(t->texts);
        free(t);
    }
}

API table *table_new(uint64_t seed) {
    table *t = calloc(1, sizeof *t);
    if (!t)
        return NULL;
    t->seed = seed;
    t->room = 256;
    t->size = 1 << 14;
    t->mask = 1023;
    t->entries = malloc(t->room * sizeof *t->entries);
    t->slots = calloc(t->mask + 1, sizeof *t->slots);
    t->texts = malloc(t->size);
    if (!t->entries || !t->slots || !t->texts) {
        table_free(t);
        return NULL;
    }
    return t;
}

API void table_clear(table *t) {
    t->count = 0;
    t->used = 0;
    memset(t->slots, 0, ((size_t)t->mask + 1) * sizeof *t->slots);
}

API uint32_t table_count(const table *t) { return t->count; }

/* Bytes that `table_texts` writes for the entries from `first` on. */
API uint64_t table_bytes(const table *t, uint32_t first) {
    return first < t->count ? t->used - t->entries[first].start + (t->count - first) : 0;
}

/* The texts from `first` on, each with a line end behind it, which none of them has. */
API void table_texts(const table *t, uint32_t first, uint8_t *out) {
    for (uint32_t n = first; n < t->count; n++) {
        memcpy(out, t->texts + t->entries[n].start, t->entries[n].length);
        out += t->entries[n].length;
        *out++ = '\n';
    }
}

API int32_t table_add(table *t, const uint8_t *text, uint32_t length) {
    return number_of(t, text, length);
}

/* The numbers of the texts between line ends. Other than 0 where there is no memory. */
API int32_t table_add_all(table *t, const uint8_t *texts, uint64_t size, int32_t *out) {
    const uint8_t *end = texts + size;
    for (;; texts++) {
        const uint8_t *next = memchr(texts, '\n', (size_t)(end - texts));
        next = next ? next : end;
        if ((*out++ = number_of(t, texts, (size_t)(next - texts))) < 0)
            return -1;
        texts = next;
        if (texts == end)
            return 0;
    }
}

/* ---- Lines ---- */

/* How often a byte stands in `data`. */
API int64_t count_byte(const uint8_t *data, int64_t size, int32_t byte) {
    int64_t count = 0;
    for (int64_t at = 0; at < size;) {
        int64_t end = size - at > 255 ? at + 255 : size;
        uint8_t some = 0; /* small, so that many are counted at once */
        for (; at < end; at++)
            some += data[at] == (uint8_t)byte;
        count += some;
    }
    return count;
}

/* Where each line begins, and behind the last where one more would; how many there are, of `room` at most. */
API int64_t find_lines(const uint8_t *data, int64_t size, uint32_t *starts, int64_t room) {
    int64_t count = 0, at = 0;
    while (at < size && count < room) {
        starts[count++] = (uint32_t)at;
        const uint8_t *end = memchr(data + at, '\n', (size_t)(size - at));
        at = end ? end - data + 1 : size + 1;
    }
    starts[count] = (uint32_t)at;
    return count;
}

/* Whether a line has nothing that is to be looked at alone: a control character, a backslash, or, unless `high` says
   that the text is UTF-8, a byte that is no ASCII. */
static int plain(const uint8_t *text, size_t length, uint8_t also, int high) {
    uint8_t odd = 0, top = 0;
    for (size_t n = 0; n < length; n++) {
        uint8_t c = text[n];
        odd |= (uint8_t)(((c < 0x20) & (c != also)) | (c == '\\') | (c == 0x7f));
        top |= c;
    }
    return !odd && (high || top < 0x80) && !(length && text[0] == 0xEF); /* 0xEF begins a byte order mark */
}

/* A line's pieces, each to be looked up in a table of its own; a table that is NULL is not asked. */
typedef struct {
    table **tables;
    int32_t **numbers; /* of each piece, by line */
    int32_t clock;     /* the piece with the time, -1 for none that is known by its day, hour or minute */
    int32_t slot;      /* where in it the two digits of the second stand */
    int32_t parts;     /* 1: known by its minute; 2: by its hour, the minute stands three before; 3: and the hour six */
    uint32_t *seconds; /* by line, in the day, hour or minute */
    uint8_t around[64];
    int32_t around_length, around_number;
} pieces;

/* The number that two digits say, and a larger one where they are none. */
static uint32_t two_digits(const uint8_t *text) {
    uint32_t tens = text[0] - (uint32_t)'0', ones = text[1] - (uint32_t)'0';
    return tens > 9 || ones > 9 ? 100 : 10 * tens + ones;
}

/* 1 where it was looked up, 0 where its line is to be looked at alone, -1 where there is no memory. */
static int look_up(pieces *p, int32_t piece, int64_t line, const uint8_t *text, size_t length) {
    if (!p->tables[piece])
        return 1;
    if (piece != p->clock) {
        int32_t *number = &p->numbers[piece][line];
        if (line && is_text(p->tables[piece], number[-1], text, length)) /* one visitor's lines stand together */
            *number = number[-1];
        else
            *number = number_of(p->tables[piece], text, length);
        return *number < 0 ? -1 : 1;
    }
    size_t slot = (size_t)p->slot;
    if (length < slot + 2 || length > sizeof p->around)
        return 0;
    static const uint32_t most[3] = {60, 59, 23}, seconds[3] = {1, 60, 3600};
    uint8_t around[64];
    memcpy(around, text, length);
    p->seconds[line] = 0;
    for (int32_t part = 0; part < p->parts; part++, slot -= 3) {
        uint32_t number = two_digits(text + slot);
        if (number > most[part])
            return 0;
        p->seconds[line] += seconds[part] * number;
        around[slot] = around[slot + 1] = '0';
    }
    if ((size_t)p->around_length != length || memcmp(p->around, around, length)) {
        int32_t number = number_of(p->tables[piece], around, length);
        if (number < 0)
            return -1;
        memcpy(p->around, around, length);
        p->around_length = (int32_t)length;
        p->around_number = number;
    }
    p->numbers[piece][line] = p->around_number;
    return 1;
}

typedef struct {
    const uint8_t *data;
    const uint32_t *starts;
    int64_t first, end; /* lines */
    int32_t *lines;     /* those that were cut */
    uint32_t longest;
    int32_t high;
} text;

/* Line `n` without its end; 0 where it is to be looked at alone. */
static int line_of(const text *t, int64_t n, uint8_t also, const uint8_t **begin, size_t *length) {
    *begin = t->data + t->starts[n];
    *length = t->starts[n + 1] - t->starts[n] - 1;
    if (*length > t->longest)
        return 0;
    if (*length && (*begin)[*length - 1] == '\r')
        --*length;
    return plain(*begin, *length, also, t->high);
}

/* Cut at each quote; where `bracket`, what is before the first is cut at its first bracket, too; and what is before that,
   where `first` is no 0, before the first of such bytes. */
API int64_t cut_at_quotes(const text *t, pieces *p, int32_t quotes, int32_t bracket, int32_t first) {
    int64_t count = 0;
    p->around_length = -1;
    for (int64_t n = t->first; n < t->end; n++) {
        const uint8_t *at;
        size_t length;
        if (!line_of(t, n, ' ', &at, &length))
            continue;
        const uint8_t *end = at + length;
        int32_t piece = 0, good = 1;
        if (bracket) {
            const uint8_t *quote = memchr(at, '"', length);
            const uint8_t *found = memchr(at, '[', (size_t)((quote ? quote : end) - at));
            if (!found)
                continue;
            if (first) {
                const uint8_t *head = memchr(at, first, (size_t)(found - at));
                if (!head)
                    continue;
                good = look_up(p, piece++, count, at, (size_t)(head - at));
                at = head;
            }
            if (good == 1)
                good = look_up(p, piece++, count, at, (size_t)(found - at));
            at = found + 1;
        }
        for (int32_t quote = 0; good == 1 && quote <= quotes; quote++) {
            const uint8_t *next = memchr(at, '"', (size_t)(end - at));
            if (!next == (quote < quotes)) {
                good = 0;
                break;
            }
            next = next ? next : end;
            good = look_up(p, piece++, count, at, (size_t)(next - at));
            at = next + 1;
        }
        if (good < 0)
            return -1;
        if (good)
            t->lines[count++] = (int32_t)n;
    }
    return count;
}

/* Cut at each delimiter into so many pieces; lines with quotes, and those that begin with #, are left. */
API int64_t cut_at_delimiters(const text *t, pieces *p, int32_t columns, int32_t delimiter) {
    int64_t count = 0;
    p->around_length = -1;
    for (int64_t n = t->first; n < t->end; n++) {
        const uint8_t *at;
        size_t length;
        if (!line_of(t, n, (uint8_t)delimiter, &at, &length) || !length || *at == '#' || memchr(at, '"', length))
            continue;
        const uint8_t *end = at + length;
        int32_t good = 1;
        for (int32_t piece = 0; good == 1 && piece < columns; piece++) {
            const uint8_t *next = memchr(at, delimiter, (size_t)(end - at));
            if (!next == (piece < columns - 1)) {
                good = 0;
                break;
            }
            next = next ? next : end;
            good = look_up(p, piece, count, at, (size_t)(next - at));
            at = next + 1;
        }
        if (good < 0)
            return -1;
        if (good)
            t->lines[count++] = (int32_t)n;
    }
    return count;
}

static const uint8_t *past_blanks(const uint8_t *at, const uint8_t *end) {
    while (at < end && *at == ' ')
        at++;
    return at;
}

static const uint8_t *past_digits(const uint8_t *at, const uint8_t *end) {
    while (at < end && *at >= '0' && *at <= '9')
        at++;
    return at;
}

/* Behind a JSON value that is a string, a number or a word; NULL where it is none. */
static const uint8_t *past_value(const uint8_t *at, const uint8_t *end) {
    static const char *const words[] = {"true", "false", "null"};
    if (at == end)
        return NULL;
    if (*at == '"') {
        const uint8_t *quote = memchr(at + 1, '"', (size_t)(end - at - 1));
        return quote ? quote + 1 : NULL;
    }
    for (int n = 0; n < 3; n++) {
        size_t length = strlen(words[n]);
        if ((size_t)(end - at) >= length && !memcmp(at, words[n], length))
            return at + length;
    }
    at += *at == '-';
    const uint8_t *digits = at, *number = at;
    at = past_digits(at, end);
    if (at == digits || (*digits == '0' && at > digits + 1))
        return NULL;
    if (at < end && *at == '.') {
        digits = ++at;
        at = past_digits(at, end);
        if (at == digits)
            return NULL;
    }
    if (at - number > 24 || (at < end && (*at | 0x20) == 'e'))
        return NULL; /* nobody logs such, and how large they may be is left to the JSON reader */
    return at;
}

/* Cut into the values of so many keys, those of `keys`, of flat objects; the first `needed` of them must be there. */
API int64_t cut_at_keys(const text *t, pieces *p, int32_t columns, const uint8_t **keys, const uint32_t *lengths,
                        const uint8_t *needed) {
    int64_t count = 0;
    const uint8_t *values[64];
    size_t sizes[64];
    if (columns > 64)
        return 0;
    p->around_length = -1;
    for (int64_t n = t->first; n < t->end; n++) {
        const uint8_t *at;
        size_t length;
        if (!line_of(t, n, ' ', &at, &length) || !length)
            continue;
        const uint8_t *end = at + length;
        int32_t expected = 0, good = 0;
        memset(values, 0, sizeof values);
        at = past_blanks(at, end);
        if (at == end || *at != '{')
            continue;
        do {
            at = past_blanks(at + 1, end);
            if (at == end || *at != '"')
                break;
            const uint8_t *key = at + 1;
            at = memchr(key, '"', (size_t)(end - key));
            if (!at)
                break;
            size_t size = (size_t)(at - key);
            at = past_blanks(at + 1, end);
            if (at == end || *at != ':')
                break;
            const uint8_t *value = past_blanks(at + 1, end);
            at = past_value(value, end);
            if (!at)
                break;
            for (int32_t tried = 0; tried < columns; tried++) { /* they come in the same order, mostly */
                int32_t column = expected + tried < columns ? expected + tried : expected + tried - columns;
                if (lengths[column] == size && !memcmp(keys[column], key, size)) {
                    values[column] = value;
                    sizes[column] = (size_t)(at - value);
                    expected = column + 1 < columns ? column + 1 : 0;
                    break;
                }
            }
            at = past_blanks(at, end);
            if (at == end)
                break;
            good = *at == '}';
        } while (*at == ',');
        if (!good || past_blanks(at + 1, end) != end)
            continue;
        for (int32_t column = 0; good == 1 && column < columns; column++) {
            if (values[column])
                good = look_up(p, column, count, values[column], sizes[column]);
            else
                good = needed[column] || column == p->clock ? 0 : look_up(p, column, count, (const uint8_t *)"null", 4);
        }
        if (good < 0)
            return -1;
        if (good)
            t->lines[count++] = (int32_t)n;
    }
    return count;
}

/* ---- Columns of numbers ---- */

/* What `map` has for each number. */
API void take(int64_t count, const int32_t *numbers, const int32_t *map, int32_t *out) {
    for (int64_t n = 0; n < count; n++)
        out[n] = map[numbers[n]];
}

API void take_8(int64_t count, const int32_t *numbers, const uint8_t *map, uint8_t *out) {
    for (int64_t n = 0; n < count; n++)
        out[n] = map[numbers[n]];
}

API void take_16(int64_t count, const int32_t *numbers, const uint16_t *map, uint16_t *out) {
    for (int64_t n = 0; n < count; n++)
        out[n] = map[numbers[n]];
}

API void take_64(int64_t count, const int32_t *numbers, const uint64_t *map, uint64_t *out) {
    for (int64_t n = 0; n < count; n++)
        out[n] = map[numbers[n]];
}

/* A number for each pair of numbers; the pairs are in `pairs`. -1 where there is no memory. */
API int32_t pair_up(int64_t count, const int32_t *left, const int32_t *right, table *pairs, int32_t *out) {
    for (int64_t n = 0; n < count; n++) {
        int32_t pair[2] = {left[n], right[n]};
        if ((out[n] = number_of(pairs, (const uint8_t *)pair, sizeof pair)) < 0)
            return -1;
    }
    return 0;
}

/* The pairs from `first` on, left and right in turn. */
API void pairs_from(const table *pairs, uint32_t first, int32_t *out) {
    if (first < pairs->count)
        memcpy(out, pairs->texts + pairs->entries[first].start, (size_t)(pairs->count - first) * 8);
}

/* The numbers for which `map` has nothing yet, -1, each once: it has -2 for those then. How many. */
API int64_t lacking(int64_t count, const int32_t *numbers, int32_t *map, int32_t *out) {
    int64_t found = 0;
    for (int64_t n = 0; n < count; n++)
        if (map[numbers[n]] == -1) {
            map[numbers[n]] = -2;
            out[found++] = numbers[n];
        }
    return found;
}

/* The smaller of a code and what `map` has, at these places. */
API void lower(int64_t count, const int32_t *places, const int32_t *numbers, const int32_t *map, int32_t *codes) {
    for (int64_t n = 0; n < count; n++) {
        int32_t *code = &codes[places ? places[n] : n];
        if (map[numbers[n]] < *code)
            *code = map[numbers[n]];
    }
}

/* The places of codes from `least` on; how many. */
API int64_t from(int64_t count, const int32_t *codes, int32_t least, int32_t *out) {
    int64_t found = 0;
    for (int64_t n = 0; n < count; n++) {
        out[found] = (int32_t)n;
        found += codes[n] >= least;
    }
    return found;
}

/* The places from `first` to `end` that are not among these, which ascend; how many. */
API int64_t others(int64_t first, int64_t end, int64_t count, const int32_t *places, int32_t *out) {
    int64_t found = 0, next = 0;
    for (int64_t place = first; place < end; place++) {
        if (next < count && places[next] == place)
            next++;
        else
            out[found++] = (int32_t)place;
    }
    return found;
}

/* Each number once, with how often it is there. How many; -1 where there is no memory. */
API int64_t count_each(int64_t count, const int32_t *numbers, int32_t *found, int64_t *counts) {
    uint64_t room = 16;
    while (room < 2 * (uint64_t)count)
        room *= 2;
    uint32_t *slots = calloc(room, sizeof *slots); /* 1 + the place in `found`, 0 for none */
    if (!slots)
        return -1;
    int64_t distinct = 0;
    for (int64_t n = 0; n < count; n++) {
        uint64_t slot = ((uint64_t)(uint32_t)numbers[n] * 0x9E3779B97F4A7C15u >> 32) & (room - 1);
        while (slots[slot] && found[slots[slot] - 1] != numbers[n])
            slot = (slot + 1) & (room - 1);
        if (!slots[slot]) {
            found[distinct] = numbers[n];
            counts[distinct] = 0;
            slots[slot] = (uint32_t)++distinct;
        }
        counts[slots[slot] - 1]++;
    }
    free(slots);
    return distinct;
}

/* The time of each line: that of its day, hour or minute, and its second in it. The earliest and the latest are `ends`. */
API void tell_times(int64_t count, const int32_t *numbers, const double *begins, const uint32_t *seconds, double *out,
                    double *ends) {
    for (int64_t n = 0; n < count; n++) {
        double time = out[n] = begins[numbers[n]] + (seconds ? seconds[n] : 0);
        if (time < ends[0])
            ends[0] = time;
        if (time > ends[1])
            ends[1] = time;
    }
}

/* Of the lines at these places, their times, the number of their hour, and the second in it. */
API int32_t split_times(int64_t count, const int32_t *places, const double *times, table *hours, double *taken,
                        int32_t *hour, int32_t *second) {
    int64_t last = INT64_MIN;
    for (int64_t n = 0; n < count; n++) {
        taken[n] = times[places[n]];
        int64_t whole = (int64_t)floor(taken[n]);
        int64_t in = whole / 3600 - (whole % 3600 < 0);
        second[n] = (int32_t)(whole - 3600 * in);
        hour[n] = n && in == last ? hour[n - 1] : number_of(hours, (const uint8_t *)&in, sizeof in);
        if (hour[n] < 0)
            return -1;
        last = in;
    }
    return 0;
}

API void numbers_from(const table *t, uint32_t first, int64_t *out) {
    if (first < t->count)
        memcpy(out, t->texts + t->entries[first].start, (size_t)(t->count - first) * 8);
}

/* What is one text after the other: the length of each row, of `parts` texts of that many tables; the sum of all. */
API int64_t measure(int64_t count, int32_t parts, const table **tables, const int32_t **numbers, uint32_t *lengths) {
    int64_t sum = 0;
    for (int64_t n = 0; n < count; n++) {
        uint32_t length = 0;
        for (int32_t part = 0; part < parts; part++)
            length += tables[part]->entries[numbers[part][n]].length;
        sum += lengths[n] = length;
    }
    return sum;
}

API void assemble(int64_t count, int32_t parts, const table **tables, const int32_t **numbers, uint8_t *out) {
    for (int64_t n = 0; n < count; n++)
        for (int32_t part = 0; part < parts; part++) {
            const entry *one = &tables[part]->entries[numbers[part][n]];
            memcpy(out, tables[part]->texts + one->start, one->length);
            out += one->length;
        }
}

/* Of the lines at these places, their numbers in the source and the offsets of their first bytes. */
API void place_lines(int64_t count, const int32_t *places, const uint32_t *starts, uint64_t line, uint64_t offset,
                     uint64_t *numbers, uint64_t *offsets) {
    for (int64_t n = 0; n < count; n++) {
        numbers[n] = line + (uint64_t)places[n];
        offsets[n] = offset + starts[places[n]];
    }
}

/* Twice the one number and what `map` has for the other. */
API void add_twice(int64_t count, const int32_t *numbers, const int32_t *others, const int32_t *map, int32_t *out) {
    for (int64_t n = 0; n < count; n++)
        out[n] = 2 * numbers[n] + map[others[n]];
}

/* The key of each download, which is never 0, by the keys of its visitor and its file; 0 where there is no file. */
API void key_downloads(int64_t count, const int32_t *pages, const uint64_t *files, const uint64_t *visitors,
                       uint64_t *out) {
    for (int64_t n = 0; n < count; n++) {
        uint64_t file = files[pages[n]], key = visitors[n] ^ file;
        out[n] = file ? (key ? key : 1) : 0;
    }
}

/* The keys of visitors, user agents and lanes: of who is known by more than that, their own; else address and user agent
   together, of which each has a lane for each of four addresses. */
API void key_visitors(int64_t count, const int32_t *clients, const int32_t *besides, const int32_t *agents,
                      const uint32_t *addresses, const uint64_t *known_keys, const uint16_t *known_lanes,
                      const uint8_t *known, const uint32_t *agent_keys, const uint16_t *agent_lanes, uint64_t *keys,
                      uint32_t *of_agents, uint16_t *lanes) {
    for (int64_t n = 0; n < count; n++) {
        int32_t beside = besides[n], agent = agents[n];
        uint32_t client = addresses[clients[n]];
        of_agents[n] = agent_keys[agent];
        keys[n] = known[beside] ? known_keys[beside] : (uint64_t)client << 32 | agent_keys[agent];
        lanes[n] = known[beside] ? known_lanes[beside] : agent_lanes[4 * (int64_t)agent + (client & 3)];
    }
}
