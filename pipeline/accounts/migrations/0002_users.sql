-- People who sign in here, and what proves that it is them.

CREATE TABLE users (
    id            TEXT   NOT NULL PRIMARY KEY,
    tenant        TEXT   NOT NULL,
    email         TEXT   NOT NULL,
    password_hash TEXT   NOT NULL,
    mode          TEXT   NOT NULL,
    created_ms    BIGINT NOT NULL,
    -- When risk last asked for a second proof. A sign-in that proved itself after that is as before.
    raised_ms     BIGINT,
    raised_why    TEXT,
    UNIQUE (tenant, email)
);

-- A code that was sent, one at a time for an address and a purpose: a new one takes the place of the old one.
CREATE TABLE challenges (
    id            TEXT   NOT NULL PRIMARY KEY,
    tenant        TEXT   NOT NULL,
    email         TEXT   NOT NULL,
    purpose       TEXT   NOT NULL,
    user_id       TEXT   REFERENCES users (id) ON DELETE CASCADE,
    sign_in       TEXT,
    password_hash TEXT,
    code_hash     TEXT   NOT NULL,
    tries         BIGINT NOT NULL,
    expires_ms    BIGINT NOT NULL,
    UNIQUE (tenant, email, purpose)
);
CREATE INDEX challenges_by_end ON challenges (expires_ms);

-- A sign-in: all refresh tokens that come from it are one family. Of each the generation alone is kept, as the token is a
-- keyed hash of it: what is presented is the newest, an older one (used twice), or forged.
CREATE TABLE sign_ins (
    id            TEXT   NOT NULL PRIMARY KEY,
    user_id       TEXT   NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    generation    BIGINT NOT NULL,
    created_ms    BIGINT NOT NULL,
    used_ms       BIGINT NOT NULL,
    expires_ms    BIGINT NOT NULL,
    proved_ms     BIGINT,
    revoked_ms    BIGINT
);
CREATE INDEX sign_ins_by_user ON sign_ins (user_id, created_ms);
CREATE INDEX sign_ins_by_end ON sign_ins (expires_ms);

CREATE TABLE trusted_addresses (
    user_id       TEXT   NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    prefix        TEXT   NOT NULL,
    added_ms      BIGINT NOT NULL,
    expires_ms    BIGINT NOT NULL,
    PRIMARY KEY (user_id, prefix)
);

-- A link that was mailed to have an address trusted.
CREATE TABLE approvals (
    hash          TEXT   NOT NULL PRIMARY KEY,
    user_id       TEXT   NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    prefix        TEXT   NOT NULL,
    expires_ms    BIGINT NOT NULL,
    UNIQUE (user_id, prefix)
);
CREATE INDEX approvals_by_end ON approvals (expires_ms);

-- Attempts by keyed hashes of who and from where: nobody reads addresses out of it.
CREATE TABLE attempts (
    key              TEXT   NOT NULL PRIMARY KEY,
    count            BIGINT NOT NULL,
    last_ms          BIGINT NOT NULL,
    blocked_until_ms BIGINT NOT NULL
);
CREATE INDEX attempts_by_time ON attempts (last_ms);
