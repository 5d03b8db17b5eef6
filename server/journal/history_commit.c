/*
 * Journal row to commit text. Pure; knows neither libgit2 nor the database.
 */
#include "history_commit.h"

#include <string.h>

#include "when.h"

/* The reason without line breaks at its ends; it stands above the trailers, which git takes from
 * the last paragraph only, so that no reason can forge one. */
static void write_reason(const char *reason, struct buf *out)
{
    reason += strspn(reason, "\n\t ");
    size_t n = strlen(reason);
    while (n && strchr("\n\t ", reason[n - 1]))
        n--;
    if (!n)
        return;
    buf_put(out, reason, n);
    buf_puts(out, "\n\n");
}

static void write_message(const struct commit_parts *parts, struct buf *out)
{
    const struct db_journal_row *row = parts->row;
    char time[WHEN_TEXT_BYTES];
    char digest[DIGEST_TEXT_BYTES];
    buf_putf(out, "\n%s\n\n", row->message);
    if (row->reason)
        write_reason(row->reason, out);
    buf_putf(out, "Seq: %lld\nKind: %s\nObject: %s\nTime: %s\n", (long long)row->seq, row->kind,
             row->object, when_format(row->ts, time));
    for (size_t i = 0; i < parts->n_docs; i++) {
        const struct db_journal_doc *doc = &parts->docs[i];
        buf_putf(out, "Document: %s %s\n", doc->path,
                 doc->bytes ? digest_text(&doc->digest, digest) : "deleted");
    }
}

void commit_write(const struct commit_parts *parts, struct buf *out)
{
    const struct db_journal_row *row = parts->row;
    char hex[GIT_ID_HEX_BYTES];
    long long seconds = row->ts / 1000;
    buf_putf(out, "tree %s\n", git_id_hex(parts->tree, hex));
    if (parts->parent)
        buf_putf(out, "parent %s\n", git_id_hex(parts->parent, hex));
    buf_putf(out, "author %s <%s@%s> %lld +0000\n", row->actor, row->actor, parts->registry_id,
             seconds);
    buf_putf(out, "committer mreg <registry@%s> %lld +0000\n", parts->domain, seconds);
    write_message(parts, out);
}

void commit_write_signed(const struct buf *text, const char *armor, struct buf *out)
{
    const char *headers_end = strstr(buf_str(text), "\n\n") + 1;
    size_t n_headers = (size_t)(headers_end - text->data);
    buf_put(out, text->data, n_headers);
    buf_puts(out, "gpgsig");
    for (const char *line = armor; *line;) { /* continued lines begin with a space */
        size_t n = strcspn(line, "\n");
        buf_putc(out, ' ');
        buf_put(out, line, n);
        buf_putc(out, '\n');
        line += n + (line[n] == '\n');
    }
    buf_put(out, headers_end, text->len - n_headers);
}

int64_t commit_seq(const char *text, size_t n)
{
    static const char mark[] = "\nSeq: ";
    const char *found = NULL;
    for (const char *p = text; (p = memmem(p, n - (size_t)(p - text), mark, sizeof mark - 1)); p++)
        found = p;
    int64_t seq = 0;
    if (!found)
        return 0;
    for (const char *p = found + sizeof mark - 1; p < text + n && *p >= '0' && *p <= '9'; p++) {
        if (seq > INT64_MAX / 10 - 1)
            return 0;
        seq = seq * 10 + (*p - '0');
    }
    return seq;
}

bool commit_tree(const char *text, size_t n, struct git_id *tree)
{
    return n > 46 && memcmp(text, "tree ", 5) == 0 && git_id_parse(text + 5, tree);
}
