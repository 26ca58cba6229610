-- What the names begin with of all that the holders of a role may administer by it. Whoever holds the role
-- is concerned, as by its rules.

ALTER TABLE role ADD COLUMN admin_prefix TEXT CHECK (admin_prefix <> '');

DROP TRIGGER role_updated;

CREATE TRIGGER role_updated
AFTER UPDATE OF id, rolename, allow_wildcard_subs, valid_from, valid_until, admin_prefix ON role
BEGIN
    UPDATE policy SET revision = revision + 1;
    UPDATE role SET revision = (SELECT revision FROM policy) WHERE id = new.id;
END;
