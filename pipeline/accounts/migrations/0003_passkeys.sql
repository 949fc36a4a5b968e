-- Passkeys, and what is remembered between the two halves of a ceremony.

CREATE TABLE passkeys (
    credential    TEXT   NOT NULL PRIMARY KEY,
    user_id       TEXT   NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    label         TEXT   NOT NULL,
    passkey       TEXT   NOT NULL,
    created_ms    BIGINT NOT NULL,
    used_ms       BIGINT
);
CREATE INDEX passkeys_by_user ON passkeys (user_id, created_ms);

-- One of a kind for a user: a new ceremony takes the place of the old one.
CREATE TABLE ceremonies (
    user_id       TEXT   NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    kind          TEXT   NOT NULL,
    id            TEXT   NOT NULL,
    state         TEXT   NOT NULL,
    expires_ms    BIGINT NOT NULL,
    PRIMARY KEY (user_id, kind)
);
CREATE INDEX ceremonies_by_end ON ceremonies (expires_ms);
