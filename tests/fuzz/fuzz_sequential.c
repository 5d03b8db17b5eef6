/*
 * Fuzz target: a stored state of the sequential judge is refused or read; what was read is written
 * and read again to the same bytes, and judging it goes on with any counts.
 */
#include <stdlib.h>
#include <string.h>

#include "sequential.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void check_round_trip(const struct seq_state *st)
{
    struct seq_state back;
    struct buf first, second;

    buf_init(&first, 65536);
    buf_init(&second, 65536);
    seq_write(st, &first);
    if (!buf_ok(&first) || seq_read(first.data, first.len, &back, NULL) != ERR_OK)
        abort();
    seq_write(&back, &second);
    if (strcmp(buf_str(&first), buf_str(&second)) != 0)
        abort();
    buf_clear(&first);
    buf_clear(&second);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct seq_state st;
    struct seq_settings s;
    struct seq_result r;
    struct seq_interval in = {0};

    seq_settings_errors(&s);
    if (seq_read((const char *)data, n, &st, NULL) != ERR_OK)
        return 0;
    check_round_trip(&st);
    memcpy(&in, data, n < sizeof in ? n : sizeof in);
    seq_step(&st, &s, &in);
    seq_verdict(&st, &s, SEQ_FRESH, &r);
    return 0;
}
