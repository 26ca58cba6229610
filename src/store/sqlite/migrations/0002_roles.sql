-- Who may do what: roles with rules, groups, who holds which, and what happens where no rule answers.
-- The model and its words are those of Mosquitto's dynamic-security plugin.

CREATE TABLE role (
    id                  INTEGER PRIMARY KEY AUTOINCREMENT,
    rolename            TEXT NOT NULL UNIQUE COLLATE BINARY CHECK (rolename <> ''),
    textname            TEXT,
    textdescription     TEXT,
    allow_wildcard_subs INTEGER NOT NULL DEFAULT 1 CHECK (allow_wildcard_subs IN (0, 1)),
    -- When it holds, in Unix seconds.
    valid_from          INTEGER CHECK (valid_from BETWEEN -377705023201 AND 253402207200),
    valid_until         INTEGER CHECK (valid_until BETWEEN -377705023201 AND 253402207200),
    -- The number of the last change of the role or its rules: kept by triggers, see policy below.
    revision            INTEGER NOT NULL DEFAULT 0
) STRICT;

-- Of equal priority, the rule that was added first is asked first: that is the order of the ids.
CREATE TABLE role_acl (
    id          INTEGER PRIMARY KEY AUTOINCREMENT,
    role_id     INTEGER NOT NULL REFERENCES role (id) ON DELETE CASCADE,
    acltype     TEXT NOT NULL CHECK (acltype IN
                    ('publishClientSend', 'publishClientReceive', 'subscribeLiteral',
                     'subscribePattern', 'unsubscribeLiteral', 'unsubscribePattern')),
    topic       TEXT NOT NULL CHECK (topic <> ''),
    allow       INTEGER NOT NULL DEFAULT 0 CHECK (allow IN (0, 1)),
    priority    INTEGER NOT NULL DEFAULT 0 CHECK (priority BETWEEN -100000 AND 100000),
    -- Conditions; only of rules that allow.
    max_qos     INTEGER CHECK (max_qos IN (0, 1, 2)),
    retain      INTEGER NOT NULL DEFAULT 1 CHECK (retain IN (0, 1)),
    max_payload INTEGER CHECK (max_payload BETWEEN 0 AND 268435455),
    UNIQUE (role_id, acltype, topic)
) STRICT;

CREATE TABLE account_group (
    id              INTEGER PRIMARY KEY AUTOINCREMENT,
    groupname       TEXT NOT NULL UNIQUE COLLATE BINARY CHECK (groupname <> ''),
    textname        TEXT,
    textdescription TEXT
) STRICT;

