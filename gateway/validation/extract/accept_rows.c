/*
 * Pass over the rows of an extract that are right beyond doubt, and stop in front of the first one that is not.
 *
 * It accepts, and never refuses: what it stops at is for the rules in Python to judge. It has no rules of its own. The tables
 * that it follows are made from the layout by `compiled.py`: which bytes end a value, which states a value leads through, in
 * which of them it may end, which values are handed back, which are in order.
 *
 * It allocates nothing, keeps nothing, calls nothing but memchr, memcmp, memcpy and memset, and writes only to what the caller gives.
 * Every read is bounded: a row is looked at only when its line feed was found inside the caller's bytes, and a line feed ends
 * every value and is stepped over by nothing. `tables_are_sound` proves once that no state and no slot lies outside its table.
 */

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#ifndef SOURCE
#define SOURCE ""
#endif

enum {
    SLOTS = 16,       /* values of one row that are noted; slot 0 is for those that nobody asks for */
    REPORTED = 6,     /* of which slots 1 to 6 are handed back, a reported row being two numbers and twelve offsets */
    STRIDE = 2 + 2 * REPORTED,
    SKIPPED = 8,      /* commas that are compared at once */
    MOST_TYPES = 255,
};

enum {
    NEEDS_REFERENCE = 1,  /* a row needs a value in slot 1 or 2 */
    OPENS = 2,            /* later rows may have the same slots 1 and 2, and then add nothing to it */
    ADDS_NOTHING = 4,     /* rows of this type are counted and never reported */
};

struct tables {
    const uint8_t *classes;   /* 256: of every byte, its column in `next`; 0 for what ends a value: , " CR LF */
    const uint8_t *types;     /* 256: of a row's first byte, the number of its record type from 1; 0 for no type */
    const uint16_t *next;     /* size: rows of `width` for every state, at whose offset it is named; column 0: may a value end? */
    const uint16_t *starts;   /* types x columns: the state in which a column's value begins */
    const uint8_t *empty;     /* types x columns: how many columns from this one on may be empty, at most 255 */
    const uint8_t *slots;     /* types x columns: where a column's value is noted */
    const uint8_t *traits;    /* types: the bits above */
    const uint8_t *orders;    /* orders x 3: a type, and the slots of an earlier and a later value */
    const uint8_t *weights;   /* weight: the places of such a value's bytes, the weightiest first */
    uint32_t size, width, type_count, columns, order_count, weight;
};

struct value {
    uint32_t start, stop;
};

struct run {
    uint64_t stopped, rows, reported;
};

/* The SHA-256 of this file, by which `compiled.py` knows that the library was built from the source beside it. */
const char *built_from(void) { return SOURCE; }

int32_t tables_are_sound(const struct tables *tables)
{
    uint32_t size = tables->size, width = tables->width;
    size_t cells = (size_t)tables->type_count * tables->columns;

    if (width == 0 || size < width || size % width != 0 || size > UINT16_MAX || tables->type_count > MOST_TYPES)
        return 0;
    for (unsigned byte = 0; byte < 256; byte++)
        if (tables->classes[byte] >= width || tables->types[byte] > tables->type_count)
            return 0;
    for (const char *end = ",\"\r\n"; *end; end++)
        if (tables->classes[(uint8_t)*end] != 0 || tables->types[(uint8_t)*end] != 0)
            return 0;
    for (uint32_t at = 0; at < size; at++)
        if (at % width == 0 ? tables->next[at] > 1 : tables->next[at] % width != 0 || tables->next[at] >= size)
            return 0;
    for (size_t cell = 0; cell < cells; cell++)
        if (tables->starts[cell] % width != 0 || tables->starts[cell] >= size || tables->slots[cell] >= SLOTS ||
            tables->empty[cell] > tables->columns - cell % tables->columns)
            return 0;
    for (size_t at = 0; at < (size_t)tables->order_count * 3; at++)
        if (tables->orders[at] >= (at % 3 == 0 ? tables->type_count + 1 : SLOTS))
            return 0;
    for (uint32_t at = 0; at < tables->weight; at++)
        if (tables->weights[at] >= tables->weight)
            return 0;
    return 1;
}

static int in_order(const struct tables *tables, const uint8_t *bytes, struct value earlier, struct value later)
{
    if (earlier.start == earlier.stop || later.start == later.stop)
        return 1;
    if (earlier.stop - earlier.start != tables->weight || later.stop - later.start != tables->weight)
        return 0;
    for (uint32_t at = 0; at < tables->weight; at++) {
        uint8_t before = bytes[earlier.start + tables->weights[at]], after = bytes[later.start + tables->weights[at]];
        if (before != after)
            return before < after;
    }
    return 1;
}

