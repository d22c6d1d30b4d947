-- Schema version 1. Reasons: docs/decisions/store.md.
-- Times are milliseconds since 1970-01-01T00:00:00Z.

CREATE TABLE meta (
    name  TEXT PRIMARY KEY NOT NULL,
    value BLOB NOT NULL
) STRICT, WITHOUT ROWID;

-- kind: 0 inbox (uid), 1 session queue (uid, client_id), 2 feed (its name in client_id).
CREATE TABLE recipient (
    id        INTEGER PRIMARY KEY,
    kind      INTEGER NOT NULL,
    domain    TEXT NOT NULL DEFAULT '',
    uid       TEXT NOT NULL,
    client_id TEXT NOT NULL,
    -- The newest seq given, written only when its record is deleted; else the log's last row.
    head      INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE UNIQUE INDEX recipient_name ON recipient (kind, domain, uid, client_id);

CREATE TABLE body (
    id   INTEGER PRIMARY KEY,
    refs INTEGER NOT NULL,
    body BLOB NOT NULL
) STRICT;

-- Appended in the order of the commits. delivery and flags: qos, plus 4 for retain.
CREATE TABLE log (
    id           INTEGER PRIMARY KEY,
    recipient    INTEGER NOT NULL,
    seq          INTEGER NOT NULL,
    delivery     INTEGER NOT NULL,
    message_id   BLOB NOT NULL,
    from_uid     TEXT NOT NULL,
    from_client  TEXT NOT NULL,
    kind         INTEGER NOT NULL,
    topic        TEXT NOT NULL,
    flags        INTEGER NOT NULL,
    ts           INTEGER NOT NULL,
    expires_at   INTEGER,
    due          INTEGER,
    collapse_key TEXT,
    origin_id    TEXT,
    campaign     INTEGER,
    checksum     INTEGER NOT NULL,
    body_id      INTEGER,
    attributes   BLOB,
    body         BLOB
) STRICT;
CREATE UNIQUE INDEX log_place ON log (recipient, seq);
CREATE INDEX log_expiry ON log (expires_at) WHERE expires_at IS NOT NULL;

CREATE TRIGGER log_body AFTER DELETE ON log WHEN old.body_id IS NOT NULL BEGIN
    UPDATE body SET refs = refs - 1 WHERE id = old.body_id;
    DELETE FROM body WHERE id = old.body_id AND refs <= 0;
END;

CREATE TABLE device (
    recipient INTEGER NOT NULL,
    client_id TEXT NOT NULL,
    cursor    INTEGER NOT NULL,
    sent      INTEGER NOT NULL,
    seen_at   INTEGER NOT NULL,
    known_at  INTEGER NOT NULL,
    PRIMARY KEY (recipient, client_id)
) STRICT, WITHOUT ROWID;

-- Durable MQTT sessions; recipient is the queue. ended_at is NULL while connected.
CREATE TABLE session (
    recipient INTEGER PRIMARY KEY,
    expiry    INTEGER NOT NULL,
    ended_at  INTEGER,
    cursor    INTEGER NOT NULL,
    sent      INTEGER NOT NULL
) STRICT;

CREATE TABLE subscription (
    recipient  INTEGER NOT NULL,
    filter     TEXT NOT NULL,
    options    INTEGER NOT NULL,
    identifier INTEGER NOT NULL,
    PRIMARY KEY (recipient, filter)
) STRICT, WITHOUT ROWID;

CREATE TABLE sender_state (
    id         INTEGER PRIMARY KEY,
    domain     TEXT NOT NULL DEFAULT '',
    uid        TEXT NOT NULL,
    client_id  TEXT NOT NULL,
    touched_at INTEGER NOT NULL,
    state      BLOB NOT NULL
) STRICT;
CREATE UNIQUE INDEX sender_state_name ON sender_state (domain, uid, client_id);

-- A key that is taken again gets a new row, so ids follow time.
CREATE TABLE dedupe (
    id         INTEGER PRIMARY KEY,
    domain     TEXT NOT NULL DEFAULT '',
    uid        TEXT NOT NULL,
    key        TEXT NOT NULL,
    message_id BLOB NOT NULL,
    taken_at   INTEGER NOT NULL
) STRICT;
CREATE UNIQUE INDEX dedupe_name ON dedupe (domain, uid, key);

CREATE TABLE account (
    domain        TEXT NOT NULL DEFAULT '',
    uid           TEXT NOT NULL,
    password_hash TEXT NOT NULL,
    PRIMARY KEY (domain, uid)
) STRICT, WITHOUT ROWID;
