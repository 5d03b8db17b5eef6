/*
 * The table of settings and nothing else. Names are those of git-config files: letters, digits and
 * dashes, one dot after the section. Read by config.c; any thread.
 */
#include "settings.h"

#include <stddef.h>

#define KIB INT64_C(1024)
#define MIB (1024 * KIB)
#define GIB (1024 * MIB)
#define SECOND INT64_C(1000)
#define MINUTE (60 * SECOND)
#define HOUR (60 * MINUTE)

const struct setting settings[] = {
    {"registry.domain", SETTING_TEXT, "registry.local", 1, 253, NULL, false,
     "domain in signatures: the principal is registry@<domain>; frozen after the first start"},
    {"server.listen", SETTING_TEXT, "127.0.0.1:7070", 3, 64, NULL, false,
     "IPv4 address and port of the API and dashboard; port 0 takes a free one"},
    {"server.ops", SETTING_TEXT, "127.0.0.1:7071", 3, 64, NULL, false,
     "IPv4 address and port of /livez, /readyz and /metrics"},
    {"server.proxy", SETTING_CHOICE, "none", 0, 0, "none declared", false,
     "declared: a proxy stands in front that ends TLS and sets X-Forwarded-For and "
     "X-Forwarded-Proto; needed to listen beyond loopback"},
    {"server.threads", SETTING_INT, "512", 8, 4096, NULL, false,
     "connections that are served at the same time"},
    {"server.queue", SETTING_INT, "256", 16, 4096, NULL, false,
     "accepted connections that may wait for a thread"},
    {"server.keep-alive", SETTING_DURATION, "15s", 100, 10 * MINUTE, NULL, false,
     "how long an idle connection stays open"},
    {"server.header-timeout", SETTING_DURATION, "10s", 100, 5 * MINUTE, NULL, false,
     "time for a whole request header, and for one silent read of a body"},
    {"server.body-timeout", SETTING_DURATION, "30s", 100, 10 * MINUTE, NULL, true,
     "time for a whole JSON body"},
    {"server.min-rate", SETTING_SIZE, "1KiB", 0, 100 * MIB, NULL, true,
     "bytes per second below which a transfer is ended; 0 switches that off"},
    {"server.rate-window", SETTING_DURATION, "10s", 200, 10 * MINUTE, NULL, true,
     "time over which the rate of a transfer is measured"},
    {"server.drain-delay", SETTING_DURATION, "0", 0, 10 * MINUTE, NULL, true,
     "after SIGTERM: time between readyz saying 503 and the last accepted connection"},
    {"server.drain-timeout", SETTING_DURATION, "30s", 0, HOUR, NULL, true,
     "after SIGTERM: time that running requests get"},
    {"server.url", SETTING_TEXT, "", 0, 300, NULL, false,
     "address under which people reach this server, for links in webhooks and commit statuses"},
    {"oidc.issuer", SETTING_TEXT, "", 0, 240, NULL, false,
     "people log in at this OpenID Connect issuer: its https address, exactly as it calls itself"},
    {"oidc.client-id", SETTING_TEXT, "", 0, 200, NULL, false, "what the issuer calls this server"},
    {"oidc.client-secret-file", SETTING_TEXT, "", 0, 1000, NULL, false,
     "file with the client's secret; empty: a public client"},
    {"oidc.name", SETTING_TEXT, "single sign-on", 1, 60, NULL, false,
     "what the login page calls the issuer"},
    {"oidc.role-default", SETTING_TEXT, "", 0, 32, NULL, false,
     "role of people who log in for the first time; empty: only those who were added with their "
     "subject"},
    {"oidc.claim", SETTING_TEXT, "preferred_username", 1, 60, NULL, false,
     "claim that becomes the name of people who are new"},
    {"limits.json", SETTING_SIZE, "1MiB", KIB, 16 * MIB, NULL, false, "size of a JSON body"},
    {"limits.heavy", SETTING_INT, "16", 1, 4096, NULL, false, "heavy queries at the same time"},
    {"limits.uploads", SETTING_INT, "64", 1, 4096, NULL, false, "uploads at the same time"},
    {"limits.downloads", SETTING_INT, "256", 1, 4096, NULL, false, "downloads at the same time"},
    {"limits.streams", SETTING_INT, "128", 1, 4096, NULL, false, "event streams at the same time"},
    {"limits.free-space", SETTING_SIZE, "64MiB", 0, 1024 * 1024 * GIB, NULL, true,
     "readyz says 503 when the data filesystem has less room"},
    {"store.readers", SETTING_INT, "8", 1, 64, NULL, false, "read connections to the database"},
    {"rollout.observe-every", SETTING_DURATION, "10s", 100, HOUR, NULL, false,
     "how often idle nodes are looked at"},
    {"rollout.check-every", SETTING_DURATION, "1m", 0, 24 * HOUR, NULL, false,
     "how often the files on nodes are compared with what was placed; 0 switches that off"},
    {"rollout.sample-every", SETTING_DURATION, "5s", 100, HOUR, NULL, false,
     "how often counters are read during a bake"},
    {"webhook.timeout", SETTING_DURATION, "15s", 100, MINUTE, NULL, false,
     "time for one attempt to deliver a webhook or commit status"},
    {"webhook.private", SETTING_CHOICE, "allow", 0, 0, "allow deny", false,
     "deny: no webhooks to loopback and private networks; link-local addresses never get any"},
    {"webhook.retry-scale", SETTING_INT, "1000000", 1, 1000000, NULL, false,
     "millionths of the times between attempts; less than 1000000 is for tests"},
    {"log.level", SETTING_CHOICE, "info", 0, 0, "debug info warning error", true,
     "least important lines that are written"},
    {"log.format", SETTING_CHOICE, "auto", 0, 0, "auto json text", true,
     "auto: text on a terminal, JSON otherwise"},
    {"log.access", SETTING_BOOL, "true", 0, 0, NULL, true, "one line for each request"},
    {NULL, SETTING_INT, NULL, 0, 0, NULL, false, NULL},
};