/* The type of the row that begins at `begin` and whose line feed is at `feed`; 0 where it is not right beyond doubt. */
static unsigned accept(const struct tables *tables, const uint8_t *bytes, size_t begin, size_t feed, struct value *values)
{
    const uint8_t *classes = tables->classes, *at = bytes + begin, *end = bytes + feed;
    const uint16_t *next = tables->next;
    uint32_t columns = tables->columns;
    int quoted = *at == '"';

    at += quoted;
    unsigned type = tables->types[*at];
    if (type == 0)
        return 0;
    at++;
    if (quoted && *at++ != '"')
        return 0;

    const uint16_t *starts = tables->starts + (size_t)(type - 1) * columns;
    const uint8_t *empty = tables->empty + (size_t)(type - 1) * columns;
    const uint8_t *slots = tables->slots + (size_t)(type - 1) * columns;
    for (uint32_t column = 0; column < columns; column++) {
        /* Of so many commas, all but the last are followed by an empty value. */
        while (empty[column] >= SKIPPED && end - at >= SKIPPED && memcmp(at, ",,,,,,,,", SKIPPED) == 0) {
            at += SKIPPED - 1;
            column += SKIPPED - 1;
        }
        if (*at != ',')
            return 0;
        at++;
        quoted = *at == '"';
        at += quoted;
        struct value *value = &values[slots[column]];
        value->start = (uint32_t)(at - bytes);
        unsigned state = starts[column], class;
        for (; (class = classes[*at]) != 0; at++)
            state = next[state + class];
        if (!next[state])
            return 0;
        value->stop = (uint32_t)(at - bytes);
        if (quoted && *at++ != '"')
            return 0;
    }
    at += *at == '\r';
    if (at != end)
        return 0;

    if (tables->traits[type - 1] & NEEDS_REFERENCE && values[1].start == values[1].stop && values[2].start == values[2].stop)
        return 0;
    for (const uint8_t *order = tables->orders; order < tables->orders + (size_t)tables->order_count * 3; order += 3)
        if (order[0] == type && !in_order(tables, bytes, values[order[1]], values[order[2]]))
            return 0;
    return type;
}

static int same(const uint8_t *bytes, struct value one, struct value other)
{
    uint32_t length = one.stop - one.start;

    return other.stop - other.start == length && memcmp(bytes + one.start, bytes + other.start, length) == 0;
}

/*
 * Accept rows from `start` on, none that ends behind `end` or is longer than `longest`, and at most `most` of them.
 *
 * `run` says where it stopped and how many rows that were; `counts` (one for each type) is added to. `reported` has `room` for
 * rows of STRIDE numbers: a row's number in this run, its type, and where the values in slots 1 to 6 start and stop. A row that
 * has the slots 1 and 2 of the last one that opened, and nothing in the others, is not reported.
 */
void accept_rows(const struct tables *tables, const uint8_t *bytes, uint64_t start, uint64_t end, uint64_t longest,
                 uint64_t most, uint32_t *reported, uint64_t room, uint64_t *counts, struct run *run)
{
    struct value opened[2] = {{0, 0}, {0, 0}};
    int open = 0;

    run->stopped = start;
    run->rows = run->reported = 0;
    if (end > UINT32_MAX || start > end)
        return;
    while (run->rows < most && run->reported < room && run->stopped < end) {
        uint64_t left = end - run->stopped;
        const uint8_t *feed = memchr(bytes + run->stopped, '\n', left < longest ? left : longest);
        struct value values[SLOTS];

        if (feed == NULL)
            return;
        memset(values, 0, sizeof values);
        unsigned type = accept(tables, bytes, run->stopped, (size_t)(feed - bytes), values);
        if (type == 0)
            return;

        uint8_t traits = tables->traits[type - 1];
        int adds = !(traits & ADDS_NOTHING);
        if (traits & OPENS) {
            open = 1;
            opened[0] = values[1];
            opened[1] = values[2];
        } else if (adds && open && same(bytes, values[1], opened[0]) && same(bytes, values[2], opened[1])) {
            adds = 0;
            for (int slot = 3; slot <= REPORTED; slot++)
                adds |= values[slot].start != values[slot].stop;
        }
        if (adds) {
            uint32_t *row = reported + run->reported++ * STRIDE;
            row[0] = (uint32_t)run->rows;
            row[1] = type - 1;
            memcpy(row + 2, values + 1, REPORTED * sizeof *values);
        }
        counts[type - 1]++;
        run->rows++;
        run->stopped = (uint64_t)(feed - bytes) + 1;
    }
}
