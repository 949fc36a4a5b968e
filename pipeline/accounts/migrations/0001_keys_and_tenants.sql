-- One text for SQLite and PostgreSQL: TEXT and BIGINT only. Times are milliseconds since 1970 (_ms); hashes are hex.

CREATE TABLE application_keys (
    id                TEXT   NOT NULL PRIMARY KEY,
    tenant            TEXT   NOT NULL,
    label             TEXT   NOT NULL,
    scopes            TEXT   NOT NULL,
    secret_hash       TEXT   NOT NULL,
    previous_hash     TEXT,
    previous_until_ms BIGINT,
    created_ms        BIGINT NOT NULL,
    rotated_ms        BIGINT,
    expires_ms        BIGINT,
    revoked_ms        BIGINT
);
CREATE INDEX application_keys_by_tenant ON application_keys (tenant, created_ms);

CREATE TABLE tenant_settings (
    tenant            TEXT   NOT NULL PRIMARY KEY,
    identify          BIGINT NOT NULL,
    identify_reason   TEXT,
    changed_by        TEXT   NOT NULL,
    changed_ms        BIGINT NOT NULL
);

CREATE TABLE erasures (
    receipt           TEXT   NOT NULL PRIMARY KEY,
    tenant            TEXT   NOT NULL,
    subject           TEXT   NOT NULL,
    asked_by          TEXT   NOT NULL,
    asked_ms          BIGINT NOT NULL,
    state             TEXT   NOT NULL,
    detail            TEXT   NOT NULL,
    changed_ms        BIGINT NOT NULL
);
-- One at a time for each subject.
CREATE UNIQUE INDEX erasures_open ON erasures (tenant, subject) WHERE state <> 'done';
CREATE INDEX erasures_by_state ON erasures (state, asked_ms);
