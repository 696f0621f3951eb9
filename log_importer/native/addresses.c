/* Addresses of clients, of which a log has as many as visitors: told, judged and turned into parameters and keys. */

#include "table.h"

/* A text as an IPv4 address in the one way to write it; -1 where it is none. */
static int64_t ipv4(const uint8_t *at, const uint8_t *end) {
    uint32_t value = 0;
    for (int octet = 0; octet < 4; octet++) {
        if (octet && (at == end || *at++ != '.'))
            return -1;
        const uint8_t *begin = at;
        uint32_t number = 0;
        while (at < end && at < begin + 3 && *at >= '0' && *at <= '9')
            number = 10 * number + (uint32_t)(*at++ - '0');
        if (at == begin || number > 255 || (*begin == '0' && at > begin + 1))
            return -1;
        value = value << 8 | number;
    }
    return at == end ? (int64_t)value : -1;
}

/* Whether a text is an IPv6 address of groups of hexadecimal digits alone, without an IPv4 address at its end. */
static int ipv6(const uint8_t *at, const uint8_t *end) {
    int groups = 0, skipped = 0;
    if (end - at < 2 || end - at > 39)
        return 0;
    if (at[0] == ':' && at[1] != ':')
        return 0;
    while (at < end) {
        if (*at == ':') { /* at the beginning, or behind a group's own */
            if (skipped++)
                return 0;
            at += groups ? 1 : 2;
            continue;
        }
        const uint8_t *begin = at;
        while (at < end && at < begin + 5 &&
               ((*at >= '0' && *at <= '9') || ((*at | 0x20) >= 'a' && (*at | 0x20) <= 'f')))
            at++;
        if (at == begin || at > begin + 4 || ++groups > 8)
            return 0;
        if (at < end && (*at++ != ':' || at == end))
            return 0;
    }
    return skipped ? groups < 8 : groups == 8;
}

/* The addresses that the texts from `first` on are, between `lead` bytes before and as many behind them: 4 or 6, and the
   numbers of the former. Those that are none, or are IPv6 and not `six`, are 0; their numbers, and how many. */
API int64_t addresses_read(const table *texts, uint32_t first, uint32_t lead, int32_t six, uint8_t *kinds,
                           uint32_t *values, int32_t *others) {
    int64_t count = 0;
    for (uint32_t n = first; n < texts->count; n++) {
        const entry *one = &texts->entries[n];
        const uint8_t *at = texts->texts + one->start + lead, *end = at - lead + one->length - lead;
        int64_t value = one->length < 2 * lead ? -1 : ipv4(at, end);
        kinds[n - first] = value >= 0 ? 4 : six && one->length >= 2 * lead && ipv6(at, end) ? 6 : 0;
        values[n - first] = value < 0 ? 0 : (uint32_t)value;
        if (!kinds[n - first])
            others[count++] = (int32_t)n;
    }
    return count;
}

/* Lets codes be no larger than `code` where the address lies in a range of IPv4 addresses. The ranges ascend, and none
   meets another. */
API void addresses_within(int64_t count, const uint8_t *kinds, const uint32_t *values, int64_t ranges,
                          const uint32_t *firsts, const uint32_t *lasts, int32_t code, int32_t *codes) {
    for (int64_t n = 0; n < count; n++) {
        if (kinds[n] != 4)
            continue;
        int64_t low = 0, high = ranges; /* the first range that begins behind the value is between them */
        while (low < high) {
            int64_t middle = (low + high) / 2;
            if (firsts[middle] <= values[n])
                low = middle + 1;
            else
                high = middle;
        }
        if (low && values[n] <= lasts[low - 1] && code < codes[n])
            codes[n] = code;
    }
}

static uint32_t crc32_of(const uint8_t *text, size_t length) {
    static uint32_t steps[256];
    if (!steps[1])
        for (uint32_t byte = 0; byte < 256; byte++) {
            uint32_t step = byte;
            for (int bit = 0; bit < 8; bit++)
                step = step >> 1 ^ (step & 1 ? 0xEDB88320u : 0);
            steps[byte] = step;
        }
    uint32_t crc = 0xFFFFFFFFu;
    for (size_t n = 0; n < length; n++)
        crc = crc >> 8 ^ steps[(crc ^ text[n]) & 0xff];
    return ~crc;
}

/* An address of IPv4 with its last bytes zero, 1 to 4 of them. The length of what is in `into` then. */
static size_t masked_address(const uint8_t *text, int32_t masked, uint8_t *into) {
    size_t kept = 0;
    for (int32_t dots = 0; dots < 4 - masked; kept++) {
        into[kept] = text[kept];
        dots += text[kept] == '.';
    }
    memcpy(into + kept, "0.0.0.0", (size_t)(2 * masked - 1));
    return kept + (size_t)(2 * masked - 1);
}

/* Of the addresses of these numbers, their keys, and their texts, percent-encoded, behind `name` in the table `into`,
   where `map` says which is whose. The last bytes of addresses, `masked` of them, are zero; all are of IPv4 then. Other
   than 0 where there is no memory. */
API int32_t addresses_tell(const table *texts, uint32_t lead, int32_t masked, int64_t count, const int32_t *numbers,
                           const char *name, table *into, int32_t *map, uint32_t *keys) {
    uint8_t told[64], rest[16];
    size_t before = strlen(name);
    if (before > sizeof told - 53) /* 39 characters, of which 7 become three */
        return -1;
    memcpy(told, name, before);
    for (int64_t n = 0; n < count; n++) {
        const entry *one = &texts->entries[numbers[n]];
        const uint8_t *text = texts->texts + one->start + lead, *end = text - lead + one->length - lead;
        if (masked) {
            end = rest + masked_address(text, masked, rest);
            text = rest;
        }
        keys[numbers[n]] = crc32_of(text, (size_t)(end - text));
        uint8_t *at = told + before;
        for (; text < end; text++)
            if (*text == ':') {
                memcpy(at, "%3A", 3);
                at += 3;
            } else {
                *at++ = *text;
            }
        if ((map[numbers[n]] = number_of(into, told, (size_t)(at - told))) < 0)
            return -1;
    }
    return 0;
}
