-- Who is told when something else is asked of a session, what is on its way to them, and what was last asked.

CREATE TABLE webhooks (
    id            TEXT   NOT NULL PRIMARY KEY,
    tenant        TEXT   NOT NULL,
    url           TEXT   NOT NULL,
    format        TEXT   NOT NULL,
    events        TEXT   NOT NULL,
    created_ms    BIGINT NOT NULL,
    -- When its receiver said that it is gone.
    off_ms        BIGINT
);
CREATE INDEX webhooks_by_tenant ON webhooks (tenant, created_ms);

-- The id is a hash of webhook and decision, so that what is put in twice is one delivery. While an attempt is under way,
-- next_ms is when it counts as lost.
CREATE TABLE deliveries (
    id            TEXT   NOT NULL PRIMARY KEY,
    webhook       TEXT   NOT NULL REFERENCES webhooks (id) ON DELETE CASCADE,
    tenant        TEXT   NOT NULL,
    subject       TEXT,
    session       TEXT,
    decision      TEXT,
    event         TEXT   NOT NULL,
    body          TEXT   NOT NULL,
    state         TEXT   NOT NULL,
    attempts      BIGINT NOT NULL,
    next_ms       BIGINT NOT NULL,
    last_status   BIGINT,
    last_error    TEXT,
    created_ms    BIGINT NOT NULL,
    changed_ms    BIGINT NOT NULL
);
CREATE INDEX deliveries_due ON deliveries (state, next_ms);
CREATE INDEX deliveries_by_webhook ON deliveries (webhook, state, next_ms);
CREATE INDEX deliveries_by_subject ON deliveries (tenant, subject);
CREATE INDEX deliveries_by_change ON deliveries (state, changed_ms);

-- Where no row is, nothing but "go on" was asked. log_partition and log_offset: where the decision stands in its topic.
CREATE TABLE session_actions (
    tenant        TEXT   NOT NULL,
    session       TEXT   NOT NULL,
    action        TEXT   NOT NULL,
    decision      TEXT   NOT NULL,
    log_partition BIGINT NOT NULL,
    log_offset    BIGINT NOT NULL,
    at_ms         BIGINT NOT NULL,
    PRIMARY KEY (tenant, session)
);
CREATE INDEX session_actions_by_time ON session_actions (at_ms);
