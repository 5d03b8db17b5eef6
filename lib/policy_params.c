/*
 * Members of a policy by table: reading with bounds and hints, and writing the same text back.
 * Knows nothing of what the members mean. Pure; any thread.
 */
#include "policy_params.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "when.h"

int policy_blame(struct err *e, const char *at, const char *key, const char *why)
{
    char pointer[256];
    snprintf(pointer, sizeof pointer, "%s/%s", at, key);
    return err_at(e, ERR_INVALID, pointer, "%s", why);
}

static int refuse(struct err *e, const char *at, const struct param *p, const char *why)
{
    return policy_blame(e, at, p->key, p->why != NULL ? p->why : why);
}

static int read_choice(const char *text, const char *at, const struct param *p, int *out,
                       struct err *e)
{
    const char *offered[16];
    size_t n = 0;
    for (int i = 0; p->hi >> i != 0 && p->names[i] != NULL && n + 1 < ARRAY_LEN(offered); i++) {
        if ((p->hi >> i & 1) == 0)
            continue;
        if (strcmp(p->names[i], text) == 0) {
            *out = i;
            return ERR_OK;
        }
        offered[n++] = p->names[i];
    }
    offered[n] = NULL;
    char why[256];
    const char *near = json_nearest(text, offered);
    snprintf(why, sizeof why, "unknown value \"%.60s\"%s%s%s", text,
             near ? "; did you mean \"" : "", near ? near : "", near ? "\"?" : "");
    return policy_blame(e, at, p->key, why);
}

/* Reads "0.02" with up to n_decimals digits after the point as an integer of that scale. */
static bool parse_decimal(const char *text, int n_decimals, int64_t *out)
{
    int64_t v = 0;
    int n_digits = 0;
    for (; *text >= '0' && *text <= '9' && n_digits < 9; text++, n_digits++)
        v = v * 10 + (*text - '0');
    if (n_digits == 0)
        return false;
    bool has_point = *text == '.';
    if (has_point)
        text++;
    int n = 0;
    for (; has_point && *text >= '0' && *text <= '9' && n < n_decimals; text++, n++)
        v = v * 10 + (*text - '0');
    if (*text != '\0' || (has_point && n == 0))
        return false;
    for (; n < n_decimals; n++)
        v *= 10;
    *out = v;
    return true;
}

static int read_decimal(const char *text, const char *at, const struct param *p, int64_t *out,
                        struct err *e)
{
    bool is_negative = p->type == PARAM_LIMIT && text[0] == '-';
    int64_t v = 0;
    if (!parse_decimal(text + is_negative, p->n_decimals, &v) || v < p->lo || v > p->hi)
        return refuse(e, at, p, "must be a number as text, such as \"0.5\", within bounds");
    *out = is_negative ? -v : v;
    return ERR_OK;
}

static int read_duration(const char *text, const char *at, const struct param *p, int64_t *out,
                         struct err *e)
{
    int64_t ms = 0;
    struct err cause;
    if (when_parse_duration(text, &ms, &cause) != ERR_OK)
        return refuse(e, at, p, "must be a duration such as \"30s\" or \"1h30m\"");
    if (ms < p->lo || ms > p->hi)
        return refuse(e, at, p, "the duration is out of bounds");
    *out = ms;
    return ERR_OK;
}

static int read_amount(const json_t *j, const char *at, const struct param *p,
                       struct policy_amount *out, struct err *e)
{
    struct policy_amount amount = {0};
    const char *text = json_string_value(json_object_get(j, p->key));
    if (text == NULL) {
        int rc = json_get_int(j, at, p->key, 1, 100000, &amount.n_nodes, e);
        if (rc == ERR_OK)
            *out = amount;
        return rc;
    }
    size_t n = strlen(text);
    char digits[8];
    bool is_share = n > 1 && n < sizeof digits && text[n - 1] == '%';
    snprintf(digits, sizeof digits, "%.*s", is_share ? (int)n - 1 : 0, text);
    if (!parse_decimal(digits, 0, &amount.percent) || amount.percent < 1 || amount.percent > 100)
        return refuse(e, at, p, "must be a number of nodes or a share such as \"25%\"");
    *out = amount;
    return ERR_OK;
}

static bool is_name(const char *text)
{
    static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
                                  "._-/";
    return text[0] != '\0' && text[strspn(text, allowed)] == '\0';
}

static int read_name(const char *text, const char *at, const struct param *p, char *out,
                     struct err *e)
{
    if (strlen(text) >= POLICY_NAME_BYTES || !is_name(text))
        return refuse(e, at, p, "must be 1 to 39 letters, digits, '.', '_', '-' or '/'");
    snprintf(out, POLICY_NAME_BYTES, "%s", text);
    return ERR_OK;
}

static int read_text(const char *text, const struct param *p, const struct param_place *place,
                     int *out, struct err *e)
{
    if (text[0] == '\0' || (int64_t)strlen(text) > p->hi)
        return refuse(e, place->at, p, "must be a text that is neither empty nor too long");
    int at = policy_text_add(place->policy, text);
    if (at < 0)
        return refuse(e, place->at, p, "the texts of a policy must not exceed 2047 bytes together");
    *out = at;
    return ERR_OK;
}

