-- Schema version 2: bans. Columns that a ban does not concern are empty.

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
