-- Schema version 1; the columns mean what store/sqlite/schema.sql says. Names compare by bytes.

CREATE TABLE recipient (
    id        BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    kind      BIGINT NOT NULL,
    domain    TEXT COLLATE "C" NOT NULL DEFAULT '',
    uid       TEXT COLLATE "C" NOT NULL,
    client_id TEXT COLLATE "C" NOT NULL,
    -- The newest seq given: several nodes take the next one under this row's lock.
    head      BIGINT NOT NULL DEFAULT 0,
    UNIQUE (kind, domain, uid, client_id)
);

CREATE TABLE body (
    id   BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    refs BIGINT NOT NULL,
    body BYTEA NOT NULL
);

CREATE TABLE log (
    id           BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    recipient    BIGINT NOT NULL,
    seq          BIGINT NOT NULL,
    delivery     BIGINT NOT NULL,
    message_id   BYTEA NOT NULL,
    from_uid     TEXT COLLATE "C" NOT NULL,
    from_client  TEXT COLLATE "C" NOT NULL,
    kind         BIGINT NOT NULL,
    topic        TEXT COLLATE "C" NOT NULL,
    flags        BIGINT NOT NULL,
    ts           BIGINT NOT NULL,
    expires_at   BIGINT,
    due          BIGINT,
    collapse_key TEXT,
    origin_id    TEXT,
    campaign     BIGINT,
    checksum     BIGINT NOT NULL,
    body_id      BIGINT,
    attributes   BYTEA,
    body         BYTEA,
    UNIQUE (recipient, seq)
);
CREATE INDEX log_expiry ON log (expires_at) WHERE expires_at IS NOT NULL;

CREATE FUNCTION log_body() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE body b SET refs = b.refs - g.n
    FROM (SELECT body_id, count(*) AS n FROM gone WHERE body_id IS NOT NULL GROUP BY body_id) g
    WHERE b.id = g.body_id;
    DELETE FROM body WHERE refs <= 0 AND id IN (SELECT body_id FROM gone);
    RETURN NULL;
END $$;
CREATE TRIGGER log_body AFTER DELETE ON log REFERENCING OLD TABLE AS gone
    FOR EACH STATEMENT EXECUTE FUNCTION log_body();

CREATE TABLE device (
    recipient BIGINT NOT NULL,
    client_id TEXT COLLATE "C" NOT NULL,
    cursor    BIGINT NOT NULL,
    sent      BIGINT NOT NULL,
    seen_at   BIGINT NOT NULL,
    known_at  BIGINT NOT NULL,
    PRIMARY KEY (recipient, client_id)
);

CREATE TABLE session (
    recipient BIGINT PRIMARY KEY,
    expiry    BIGINT NOT NULL,
    ended_at  BIGINT,
    cursor    BIGINT NOT NULL,
    sent      BIGINT NOT NULL
);

CREATE TABLE subscription (
    recipient  BIGINT NOT NULL,
    filter     TEXT COLLATE "C" NOT NULL,
    options    BIGINT NOT NULL,
    identifier BIGINT NOT NULL,
    PRIMARY KEY (recipient, filter)
);

CREATE TABLE sender_state (
    id         BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    domain     TEXT COLLATE "C" NOT NULL DEFAULT '',
    uid        TEXT COLLATE "C" NOT NULL,
    client_id  TEXT COLLATE "C" NOT NULL,
    touched_at BIGINT NOT NULL,
    state      BYTEA NOT NULL,
    UNIQUE (domain, uid, client_id)
);

CREATE TABLE dedupe (
    id         BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    domain     TEXT COLLATE "C" NOT NULL DEFAULT '',
    uid        TEXT COLLATE "C" NOT NULL,
    key        TEXT COLLATE "C" NOT NULL,
    message_id BYTEA NOT NULL,
    taken_at   BIGINT NOT NULL,
    UNIQUE (domain, uid, key)
);
CREATE INDEX dedupe_age ON dedupe (taken_at);

CREATE TABLE account (
    domain        TEXT COLLATE "C" NOT NULL DEFAULT '',
    uid           TEXT COLLATE "C" NOT NULL,
    password_hash TEXT NOT NULL,
    PRIMARY KEY (domain, uid)
);
