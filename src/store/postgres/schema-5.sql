-- Schema version 5: the message of a record is one block of bytes (store/packed.rs), in the record
-- or, for several records, in body. Beside it stands what is asked for in SQL.

CREATE FUNCTION packed(l log, body BYTEA) RETURNS BYTEA LANGUAGE sql AS $$
    SELECT '\x01'::bytea || decode(lpad(to_hex(l.kind), 2, '0') || lpad(to_hex(l.flags), 2, '0'), 'hex')
        || l.message_id || int2send(octet_length(l.from_uid)::int2)
        || int2send(octet_length(l.from_client)::int2)
        || decode(lpad(to_hex(octet_length(l.topic)), 4, '0'), 'hex')
        || int4send(coalesce(octet_length(l.attributes), 0))
        || convert_to(l.from_uid, 'UTF8') || convert_to(l.from_client, 'UTF8')
        || convert_to(l.topic, 'UTF8') || coalesce(l.attributes, '') || body
$$;
CREATE INDEX log_shared ON log (body_id) WHERE body_id IS NOT NULL;
UPDATE body b SET body = coalesce(
    (SELECT packed(l, b.body) FROM log l WHERE l.body_id = b.id LIMIT 1), b.body);
ALTER TABLE log ADD COLUMN message BYTEA;
UPDATE log l SET message = packed(l, l.body) WHERE l.body_id IS NULL;
DROP INDEX log_shared;
DROP FUNCTION packed;
ALTER TABLE body RENAME COLUMN body TO message;
ALTER TABLE log DROP COLUMN message_id, DROP COLUMN from_uid, DROP COLUMN from_client,
    DROP COLUMN kind, DROP COLUMN topic, DROP COLUMN flags, DROP COLUMN due,
    DROP COLUMN collapse_key, DROP COLUMN origin_id, DROP COLUMN campaign,
    DROP COLUMN attributes, DROP COLUMN body;
