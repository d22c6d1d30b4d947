-- Schema version 2: roles of accounts, separated by blanks; bans, whose columns are empty where
-- they do not concern it.

ALTER TABLE account ADD COLUMN roles TEXT NOT NULL DEFAULT '';

CREATE TABLE ban (
    domain    TEXT NOT NULL DEFAULT '',
    uid       TEXT NOT NULL,
    client_id TEXT NOT NULL,
    net       TEXT NOT NULL,
    made_at   INTEGER NOT NULL,
    until     INTEGER NOT NULL,
    reason    TEXT NOT NULL,
    PRIMARY KEY (domain, uid, client_id, net)
) STRICT, WITHOUT ROWID;
