/*
 * The texts of the topics. Exit codes are frozen: a row may be added, none changed.
 */
#include "topics.h"

#include <stddef.h>
#include <string.h>

#include "roles.h"

static const struct topic_row exit_codes[] = {
    {"0", "done; also when it was so already, and for a plan only"},
    {"1", "failed, and no other code says it better"},
    {"2", "usage: the command line is wrong"},
    {"3", "not found"},
    {"4", "not authenticated"},
    {"5", "not allowed"},
    {"6", "conflict: the state has moved on, or forbids this now"},
    {"7", "verification failed: a digest, a signature or a pinned key"},
    {"8", "the server cannot be reached or cannot serve now; the same command can be run again"},
    {"9", "throttled, too large or over a quota"},
    {"10", "the rollout was aborted, failed a gate or was rolled back"},
    {"11", "waiting timed out; it is still running"},
    {"12", "partly done: some of several objects"},
    {"13", "refused: a confirmation is missing or was declined"},
    {"14", "it waits for an approval"},
    {"20", "a local file or device cannot be read or written, or the disk is full"},
    {"70", "a bug of this program; the path of a report was printed"},
    {"130", "interrupted (SIGINT)"},
    {"143", "terminated (SIGTERM)"},
    {NULL, NULL},
};

static const struct topic_row environment[] = {
    {"MREG_CONTEXT", "the context to use (see contexts)"},
    {"MREG_URL", "the registry to talk to"},
    {"MREG_TOKEN", "the token"},
    {"MREG_TOKEN_FILE", "a file that holds the token"},
    {"MREG_OUTPUT", "the output format (see output)"},
    {"MREG_CA", "a file of certificates to trust instead of the system's"},
    {"MREG_ACCESSIBLE", "1: as --accessible"},
    {"MREG_DEBUG", "1: as --debug"},
    {"NO_COLOR", "not empty: no colour"},
    {"CLICOLOR_FORCE", "not empty and not 0: colour also in a pipe"},
    {"TERM", "dumb: no colour, nothing is drawn over"},
    {"COLUMNS", "width of tables, instead of the terminal's"},
    {"SOURCE_DATE_EPOCH", "what relative times (\"3 h ago\") are counted from, in seconds"},
    {"XDG_CONFIG_HOME", "where mreg/config and mreg/credentials*.json lie (~/.config)"},
    {"XDG_CACHE_HOME", "where mreg keeps what it can make anew (~/.cache)"},
    {NULL, NULL},
};

static const struct topic_row errors[] = {
    {"invalid", "Something that was given is wrong; the message names the place. Exit code 2."},
    {"not-found", "There is no such thing, or this token may not see it. Exit code 3."},
    {"exists", "A thing of that name exists with other content. Exit code 6."},
    {"conflict", "The state has moved on, or forbids this now: look at it again with show or "
                 "status, then decide. Exit code 6."},
    {"forbidden", "The token is known, but its role or its models do not allow this; \"mreg "
                  "whoami\" shows both. Exit code 5."},
    {"unauthenticated", "No token was given, or it is unknown, revoked or expired: log in again. "
                        "Exit code 4."},
    {"too-large", "Over a limit of the server or of this program. Exit code 9."},
    {"unavailable", "The server cannot be reached or cannot serve now. Nothing was lost; the same "
                    "command can be run again. Exit code 8."},
    {"timeout", "There was no answer in time. Running the same command again is safe: a change "
                "is made once. Exit code 8."},
    {"corrupt", "Bytes or keys are not what they should be. Do not use them. Exit code 7."},
    {"refused", "A rule of the registry says no; the message says which. Exit code 1."},
    {"throttled", "Too many requests, or over a quota: wait, then run it again. Exit code 9."},
    {"no-space", "The server's disk is full. Nothing was lost. Exit code 9."},
    {"internal", "A bug of the server; the request id finds it in its log. Exit code 1."},
    {"local-io", "A file or device of this machine cannot be read or written. Exit code 20."},
    {"unconfirmed", "Nobody agreed: answer the question, or give --yes or --confirm NAME. Exit "
                    "code 13."},
    {NULL, NULL},
};

static const struct topic_row output[] = {
    {"table", "columns with heads; cut to the width of a terminal. What a terminal gets"},
    {"wide", "the same, never cut"},
    {"json", "one object, also on failure (as --json)"},
    {"ndjson", "a list as one object per line, anything else as one line"},
    {"yaml", "the object of json as YAML"},
    {"name", "names only, one per line, as other commands take them"},
    {"id", "ids only (of rollouts, tokens and webhooks; else the name)"},
    {"plain", "one record per line, tabs between, times in UTC. What a pipe gets"},
    {NULL, NULL},
};

static const struct topic_row contexts[] = {
    {"url", "the registry"},
    {"protected", "true: every change asks for the context's name (--confirm NAME) and a --reason"},
    {"token-file", "a file with the token, instead of a login"},
    {"helper", "a command line whose output is the token, instead of a login; it sees MREG_URL and "
               "MREG_CONTEXT"},
    {"ca", "a file of certificates to trust"},
    {"environment", "what --env of rollback is when it is not given"},
    {"output", "the output format"},
    {NULL, NULL},
};