CREATE TABLE group_role (
    group_id INTEGER NOT NULL REFERENCES account_group (id) ON DELETE CASCADE,
    role_id  INTEGER NOT NULL REFERENCES role (id) ON DELETE CASCADE,
    priority INTEGER NOT NULL DEFAULT -1 CHECK (priority BETWEEN -100000 AND 100000),
    PRIMARY KEY (group_id, role_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX group_role_by_role ON group_role (role_id);

CREATE TABLE account_role (
    account_id INTEGER NOT NULL REFERENCES account (id) ON DELETE CASCADE,
    role_id    INTEGER NOT NULL REFERENCES role (id) ON DELETE CASCADE,
    priority   INTEGER NOT NULL DEFAULT -1 CHECK (priority BETWEEN -100000 AND 100000),
    PRIMARY KEY (account_id, role_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX account_role_by_role ON account_role (role_id);

-- The priority is that of the group among the groups of this account.
CREATE TABLE group_member (
    account_id INTEGER NOT NULL REFERENCES account (id) ON DELETE CASCADE,
    group_id   INTEGER NOT NULL REFERENCES account_group (id) ON DELETE CASCADE,
    priority   INTEGER NOT NULL DEFAULT -1 CHECK (priority BETWEEN -100000 AND 100000),
    PRIMARY KEY (account_id, group_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX group_member_by_group ON group_member (group_id);

-- One row. What happens where no rule answers, and the group of clients without a username. revision
-- counts every change of what is in this file but account_role
-- and group_member: who holds what is told by name, in change.
CREATE TABLE policy (
    id                     INTEGER PRIMARY KEY CHECK (id = 1),
    publish_client_send    INTEGER NOT NULL DEFAULT 0 CHECK (publish_client_send IN (0, 1)),
    publish_client_receive INTEGER NOT NULL DEFAULT 1 CHECK (publish_client_receive IN (0, 1)),
    subscribe              INTEGER NOT NULL DEFAULT 0 CHECK (subscribe IN (0, 1)),
    unsubscribe            INTEGER NOT NULL DEFAULT 1 CHECK (unsubscribe IN (0, 1)),
    anonymous_group_id     INTEGER REFERENCES account_group (id) ON DELETE SET NULL,
    revision               INTEGER NOT NULL DEFAULT 0
) STRICT;
INSERT INTO policy (id) VALUES (1);

-- A role's revision is the number of its last change among all changes, and so never the same twice.

CREATE TRIGGER role_inserted AFTER INSERT ON role
BEGIN
    UPDATE policy SET revision = revision + 1;
    UPDATE role SET revision = (SELECT revision FROM policy) WHERE id = new.id;
END;

CREATE TRIGGER role_updated
AFTER UPDATE OF id, rolename, allow_wildcard_subs, valid_from, valid_until ON role
BEGIN
    UPDATE policy SET revision = revision + 1;
    UPDATE role SET revision = (SELECT revision FROM policy) WHERE id = new.id;
END;

CREATE TRIGGER role_deleted AFTER DELETE ON role
BEGIN
    UPDATE policy SET revision = revision + 1;
END;

CREATE TRIGGER role_acl_inserted AFTER INSERT ON role_acl
BEGIN
    UPDATE policy SET revision = revision + 1;
    UPDATE role SET revision = (SELECT revision FROM policy) WHERE id = new.role_id;
END;

CREATE TRIGGER role_acl_updated AFTER UPDATE ON role_acl
BEGIN
    UPDATE policy SET revision = revision + 1;
    UPDATE role SET revision = (SELECT revision FROM policy) WHERE id IN (old.role_id, new.role_id);
END;

CREATE TRIGGER role_acl_deleted AFTER DELETE ON role_acl
BEGIN
    UPDATE policy SET revision = revision + 1;
    UPDATE role SET revision = (SELECT revision FROM policy) WHERE id = old.role_id;
END;

-- INSERT OR REPLACE removes old rows without firing the triggers of a deletion.
CREATE TRIGGER role_acl_replaced BEFORE INSERT ON role_acl
BEGIN
    UPDATE role SET revision = (SELECT revision + 1 FROM policy)
    WHERE id = (SELECT role_id FROM role_acl WHERE id = new.id);
END;

CREATE TRIGGER account_group_inserted AFTER INSERT ON account_group
BEGIN
    UPDATE policy SET revision = revision + 1;
END;

CREATE TRIGGER account_group_updated AFTER UPDATE OF id, groupname ON account_group
BEGIN
    UPDATE policy SET revision = revision + 1;
END;

CREATE TRIGGER account_group_deleted AFTER DELETE ON account_group
BEGIN
    UPDATE policy SET revision = revision + 1;
END;

CREATE TRIGGER group_role_inserted AFTER INSERT ON group_role
BEGIN
    UPDATE policy SET revision = revision + 1;
END;

CREATE TRIGGER group_role_updated AFTER UPDATE ON group_role
BEGIN
    UPDATE policy SET revision = revision + 1;
END;

CREATE TRIGGER group_role_deleted AFTER DELETE ON group_role
BEGIN
    UPDATE policy SET revision = revision + 1;
END;

CREATE TRIGGER policy_is_one BEFORE INSERT ON policy
BEGIN
    SELECT raise(ABORT, 'policy has one row; change it');
END;

CREATE TRIGGER policy_stays BEFORE DELETE ON policy
BEGIN
    SELECT raise(ABORT, 'policy has one row; change it');
END;

CREATE TRIGGER policy_updated
AFTER UPDATE OF publish_client_send, publish_client_receive, subscribe, unsubscribe,
                anonymous_group_id ON policy
BEGIN
    UPDATE policy SET revision = revision + 1;
END;

CREATE TRIGGER account_role_inserted AFTER INSERT ON account_role
BEGIN
    INSERT INTO change (username) SELECT username FROM account WHERE id = new.account_id;
END;

CREATE TRIGGER account_role_updated AFTER UPDATE ON account_role
BEGIN
    INSERT INTO change (username)
    SELECT username FROM account WHERE id IN (old.account_id, new.account_id);
END;

CREATE TRIGGER account_role_deleted AFTER DELETE ON account_role
BEGIN
    INSERT INTO change (username) SELECT username FROM account WHERE id = old.account_id;
END;

CREATE TRIGGER group_member_inserted AFTER INSERT ON group_member
BEGIN
    INSERT INTO change (username) SELECT username FROM account WHERE id = new.account_id;
END;

CREATE TRIGGER group_member_updated AFTER UPDATE ON group_member
BEGIN
    INSERT INTO change (username)
    SELECT username FROM account WHERE id IN (old.account_id, new.account_id);
END;

CREATE TRIGGER group_member_deleted AFTER DELETE ON group_member
BEGIN
    INSERT INTO change (username) SELECT username FROM account WHERE id = old.account_id;
END;
