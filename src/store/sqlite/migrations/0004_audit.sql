-- What administration did: one row for each act, chained by its hash (src/store/trail.rs says how it
-- is computed). Whoever may write this file can take the triggers away first; they are against
-- accidents and tools that mean well. The chain shows what was done without them.

CREATE TABLE audit (
    seq       INTEGER PRIMARY KEY,
    -- Unix seconds.
    at        INTEGER NOT NULL CHECK (at BETWEEN -377705023201 AND 253402207200),
    who       TEXT NOT NULL,
    source    TEXT NOT NULL,
    verb      TEXT NOT NULL,
    username  TEXT,
    groupname TEXT,
    rolename  TEXT,
    -- JSON of what differs; never a credential.
    before    TEXT,
    after     TEXT,
    prev      BLOB NOT NULL CHECK (length(prev) = 32),
    hash      BLOB NOT NULL CHECK (length(hash) = 32)
) STRICT;

-- One row: the last record that was pruned, which the oldest one continues.
CREATE TABLE audit_anchor (
    id   INTEGER PRIMARY KEY CHECK (id = 1),
    seq  INTEGER NOT NULL,
    hash BLOB NOT NULL CHECK (length(hash) = 32)
) STRICT;
INSERT INTO audit_anchor (id, seq, hash) VALUES (1, 0, zeroblob(32));

CREATE TRIGGER audit_continues BEFORE INSERT ON audit
WHEN new.seq IS NOT coalesce((SELECT max(seq) FROM audit), (SELECT seq FROM audit_anchor)) + 1
  OR new.prev IS NOT coalesce((SELECT hash FROM audit ORDER BY seq DESC LIMIT 1),
                              (SELECT hash FROM audit_anchor))
BEGIN
    SELECT raise(ABORT, 'a record continues the last one');
END;

CREATE TRIGGER audit_stays BEFORE UPDATE ON audit
BEGIN
    SELECT raise(ABORT, 'a record is never changed');
END;

CREATE TRIGGER audit_is_pruned BEFORE DELETE ON audit
WHEN old.seq > (SELECT seq FROM audit_anchor)
BEGIN
    SELECT raise(ABORT, 'records are taken away by `doorman audit prune`');
END;

CREATE TRIGGER audit_anchor_follows BEFORE UPDATE ON audit_anchor
WHEN new.id IS NOT old.id
  OR new.seq <= old.seq
  OR new.hash IS NOT (SELECT hash FROM audit WHERE seq = new.seq)
BEGIN
    SELECT raise(ABORT, 'the anchor is a record');
END;

CREATE TRIGGER audit_anchor_is_one BEFORE INSERT ON audit_anchor
BEGIN
    SELECT raise(ABORT, 'audit_anchor has one row');
END;

CREATE TRIGGER audit_anchor_stays BEFORE DELETE ON audit_anchor
BEGIN
    SELECT raise(ABORT, 'audit_anchor has one row');
END;
