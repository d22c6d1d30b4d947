-- Schema version 2: roles of accounts, separated by blanks; bans, whose columns are empty where
-- they do not concern it.

ALTER TABLE account ADD COLUMN roles TEXT NOT NULL DEFAULT '';

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
