-- Schema version 3: retained messages, one for each topic. bytes is what counts for its sender.

CREATE TABLE retained (
    id          INTEGER PRIMARY KEY,
    domain      TEXT NOT NULL DEFAULT '',
    topic       TEXT NOT NULL,
    message_id  BLOB NOT NULL,
    from_uid    TEXT NOT NULL,
    from_client TEXT NOT NULL,
    kind        INTEGER NOT NULL,
    flags       INTEGER NOT NULL,
    ts          INTEGER NOT NULL,
    expires_at  INTEGER,
    checksum    INTEGER NOT NULL,
    bytes       INTEGER NOT NULL,
    attributes  BLOB,
    body        BLOB NOT NULL
) STRICT;
CREATE UNIQUE INDEX retained_topic ON retained (domain, topic);
CREATE INDEX retained_owner ON retained (domain, from_uid, bytes);
CREATE INDEX retained_expiry ON retained (expires_at) WHERE expires_at IS NOT NULL;
