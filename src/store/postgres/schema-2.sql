-- Schema version 2: bans. Columns that a ban does not concern are empty.

CREATE TABLE ban (
    domain    TEXT COLLATE "C" NOT NULL DEFAULT '',
    uid       TEXT COLLATE "C" NOT NULL,
    client_id TEXT COLLATE "C" NOT NULL,
    net       TEXT COLLATE "C" NOT NULL,
    made_at   BIGINT NOT NULL,
    until     BIGINT NOT NULL,
    reason    TEXT NOT NULL,
    PRIMARY KEY (domain, uid, client_id, net)
);
