/*
 * SQL of rollouts, their commands, their status and the operations on nodes. Must not know rules:
 * which phase may follow which is decided in lib and server/rules. Runs on the thread that uses the
 * connection.
 */
#include "db_rollout.h"

#include <stdio.h>
#include <string.h>

int db_rollout_get(struct db *db, const char *id, struct arena *a, struct rollout_record *out,
                   struct err *e)
{
    struct stmt *q CLEANUP(stmt_done_ptr) = NULL;
    bool row = false;
    int rc = db_query(db, &q, e,
                      "SELECT r.rollout_id, m.name, v.name, t.serve_as, r.target_id,"
                      " COALESCE(r.from_number, 0), r.to_number, r.kind, r.actor, r.reason,"
                      " r.generation, r.created_ts, COALESCE(r.ended_ts, 0), r.strategy"
                      " FROM rollouts r JOIN targets t ON t.target_id = r.target_id"
                      " JOIN models m ON m.model_id = t.model_id"
                      " JOIN environments v ON v.env_id = t.env_id WHERE r.rollout_id = ?1",
                      "t", id);
    if (rc == ERR_OK)
        rc = stmt_next(q, &row, e);
    if (rc != ERR_OK)
        return rc;
    if (!row)
        return err_set(e, ERR_NOT_FOUND, "no rollout \"%s\"", id);
    *out = (struct rollout_record){
        .id = arena_strdup(a, stmt_text(q, 0)),
        .model = arena_strdup(a, stmt_text(q, 1)),
        .environment = arena_strdup(a, stmt_text(q, 2)),
        .serve_as = arena_strdup(a, stmt_text(q, 3)),
        .target_id = stmt_int(q, 4),
        .from = stmt_int(q, 5),
        .to = stmt_int(q, 6),
        .kind = arena_strdup(a, stmt_text(q, 7)),
        .actor = arena_strdup(a, stmt_text(q, 8)),
        .reason = arena_strdup(a, stmt_text(q, 9)),
        .generation = stmt_int(q, 10),
        .created_ms = stmt_int(q, 11),
        .ended_ms = stmt_int(q, 12),
        .strategy = arena_strdup(a, stmt_text(q, 13)),
    };
    return ERR_OK;
}

int db_rollout_status(struct db *db, const char *id, int64_t now_ms, struct arena *a,
                      struct rollout_status *out, struct err *e)
{
    struct stmt *q CLEANUP(stmt_done_ptr) = NULL;
    bool row = false;
    int rc = db_query(db, &q, e,
                      "SELECT status, revision FROM rollout_status WHERE rollout_id = ?1", "t", id);
    if (rc == ERR_OK)
        rc = stmt_next(q, &row, e);
    if (rc != ERR_OK)
        return rc;
    if (!row) {
        rollout_status_init(out, now_ms);
        return ERR_OK;
    }
    const char *text = stmt_text(q, 0);
    rc = rollout_status_read(text, strlen(text), a, out, e);
    if (rc == ERR_OK)
        out->revision = stmt_int(q, 1);
    return rc;
}

static int put_first(struct db *db, const char *id, const struct rollout_status *s,
                     const struct buf *text, struct err *e)
{
    return db_run(db, e,
                  "INSERT INTO rollout_status (rollout_id, revision, status, updated_ts)"
                  " VALUES (?1, ?2, ?3, ?4) ON CONFLICT (rollout_id) DO UPDATE SET"
                  " revision = excluded.revision, status = excluded.status,"
                  " updated_ts = excluded.updated_ts WHERE rollout_status.revision = 0",
                  "titi", id, s->revision, buf_str(text), s->updated_ms);
}

int db_rollout_status_put(struct db *db, const char *id, int64_t base_revision,
                          const struct rollout_status *s, struct err *e)
{
    struct buf text CLEANUP(buf_clear);
    buf_init(&text, ROLLOUT_STATUS_MAX_BYTES);
    rollout_status_write(s, &text);
    if (!buf_ok(&text))
        return err_set(e, ERR_TOO_LARGE, "the status of rollout %s is too large", id);
    int rc = base_revision == 0
                 ? put_first(db, id, s, &text, e)
                 : db_run(db, e,
                          "UPDATE rollout_status SET revision = ?1, status = ?2, updated_ts = ?3"
                          " WHERE rollout_id = ?4 AND revision = ?5",
                          "ititi", s->revision, buf_str(&text), s->updated_ms, id, base_revision);
    if (rc == ERR_OK && db_changes(db) != 1)
        return err_set(e, ERR_CONFLICT, "the status of %s is not at revision %lld any more", id,
                       (long long)base_revision);
    return rc;
}

