/*
 * What a server said went wrong, made fit for people: one line, well-formed, of bounded length.
 * Shared by drivers. Pure.
 */
#include "words.h"

#include <string.h>

#include "json.h"
#include "utf8.h"

void words_add(struct driver_result *out, const char *p, size_t n)
{
    size_t used = strlen(out->text);

    while (n > 0) {
        uint32_t code = 0;
        size_t len = utf8_next(p, n, &code);
        const char *from = p;

        if (len == 0 || utf8_is_control(code))
            from = len == 0 ? "?" : " ";
        if (used + (from == p ? len : 1) >= sizeof(out->text))
            break;
        memcpy(out->text + used, from, from == p ? len : 1);
        used += from == p ? len : 1;
        p += len == 0 ? 1 : len;
        n -= len == 0 ? 1 : len;
    }
    out->text[used] = '\0';
}

/* A traceback's message is its last line that says something; Triton's Python backend has it before
 * where it happened. */
static void add_last_line(struct driver_result *out, const char *body, size_t n)
{
    static const char where[] = "\n\nAt:\n";
    const char *place = memmem(body, n, where, sizeof(where) - 1);
    size_t from;

    if (place != NULL && place > body)
        n = (size_t)(place - body);
    while (n > 0 && strchr(" \t\r\n", body[n - 1]) != NULL)
        n--;
    from = n;
    while (from > 0 && body[from - 1] != '\n')
        from--;
    words_add(out, body + from, n - from);
}

void words_add_reason(struct driver_result *out, const struct http_answer *answer)
{
    json_t *j CLEANUP(json_decref_ptr) = NULL;
    const json_t *said;

    if (answer->body == NULL || answer->body_len == 0)
        return;
    words_add(out, ": ", 2);
    if (json_parse(answer->body, answer->body_len, JSON_MAX_DEPTH, &j, NULL) != ERR_OK) {
        add_last_line(out, answer->body, answer->body_len);
        return;
    }
    said = json_object_get(j, "error");
    if (said == NULL)
        said = json_object_get(j, "detail");
    if (json_is_array(said))
        said = json_object_get(json_array_get(said, 0), "msg");
    if (json_is_string(said))
        add_last_line(out, json_string_value(said), json_string_length(said));
    else
        add_last_line(out, answer->body, answer->body_len);
}
