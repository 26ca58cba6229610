-- The tables that own-schema.conf asks. Names, types and what else there is are the application's.

CREATE TABLE customer (
    id   INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    paid INTEGER NOT NULL DEFAULT 1 CHECK (paid IN (0, 1))
);

-- The username is the serial number. The hash says itself how it was made: $2b$… is bcrypt, $7$… is
-- Mosquitto's, $argon2id$… is Argon2.
CREATE TABLE device (
    serial        TEXT PRIMARY KEY,
    customer_id   INTEGER NOT NULL REFERENCES customer (id),
    password_hash TEXT NOT NULL,
    blocked       INTEGER NOT NULL DEFAULT 0 CHECK (blocked IN (0, 1))
);

CREATE TABLE device_acl (
    serial TEXT NOT NULL REFERENCES device (serial),
    filter TEXT NOT NULL,
    access INTEGER NOT NULL CHECK (access BETWEEN 1 AND 7)
);
CREATE INDEX device_acl_by_serial ON device_acl (serial);

-- As EMQX has it by default, with algorithm sha256 and salt_position suffix.
CREATE TABLE mqtt_user (
    id            INTEGER PRIMARY KEY,
    username      TEXT NOT NULL UNIQUE,
    password_hash TEXT NOT NULL,
    salt          TEXT NOT NULL
);
