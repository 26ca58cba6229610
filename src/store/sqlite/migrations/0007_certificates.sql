-- Which certificates an account may be used with: sha256:…, dns:…, uri:… or email:…, as doorman spells
-- them. A certificate belongs to one account.

CREATE TABLE account_certificate (
    certificate TEXT PRIMARY KEY COLLATE BINARY CHECK (certificate LIKE '_%:_%'),
    account_id  INTEGER NOT NULL REFERENCES account (id) ON DELETE CASCADE
) STRICT, WITHOUT ROWID;
CREATE INDEX account_certificate_by_account ON account_certificate (account_id);

CREATE TRIGGER account_certificate_inserted AFTER INSERT ON account_certificate
BEGIN
    INSERT INTO change (username) SELECT username FROM account WHERE id = new.account_id;
END;

CREATE TRIGGER account_certificate_updated AFTER UPDATE ON account_certificate
BEGIN
    INSERT INTO change (username)
    SELECT username FROM account WHERE id IN (old.account_id, new.account_id);
END;

CREATE TRIGGER account_certificate_deleted AFTER DELETE ON account_certificate
BEGIN
    INSERT INTO change (username) SELECT username FROM account WHERE id = old.account_id;
END;

-- INSERT OR REPLACE removes the old row without firing account_certificate_deleted.
CREATE TRIGGER account_certificate_replaced BEFORE INSERT ON account_certificate
BEGIN
    INSERT INTO change (username)
    SELECT username FROM account
    WHERE id = (SELECT account_id FROM account_certificate WHERE certificate = new.certificate);
END;
