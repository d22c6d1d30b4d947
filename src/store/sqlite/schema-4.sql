-- Schema version 4: messages that wait for their time. state: 0 waits, 1 is on its way. name: of
-- its owner, unless it has none. roles, attrs and login_expires are those of the owner's login.
-- expires_at counts from ts, as if it had gone out then; bytes is what counts for the owner.

CREATE TABLE due (
    id            INTEGER PRIMARY KEY,
    domain        TEXT NOT NULL DEFAULT '',
    due           INTEGER NOT NULL,
    state         INTEGER NOT NULL DEFAULT 0,
    name          TEXT,
    roles         TEXT NOT NULL,
    attrs         BLOB,
    login_expires INTEGER,
    message_id    BLOB NOT NULL,
    from_uid      TEXT NOT NULL,
    from_client   TEXT NOT NULL,
    kind          INTEGER NOT NULL,
    topic         TEXT NOT NULL,
    flags         INTEGER NOT NULL,
    ts            INTEGER NOT NULL,
    expires_at    INTEGER,
    checksum      INTEGER NOT NULL,
    bytes         INTEGER NOT NULL,
    attributes    BLOB,
    body          BLOB NOT NULL
) STRICT;
CREATE UNIQUE INDEX due_message ON due (message_id);
CREATE UNIQUE INDEX due_name ON due (domain, from_uid, name) WHERE name IS NOT NULL;
CREATE INDEX due_owner ON due (domain, from_uid, bytes);
CREATE INDEX due_time ON due (due, message_id, bytes) WHERE state = 0;
CREATE INDEX due_claimed ON due (message_id) WHERE state = 1;