static int read_string(const json_t *j, const struct param *p, const struct param_place *place,
                       struct err *e)
{
    void *to = (char *)place->base + p->at;
    const char *text = NULL;
    int rc = json_get_str(j, place->at, p->key, 4096, &text, e);
    if (rc != ERR_OK)
        return rc;
    int64_t share = 0;
    switch (p->type) {
    case PARAM_DURATION:
        return read_duration(text, place->at, p, to, e);
    case PARAM_CHOICE:
        return read_choice(text, place->at, p, to, e);
    case PARAM_NAME:
        return read_name(text, place->at, p, to, e);
    case PARAM_TEXT:
        return read_text(text, p, place, to, e);
    case PARAM_LIMIT:
        *(bool *)((char *)place->base + p->has_at) = true;
        return read_decimal(text, place->at, p, to, e);
    case PARAM_WEIGHT:
        rc = read_decimal(text, place->at, p, &share, e);
        *(int *)to = rc == ERR_OK ? (int)share : -1;
        return rc;
    default:
        return read_decimal(text, place->at, p, to, e);
    }
}

static int read_param(const json_t *j, const struct param *p, const struct param_place *place,
                      struct err *e)
{
    void *to = (char *)place->base + p->at;
    int64_t v = 0;
    int rc;
    switch (p->type) {
    case PARAM_INT:
        rc = json_get_int(j, place->at, p->key, p->lo, p->hi, &v, e);
        if (rc == ERR_OK)
            *(int *)to = (int)v;
        return rc;
    case PARAM_INT64:
        return json_opt_int(j, place->at, p->key, p->lo, p->hi, to, e);
    case PARAM_BOOL:
        return json_opt_bool(j, place->at, p->key, to, e);
    case PARAM_AMOUNT:
        return read_amount(j, place->at, p, to, e);
    default:
        return read_string(j, p, place, e);
    }
}

int params_read(const json_t *j, const struct param *params, size_t n,
                const struct param_place *place, struct err *e)
{
    for (size_t i = 0; i < n; i++) {
        bool is_there = json_object_get(j, params[i].key) != NULL;
        int rc = ERR_OK;
        if (is_there)
            rc = read_param(j, &params[i], place, e);
        else if (params[i].is_required)
            rc = policy_blame(e, place->at, params[i].key, "is missing");
        if (rc != ERR_OK)
            return rc;
    }
    return ERR_OK;
}

size_t params_keys(const struct param *params, size_t n, const char **keys, size_t len)
{
    for (size_t i = 0; i < n; i++)
        keys[len++] = params[i].key;
    keys[len] = NULL;
    return len;
}

/* --- writing --- */

/* Exact text of a duration that when_parse_duration reads back ("1h30m", "0"). */
static json_t *duration_json(int64_t ms)
{
    static const struct {
        const char *unit;
        int64_t ms;
    } units[] = {{"d", 86400000}, {"h", 3600000}, {"m", 60000}, {"s", 1000}, {"ms", 1}};
    char text[96];
    size_t n = 0;
    for (size_t i = 0; i < ARRAY_LEN(units); i++) {
        if (ms >= units[i].ms)
            n += (size_t)snprintf(text + n, sizeof text - n, "%" PRId64 "%s", ms / units[i].ms,
                                  units[i].unit);
        ms %= units[i].ms;
    }
    return json_string(n == 0 ? "0" : text);
}

/* v of 10^-n_decimals as text without trailing zeros. */
static json_t *decimal_json(int64_t v, int n_decimals)
{
    int64_t scale = 1;
    for (int i = 0; i < n_decimals; i++)
        scale *= 10;
    const char *sign = v < 0 ? "-" : "";
    v = v < 0 ? -v : v;
    char text[48];
    int n = snprintf(text, sizeof text, "%s%" PRId64 ".%0*" PRId64, sign, v / scale, n_decimals,
                     v % scale);
    while (n > 0 && text[n - 1] == '0')
        text[--n] = '\0';
    if (n > 0 && text[n - 1] == '.')
        text[--n] = '\0';
    return json_string(text);
}

static json_t *amount_json(const struct policy_amount *amount)
{
    if (amount->percent > 0)
        return json_sprintf("%d%%", (int)amount->percent);
    return amount->n_nodes > 0 ? json_integer(amount->n_nodes) : NULL;
}

static json_t *quiet(const struct param *p, int64_t v)
{
    return v == 0 && p->is_quiet ? NULL : json_integer(v);
}

static json_t *param_json(const struct param *p, const void *base, const struct policy *policy)
{
    const char *from = (const char *)base + p->at;
    const int *number = (const void *)from;
    const int64_t *wide = (const void *)from;
    switch (p->type) {
    case PARAM_INT:
        return quiet(p, *number);
    case PARAM_INT64:
        return quiet(p, *wide);
    case PARAM_BOOL:
        return *from != 0 || !p->is_quiet ? json_boolean(*from != 0) : NULL;
    case PARAM_DURATION:
        return *wide != 0 || !p->is_quiet ? duration_json(*wide) : NULL;
    case PARAM_CHOICE:
        return json_string(p->names[*number]);
    case PARAM_AMOUNT:
        return amount_json((const void *)from);
    case PARAM_NAME:
        return from[0] != '\0' ? json_string(from) : NULL;
    case PARAM_TEXT:
        return *number > 0 ? json_string(policy_text(policy, *number)) : NULL;
    case PARAM_DECIMAL:
        return decimal_json(*wide, p->n_decimals);
    case PARAM_LIMIT:
        return ((const char *)base)[p->has_at] != 0 ? decimal_json(*wide, p->n_decimals) : NULL;
    case PARAM_WEIGHT:
        return *number >= 0 ? decimal_json(*number, p->n_decimals) : NULL;
    }
    return NULL;
}

void params_write(json_t *j, const struct param *params, size_t n, const void *base,
                  const struct policy *policy)
{
    for (size_t i = 0; i < n; i++) {
        json_t *value = param_json(&params[i], base, policy);
        if (value != NULL)
            json_object_set_new(j, params[i].key, value);
    }
}
