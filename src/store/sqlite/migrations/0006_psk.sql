-- Keys of TLS-PSK by identity, each of one account. Whoever is connected by a key that is changed, given to
-- another account or taken away is concerned, as by a change of the account; a new key concerns nobody.

CREATE TABLE psk (
    id         INTEGER PRIMARY KEY AUTOINCREMENT,
    identity   TEXT NOT NULL UNIQUE COLLATE BINARY CHECK (identity <> ''),
    account_id INTEGER NOT NULL REFERENCES account (id) ON DELETE CASCADE,
    -- The bytes of the key; or sealed with a key file's: src/vault.rs says how.
    key        BLOB NOT NULL CHECK (length(key) > 0),
    sealed     INTEGER NOT NULL DEFAULT 0 CHECK (sealed IN (0, 1))
) STRICT;

CREATE INDEX psk_account ON psk (account_id);
-- Whether there are any is asked for each key that is written as it is.
CREATE INDEX psk_sealed ON psk (id) WHERE sealed = 1;

CREATE TRIGGER psk_updated AFTER UPDATE OF identity, account_id, key, sealed ON psk
BEGIN
    INSERT INTO change (username)
    SELECT username FROM account WHERE id IN (old.account_id, new.account_id);
END;

-- UPDATE OR REPLACE removes the row that has the identity without firing psk_deleted.
CREATE TRIGGER psk_renamed BEFORE UPDATE OF id, identity ON psk
WHEN EXISTS (SELECT 1 FROM psk
             WHERE (identity = new.identity OR id = new.id) AND id IS NOT old.id)
BEGIN
    INSERT INTO change (username)
    SELECT username FROM account
    WHERE id IN (SELECT account_id FROM psk
                 WHERE (identity = new.identity OR id = new.id) AND id IS NOT old.id);
END;

-- Those of an account that is deleted go with it, and so does its name: account_deleted tells of it.
CREATE TRIGGER psk_deleted AFTER DELETE ON psk
BEGIN
    INSERT INTO change (username) SELECT username FROM account WHERE id = old.account_id;
END;

-- INSERT OR REPLACE removes the old row without firing psk_deleted.
CREATE TRIGGER psk_replaced BEFORE INSERT ON psk
BEGIN
    INSERT INTO change (username)
    SELECT username FROM account
    WHERE id IN (SELECT account_id FROM psk WHERE identity = new.identity OR id = new.id);
END;
