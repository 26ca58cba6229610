-- Accounts, where they may come from, and what was changed about them.
--
-- account.id is what later migrations refer to: groups and roles come as tables of their own with
-- "account_id INTEGER NOT NULL REFERENCES account (id) ON DELETE CASCADE" (as account_network does),
-- ACL rules with a priority belong to a role, PSK identities and settings are tables of their own.
-- None of them needs account reshaped. An id is never used again (AUTOINCREMENT), so a row left
-- behind by a tool that does not enforce foreign keys can never attach itself to somebody else.

CREATE TABLE account (
    id                INTEGER PRIMARY KEY AUTOINCREMENT,
    username          TEXT NOT NULL UNIQUE COLLATE BINARY CHECK (username <> ''),
    credential        TEXT,
    second_credential TEXT,
    disabled          INTEGER NOT NULL DEFAULT 0 CHECK (disabled IN (0, 1)),
    -- Unix seconds, as far as jiff's calendar goes.
    valid_from        INTEGER CHECK (valid_from BETWEEN -377705023201 AND 253402207200),
    valid_until       INTEGER CHECK (valid_until BETWEEN -377705023201 AND 253402207200),
    client_id         TEXT,
    notes             TEXT NOT NULL DEFAULT ''
) STRICT;

-- An account without a row here may come from everywhere.
CREATE TABLE account_network (
    account_id INTEGER NOT NULL REFERENCES account (id) ON DELETE CASCADE,
    network    TEXT NOT NULL,
    PRIMARY KEY (account_id, network)
) STRICT, WITHOUT ROWID;

-- Apart from account, so that recording a login is no change of the account.
CREATE TABLE account_login (
    account_id INTEGER PRIMARY KEY REFERENCES account (id) ON DELETE CASCADE,
    at         INTEGER NOT NULL CHECK (at BETWEEN -377705023201 AND 253402207200)
) STRICT;

-- Whoever was changed or removed, by whatever tool, in the order in which it happened. New accounts
-- are not in it: nobody can be connected under them. The writer keeps the newest rows only.
CREATE TABLE change (
    seq      INTEGER PRIMARY KEY AUTOINCREMENT,
    username TEXT NOT NULL
) STRICT;

CREATE TRIGGER account_updated AFTER UPDATE ON account
WHEN old.username IS NOT new.username
  OR old.id IS NOT new.id
  OR old.credential IS NOT new.credential
  OR old.second_credential IS NOT new.second_credential
  OR old.disabled IS NOT new.disabled
  OR old.valid_from IS NOT new.valid_from
  OR old.valid_until IS NOT new.valid_until
  OR old.client_id IS NOT new.client_id
BEGIN
    INSERT INTO change (username) VALUES (old.username);
    INSERT INTO change (username) SELECT new.username WHERE new.username IS NOT old.username;
END;

CREATE TRIGGER account_deleted AFTER DELETE ON account
BEGIN
    INSERT INTO change (username) VALUES (old.username);
END;

-- INSERT OR REPLACE removes the old row without firing account_deleted (SQLite, "CREATE TRIGGER").
CREATE TRIGGER account_replaced BEFORE INSERT ON account
WHEN EXISTS (SELECT 1 FROM account WHERE username = new.username)
  OR EXISTS (SELECT 1 FROM account WHERE id = new.id)
BEGIN
    INSERT INTO change (username)
    SELECT username FROM account WHERE username = new.username OR id = new.id;
END;

CREATE TRIGGER account_network_inserted AFTER INSERT ON account_network
BEGIN
    INSERT INTO change (username) SELECT username FROM account WHERE id = new.account_id;
END;

CREATE TRIGGER account_network_updated AFTER UPDATE ON account_network
BEGIN
    INSERT INTO change (username)
    SELECT username FROM account WHERE id IN (old.account_id, new.account_id);
END;

CREATE TRIGGER account_network_deleted AFTER DELETE ON account_network
BEGIN
    INSERT INTO change (username) SELECT username FROM account WHERE id = old.account_id;
END;
