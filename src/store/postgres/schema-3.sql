-- Schema version 3: retained messages, one for each topic. bytes is what counts for its sender.

CREATE TABLE retained (
    domain      TEXT COLLATE "C" NOT NULL DEFAULT '',
    topic       TEXT COLLATE "C" NOT NULL,
    message_id  BYTEA NOT NULL,
    from_uid    TEXT COLLATE "C" NOT NULL,
    from_client TEXT COLLATE "C" NOT NULL,
    kind        BIGINT NOT NULL,
    flags       BIGINT NOT NULL,
    ts          BIGINT NOT NULL,
    expires_at  BIGINT,
    checksum    BIGINT NOT NULL,
    bytes       BIGINT NOT NULL,
    attributes  BYTEA,
    body        BYTEA NOT NULL,
    PRIMARY KEY (domain, topic)
);
CREATE INDEX retained_owner ON retained (domain, from_uid, bytes);
CREATE INDEX retained_expiry ON retained (expires_at) WHERE expires_at IS NOT NULL;