int db_rollout_set_phase(struct db *db, const char *id, enum rollout_phase phase, int64_t ended_ms,
                         struct err *e)
{
    int rc;
    if (ended_ms == 0)
        rc = db_run(db, e, "UPDATE rollouts SET phase = ?1 WHERE rollout_id = ?2 AND is_active = 1",
                    "tt", rollout_phase_name(phase), id);
    else
        rc = db_run(db, e,
                    "UPDATE rollouts SET phase = ?1, is_active = 0, ended_ts = ?2"
                    " WHERE rollout_id = ?3 AND is_active = 1",
                    "tit", rollout_phase_name(phase), ended_ms, id);
    if (rc == ERR_OK && db_changes(db) != 1)
        return err_set(e, ERR_CONFLICT, "rollout %s has ended", id);
    return rc;
}

int db_target_set_live(struct db *db, int64_t target_id, int64_t live, int64_t last_good,
                       struct err *e)
{
    return db_run(db, e,
                  "UPDATE targets SET live_number = ?1, last_good_number = ?2"
                  " WHERE target_id = ?3",
                  "iii", live, last_good, target_id);
}

int db_rollout_commands(struct db *db, const char *id, int64_t seq, struct arena *a,
                        struct rollout_command **out, size_t *n, struct err *e)
{
    struct stmt *q CLEANUP(stmt_done_ptr) = NULL;
    struct rollout_command *list = NULL;
    size_t cap = 0;
    size_t len = 0;
    int rc = db_query(db, &q, e,
                      "SELECT command_seq, verb, COALESCE(expected_step, 0), actor, reason, ts,"
                      " COALESCE(expected_generation, 0), arg,"
                      " COALESCE((SELECT name FROM tokens WHERE token_id = actor),"
                      " (SELECT name FROM users WHERE user_id = actor AND is_removed = 0))"
                      " FROM rollout_commands WHERE rollout_id = ?1 AND command_seq > ?2"
                      " ORDER BY command_seq LIMIT 100",
                      "ti", id, seq);
    bool row = rc == ERR_OK;
    while (row && (rc = stmt_next(q, &row, e)) == ERR_OK && row) {
        struct rollout_command c = {.seq = stmt_int(q, 0),
                                    .expected_step = stmt_int(q, 2),
                                    .actor = arena_strdup(a, stmt_text(q, 3)),
                                    .reason = arena_strdup(a, stmt_text(q, 4)),
                                    .ts_ms = stmt_int(q, 5),
                                    .expected_generation = stmt_int(q, 6),
                                    .arg = stmt_int(q, 7),
                                    .name = arena_strdup(a, stmt_text(q, 8))};
        if (!command_verb_by_name(stmt_text(q, 1), &c.verb))
            return err_set(e, ERR_CORRUPT, "rollout %s has an unknown command", id);
        if (len == cap) {
            struct rollout_command *more = arena_alloc(a, (cap + 8) * 2 * sizeof *more);
            if (len > 0)
                memcpy(more, list, len * sizeof *list);
            list = more;
            cap = (cap + 8) * 2;
        }
        list[len++] = c;
    }
    if (rc == ERR_OK) {
        *out = list;
        *n = len;
    }
    return rc;
}

int db_command_last(struct db *db, int64_t *seq, struct err *e)
{
    return db_int(db, seq, NULL, e, "SELECT COALESCE(MAX(command_seq), 0) FROM rollout_commands",
                  "");
}

int db_op_open(struct db *db, const struct op_row *op, struct err *e)
{
    return db_run(db, e,
                  "INSERT INTO node_ops (op_key, rollout_id, target_id, node_id, action, number,"
                  " attempt, generation, state, started_ts, deadline_ts)"
                  " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, 'open', ?9, ?10)",
                  "ttiitiiiii", op->op_key, op->rollout_id, op->target_id, op->node_id,
                  op_action_name(op->action), op->number, (int64_t)op->attempt, op->generation,
                  op->started_ms, op->deadline_ms);
}

