-- What people read about an account, as of roles and groups; and how often administration changed
-- anything: dynamic-security's changeIndex. A running broker needs to hear of neither, so no trigger
-- looks at them.

ALTER TABLE account ADD COLUMN textname TEXT;
ALTER TABLE account ADD COLUMN textdescription TEXT;

ALTER TABLE policy ADD COLUMN changes INTEGER NOT NULL DEFAULT 0 CHECK (changes >= 0);