static const struct topic_row questions[] = {
    {"deletions",
     "of models, versions, environments, nodes, routers, webhooks, people and contexts: "
     "refused, exit 13, without --yes (model delete: without --confirm MODEL)"},
    {"rollouts",
     "rollout promote, rollout abort, rollout halt, and rollback while a rollout is under "
     "way: done, as whoever wrote the script has decided"},
    {"protected",
     "any change in a protected context: refused without --confirm CONTEXT and --reason; "
     "--yes is not enough, on a terminal the name is typed"},
    {NULL, NULL},
};

static const struct topic_row references[] = {
    {"fraud@7", "version 7"},
    {"fraud@champion", "the version that an alias points at"},
    {"fraud@production", "the version that is live in an environment"},
    {"fraud@latest", "the newest version; also what a bare \"fraud\" is"},
    {"fraud@sha256:9f2c...", "the version with this content (64 digits)"},
    {"fraud@{2026-05-03}",
     "the newest version at the end of that day; @{2026-05-03T10:00} is a time in UTC"},
    {NULL, NULL},
};

static const struct topic_row formats[] = {
    {"mlflow", "a folder with MLmodel, served by mlserver_mlflow.MLflowRuntime"},
    {"pickle", "a *.pkl, *.pickle or *.joblib file, served by mlserver_sklearn.SKLearnModel"},
    {"mreg-linear", "a JSON file of the reference node"},
    {"onnx, safetensors", "known by their bytes; served with serving/model-settings.json only"},
    {"unknown", "anything else; served with serving/model-settings.json only"},
    {NULL, NULL},
};

static const struct topic_row plugins[] = {
    {"MREG_URL", "the registry"},
    {"MREG_TOKEN", "the token, if there is one"},
    {"MREG_CONTEXT", "the context"},
    {"MREG_COMMAND", "the mreg that started the plugin"},
    {NULL, NULL},
};

#define ROW(name, permissions, text) {name, text},
static const struct topic_row role_rows[] = {ROLES(ROW){NULL, NULL}};

const struct topic topics[] = {
    {"exit-codes", "Exit status", "An unknown code is to be taken as failure.", exit_codes},
    {"environment", "Environment",
     "An option wins over the environment, that over the file .mreg of this folder or a parent, "
     "that over the context, and that over a default. \"mreg config get --origin KEY\" tells where "
     "a value comes from. An unknown MREG_ variable is warned about.",
     environment},
    {"errors", "Error codes",
     "An error begins with its code: \"error: not-found: ...\". \"mreg help errors CODE\" explains "
     "one.",
     errors},
    {"roles", "Roles",
     "Every token and every person has one role, and may see some models (all with \"*\"). \"mreg "
     "whoami\" tells one's own; an admin gives others: \"mreg token create NAME --role ROLE\", "
     "\"mreg user edit NAME --role ROLE\". A role may what stands beside it and nothing else: a "
     "deployer "
     "may not push, a pusher may not deploy.",
     role_rows},
    {"output", "Output",
     "Results go to standard output, talk to standard error. -o FORMAT chooses another form, "
     "--columns A,B picks columns of a table or members of objects, --no-header leaves the heads "
     "out.",
     output},
    {"contexts", "Contexts and settings",
     "A context is a registry with a name: \"mreg context add prod https://models.example.com "
     "--protected\", then \"mreg login --context prod\". The chosen one is --context, else "
     "MREG_CONTEXT, else what .mreg of this folder or a parent says (a line \"context = prod\"; "
     "environment and output can stand there, too), else that of \"mreg context use\", else "
     "\"default\". Their settings, in sections [context \"NAME\"] of mreg/config:",
     contexts},
    {"questions", "Questions before changes",
     "On a terminal mreg says what these will do, and asks; nothing else asks. --yes answers yes, "
     "--no-input asks nothing. Where nobody can be asked (no terminal, --no-input, --json):",
     questions},
    {"references", "References", "MODEL@REF names a version. REF is one of these:", references},
    {"formats", "Formats of models",
     "push tells the format by the first bytes of the files. To be served, a node's server needs "
     "model-settings.json, which mreg makes for the first three. For others, or to choose the "
     "server's runtime, put a file serving/model-settings.json into the version; mreg fills in "
     "name "
     "and version, and uri is relative to the version's folder. The least that it needs: "
     "{\"implementation\": \"mlserver_xgboost.XGBoostModel\", \"parameters\": {\"uri\": "
     "\"./model.json\"}}. Triton takes {\"implementation\": \"triton\"} and its own config.pbtxt.",
     formats},
    {"plugins", "Plugins",
     "A program mreg-foo on PATH is run by \"mreg foo ...\" with all words behind foo, unless mreg "
     "has a command of that name. It gets in its environment:",
     plugins},
    {NULL, NULL, NULL, NULL},
};

const struct topic *topic_find(const char *name)
{
    for (const struct topic *t = topics; t->name; t++)
        if (strcmp(t->name, name) == 0)
            return t;
    return NULL;
}

const struct topic_row *topic_row_find(const struct topic *topic, const char *term)
{
    size_t n = strlen(term);
    for (const struct topic_row *r = topic->rows; r->term; r++)
        if (strncmp(r->term, term, n) == 0 && strchr(" ", r->term[n]))
            return r;
    return NULL;
}
