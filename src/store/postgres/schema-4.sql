-- Schema version 4: messages that wait for their time. state: 0 waits, 1 is on its way. name: of
-- its owner, unless it has none. roles, attrs and login_expires are those of the owner's login.
-- expires_at counts from ts, as if it had gone out then; bytes is what counts for the owner.

CREATE TABLE due (
    domain        TEXT COLLATE "C" NOT NULL DEFAULT '',
    due           BIGINT NOT NULL,
    state         BIGINT NOT NULL DEFAULT 0,
    name          TEXT COLLATE "C",
    roles         TEXT NOT NULL,
    attrs         BYTEA,
    login_expires BIGINT,
    message_id    BYTEA PRIMARY KEY,
    from_uid      TEXT COLLATE "C" NOT NULL,
    from_client   TEXT COLLATE "C" NOT NULL,
    kind          BIGINT NOT NULL,
    topic         TEXT COLLATE "C" NOT NULL,
    flags         BIGINT NOT NULL,
    ts            BIGINT NOT NULL,
    expires_at    BIGINT,
    checksum      BIGINT NOT NULL,
    bytes         BIGINT NOT NULL,
    attributes    BYTEA,
    body          BYTEA NOT NULL
);
CREATE UNIQUE INDEX due_name ON due (domain, from_uid, name) WHERE name IS NOT NULL;
CREATE INDEX due_owner ON due (domain, from_uid, bytes);
CREATE INDEX due_time ON due (due, message_id, bytes) WHERE state = 0;
CREATE INDEX due_claimed ON due (message_id) WHERE state = 1;