int db_op_close(struct db *db, const struct op_row *op, struct err *e)
{
    return db_run(db, e,
                  "UPDATE node_ops SET state = ?1, error_class = ?2, detail = ?3, ended_ts = ?4"
                  " WHERE op_key = ?5 AND state = 'open'",
                  "tttit", op_state_name(op->state),
                  op->why == OP_CLASS_NONE ? NULL : op_class_name(op->why), op->detail,
                  op->ended_ms, op->op_key);
}

static bool read_op(struct stmt *q, struct op_row *out)
{
    bool has_action = false;
    bool has_state = false;
    for (int i = 0; i < OP_ACTION_COUNT; i++) {
        if (strcmp(op_action_name((enum op_action)i), stmt_text(q, 0)) == 0) {
            out->action = (enum op_action)i;
            has_action = true;
        }
    }
    for (int i = OP_NONE; i <= OP_UNKNOWN; i++) {
        if (strcmp(op_state_name((enum op_state)i), stmt_text(q, 1)) == 0) {
            out->state = (enum op_state)i;
            has_state = true;
        }
    }
    for (int i = OP_CLASS_NONE; i <= OP_CLASS_MISSING && !stmt_is_null(q, 2); i++) {
        if (strcmp(op_class_name((enum op_class)i), stmt_text(q, 2)) == 0)
            out->why = (enum op_class)i;
    }
    return has_action && has_state;
}

int db_op_get(struct db *db, const char *op_key, struct arena *a, struct op_row *out, bool *found,
              struct err *e)
{
    struct stmt *q CLEANUP(stmt_done_ptr) = NULL;
    bool row = false;
    int rc = db_query(db, &q, e,
                      "SELECT action, state, error_class, detail, attempt, number, started_ts,"
                      " deadline_ts, COALESCE(ended_ts, 0) FROM node_ops WHERE op_key = ?1",
                      "t", op_key);
    if (rc == ERR_OK)
        rc = stmt_next(q, &row, e);
    if (rc != ERR_OK)
        return rc;
    *found = row;
    if (!row)
        return ERR_OK;
    *out = (struct op_row){.op_key = op_key,
                           .detail = arena_strdup(a, stmt_text(q, 3)),
                           .attempt = (int)stmt_int(q, 4),
                           .number = stmt_int(q, 5),
                           .started_ms = stmt_int(q, 6),
                           .deadline_ms = stmt_int(q, 7),
                           .ended_ms = stmt_int(q, 8)};
    if (!read_op(q, out))
        return err_set(e, ERR_CORRUPT, "operation %s is of an unknown kind", op_key);
    return ERR_OK;
}

int db_ops_switches(struct db *db, int64_t target_id, struct arena *a, struct op_row **out,
                    size_t *n, struct err *e)
{
    struct stmt *q CLEANUP(stmt_done_ptr) = NULL;
    struct op_row *list = NULL;
    size_t len = 0;
    int rc = db_query(db, &q, e,
                      "SELECT action, state, error_class, node_id, number FROM node_ops"
                      " WHERE target_id = ?1 AND action = ?2"
                      " ORDER BY node_id, started_ts, attempt",
                      "it", target_id, op_action_name(OP_SWITCH));
    bool row = rc == ERR_OK;
    while (row && (rc = stmt_next(q, &row, e)) == ERR_OK && row) {
        list = arena_grow(a, list, len, sizeof *list);
        list[len] = (struct op_row){
            .target_id = target_id, .node_id = stmt_int(q, 3), .number = stmt_int(q, 4)};
        if (read_op(q, &list[len]))
            len++;
    }
    *out = list;
    *n = len;
    return rc;
}

int db_ops_forget_switches(struct db *db, int64_t target_id, int64_t node_id, struct err *e)
{
    return db_run(db, e,
                  "DELETE FROM node_ops WHERE target_id = ?1 AND node_id = ?2 AND action = ?3"
                  " AND state <> 'open'",
                  "iit", target_id, node_id, op_action_name(OP_SWITCH));
}

int db_ops_doubt(struct db *db, int64_t now_ms, int64_t *n, struct err *e)
{
    int rc = db_run(db, e,
                    "UPDATE node_ops SET state = 'unknown', ended_ts = ?1,"
                    " detail = 'mregd was started again meanwhile' WHERE state = 'open'",
                    "i", now_ms);
    if (rc == ERR_OK)
        *n = db_changes(db);
    return rc;
}
