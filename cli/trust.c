/*
 * Offline verification: the signatures of manifest and statement against trusted keys. Asks no
 * server and reads no file. One thread.
 */
#include "trust.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "seal.h"
#include "signers.h"

void trust_docs_clear(struct trust_docs *d)
{
    free(d->manifest);
    free(d->manifest_sig);
    free(d->statement);
    free(d->statement_sig);
    *d = (struct trust_docs){0};
}

bool trust_domain(const char *signers, char domain[256])
{
    struct signer s;
    const char *at = signers ? signers : "";
    if (!signers_next(&at, &s))
        return false;
    memcpy(domain, s.domain, sizeof s.domain);
    return true;
}

const char *trust_key_ids(const char *signers, struct arena *a)
{
    struct signer s;
    const char *ids = "";
    const char *at = signers ? signers : "";
    while (signers_next(&at, &s)) {
        char id[SEAL_ID_BYTES];
        seal_key_id(&s.key, id);
        ids = arena_printf(a, "%s%s%s", ids, *ids ? ", " : "", id);
    }
    return ids;
}

/* A document with its signature. */
struct sealed {
    const char *what; /* "manifest" or "statement" */
    const char *bytes, *armor;
    size_t n;
};

/* True if the line's key made the signature and may have made it. Otherwise e tells why not, in the
 * words of the line that came nearest: a good signature of another key beats a bad one. */
static bool line_vouches(const struct signer *s, const struct sealed *doc, struct trust_result *r,
                         struct err *e)
{
    char name_space[320];
    char id[SEAL_ID_BYTES];
    struct seal_public by;
    struct err why = {0};
    snprintf(name_space, sizeof name_space, "mreg-%s@%s", doc->what, s->domain);
    if (seal_verify(doc->armor, name_space, doc->bytes, doc->n, &by, &why) != ERR_OK) {
        if (!*e->message)
            err_set(e, ERR_CORRUPT, "signature of the %s: %s", doc->what, why.message);
        return false;
    }
    seal_key_id(&by, id);
    bool is_key = seal_equal(&by, &s->key, sizeof by);
    if (is_key && signer_allows(s, name_space, r->statement.created_ms)) {
        snprintf(r->key_id, sizeof r->key_id, "%s", id);
        return true;
    }
    err_set(e, ERR_CORRUPT, "the %s is signed by %s, which is %s", doc->what, id,
            is_key ? "trusted, but not for this or not at that time" : "not a trusted key");
    return false;
}

static int check_one(const struct sealed *doc, const char *signers, struct trust_result *r,
                     struct err *e)
{
    struct signer s;
    struct err why = {0};
    const char *at = signers;
    while (signers_next(&at, &s))
        if (line_vouches(&s, doc, r, &why))
            return ERR_OK;
    return err_set(e, ERR_CORRUPT, "%s",
                   *why.message ? why.message : "the trusted keys hold no key of a registry");
}

static int read_documents(const struct trust_docs *d, struct arena *a, struct trust_result *out,
                          struct err *e)
{
    json_t *m CLEANUP(json_decref_ptr) = NULL;
    json_t *s CLEANUP(json_decref_ptr) = NULL;
    const char *what = "manifest";
    int rc = json_parse(d->manifest, d->n_manifest, 16, &m, e);
    if (rc == ERR_OK)
        rc = manifest_from_json(m, "", a, &out->manifest, e);
    if (rc == ERR_OK) {
        what = "statement";
        rc = json_parse(d->statement, d->n_statement, 16, &s, e);
    }
    if (rc == ERR_OK)
        rc = statement_from_json(s, a, &out->statement, e);
    if (rc == ERR_OK)
        return ERR_OK;
    char why[sizeof e->message];
    snprintf(why, sizeof why, "%s", e->message);
    return err_set(e, ERR_CORRUPT, "the %s is damaged: %s", what, why);
}

int trust_check(const struct trust_docs *d, const char *signers, struct arena *a,
                struct trust_result *out, struct err *e)
{
    const struct sealed manifest = {"manifest", d->manifest, d->manifest_sig, d->n_manifest};
    const struct sealed statement = {"statement", d->statement, d->statement_sig, d->n_statement};
    struct digest content;
    int rc = read_documents(d, a, out, e);
    if (rc == ERR_OK)
        rc = check_one(&statement, signers, out, e);
    if (rc == ERR_OK)
        rc = check_one(&manifest, signers, out, e);
    if (rc != ERR_OK)
        return rc;
    digest_of(d->manifest, d->n_manifest, &content);
    if (!digest_equal(&content, &out->statement.content))
        return err_set(e, ERR_CORRUPT,
                       "the statement speaks of another content than this manifest");
    return ERR_OK;
}
