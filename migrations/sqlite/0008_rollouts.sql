-- Rollouts pile up; those that have not ended are few and asked for often.
CREATE INDEX rollouts_open ON rollouts (submitted_seq) WHERE ended_ts IS NULL;
CREATE INDEX rollouts_by_actor ON rollouts (actor, submitted_seq);
