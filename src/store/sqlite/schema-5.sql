-- Schema version 5: the message of a record is one block of bytes (store/packed.rs), in the record
-- or, for several records, in body. Beside it stands what is asked for in SQL.

CREATE VIEW packed AS
SELECT l.id, l.body_id, CAST(
    x'01' || unhex(printf('%02x%02x', l.kind, l.flags)) || l.message_id
    || unhex(printf('%04x%04x%04x%08x', octet_length(l.from_uid), octet_length(l.from_client),
                    octet_length(l.topic), coalesce(octet_length(l.attributes), 0)))
    || l.from_uid || l.from_client || l.topic || coalesce(l.attributes, x'')
    || coalesce(l.body, b.body) AS BLOB) AS message
FROM log l LEFT JOIN body b ON b.id = l.body_id;

CREATE TABLE log_5 (
    id         INTEGER PRIMARY KEY,
    recipient  INTEGER NOT NULL,
    seq        INTEGER NOT NULL,
    delivery   INTEGER NOT NULL,
    ts         INTEGER NOT NULL,
    expires_at INTEGER,
    checksum   INTEGER NOT NULL,
    body_id    INTEGER,
    message    BLOB
) STRICT;
INSERT INTO log_5 (id, recipient, seq, delivery, ts, expires_at, checksum, body_id, message)
SELECT l.id, l.recipient, l.seq, l.delivery, l.ts, l.expires_at, l.checksum, l.body_id,
       CASE WHEN l.body_id IS NULL THEN p.message END
FROM log l JOIN packed p ON p.id = l.id ORDER BY l.id;

CREATE INDEX log_shared ON log (body_id) WHERE body_id IS NOT NULL;
UPDATE body SET body = coalesce(
    (SELECT p.message FROM packed p WHERE p.body_id = body.id LIMIT 1), body);
DROP VIEW packed;
DROP TABLE log;
ALTER TABLE body RENAME COLUMN body TO message;
ALTER TABLE log_5 RENAME TO log;

CREATE UNIQUE INDEX log_place ON log (recipient, seq);
CREATE INDEX log_expiry ON log (expires_at) WHERE expires_at IS NOT NULL;
CREATE TRIGGER log_body AFTER DELETE ON log WHEN old.body_id IS NOT NULL BEGIN
    UPDATE body SET refs = refs - 1 WHERE id = old.body_id;
    DELETE FROM body WHERE id = old.body_id AND refs <= 0;
END;
