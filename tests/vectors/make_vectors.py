"""Makes the known answers beside this file with the tools that real installations use.

Each file names the tool and its version. Run once, when a tool or a form is added; the tests only
read the files. Needs: pip install passlib 'bcrypt>=4' argon2-cffi django; mosquitto_passwd of 2.0
(an early and a late one) and of 2.1; libcrypt.so.1; openssl.

    python3 make_vectors.py --mosquitto 2.0.11=PATH --mosquitto 2.0.21=PATH \\
        --mosquitto 2.1.2=PATH [--out DIR]

A password that a tool refuses (an embedded NUL, say) has no vector of that tool.
"""

import argparse
import base64
import ctypes
import hashlib
import importlib.metadata
import json
import os
import pathlib
import ssl
import subprocess
import sys
import tempfile

ASCII = b"tulip Rose 7:$x"
PASSWORDS = [
    ASCII,
    b"",
    b"\xff\xfe\x80 caf\xe9",
    b"\xff\xa3" + b"345",
    "Grüße, Jürgen".encode(),
    b"nul\0inside",
    b"x" * 71,
    b"x" * 72,
    b"y" * 73 + b"tail",
    b"long " * 60,
]


def b64(data):
    return base64.b64encode(data).decode()


def raw64(data):
    return b64(data).rstrip("=")


def vector(text, password, scheme="marked", salt=None):
    row = {"text": text, "password_hex": password.hex()}
    if scheme != "marked":
        row["scheme"] = scheme
    if salt is not None:
        row["salt"] = salt
    return row


def every(make):
    """One vector for each password that the tool accepts."""
    rows = []
    for password in PASSWORDS:
        try:
            text = make(password)
        except (ValueError, TypeError, OSError, subprocess.CalledProcessError, UnicodeDecodeError):
            continue
        if text:
            rows.append(vector(text, password))
    return rows


def mosquitto(command, method):
    def make(password):
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "passwords")
            subprocess.run(
                [command, "-H", method, "-c", "-b", path, "roger", password],
                check=True, capture_output=True,
            )
            return pathlib.Path(path).read_text().strip().split(":", 1)[1]
    return make


def libcrypt():
    library = ctypes.CDLL("libcrypt.so.1")
    library.crypt.restype = ctypes.c_char_p

    def setting(prefix):
        def make(password):
            if b"\0" in password:
                raise ValueError
            text = library.crypt(ctypes.c_char_p(password), ctypes.c_char_p(prefix.encode()))
            if text is None or text.startswith(b"*"):
                raise ValueError
            return text.decode()
        return make

    rows = []
    for prefix in ["$5$saltstring", "$5$rounds=1400$anotherlongsalts", "$6$saltstring",
                   "$6$rounds=1000$short", "$6$sixteencharsalt!",
                   "$2b$04$abcdefghijklmnopqrstuu", "$2y$05$abcdefghijklmnopqrstuu",
                   "$2a$04$abcdefghijklmnopqrstuu", "$2x$04$abcdefghijklmnopqrstuu"]:
        rows += every(setting(prefix))
    return rows


def openssl(option):
    def make(password):
        # It cuts at 256 bytes, which crypt(3) does not.
        if b"\0" in password or not password or len(password) > 256:
            raise ValueError
        done = subprocess.run(["openssl", "passwd", option, "-salt", "Pa.0/tulip", "-stdin"],
                              input=password + b"\n", check=True, capture_output=True)
        return done.stdout.decode().strip()
    return every(make)


def passlib():
    from passlib import hash as known
    rows = []
    for hasher in [known.pbkdf2_sha256.using(rounds=1200), known.pbkdf2_sha512.using(rounds=1200),
                   known.pbkdf2_sha1.using(rounds=1200), known.scrypt.using(rounds=4, block_size=8),
                   known.sha256_crypt.using(rounds=1500), known.sha512_crypt.using(rounds=5000),
                   known.bcrypt.using(rounds=4)]:
        rows += every(hasher.hash)
    return rows


def bcrypt_rows():
    import bcrypt
    return (every(lambda p: bcrypt.hashpw(p, bcrypt.gensalt(4)).decode())
            + every(lambda p: bcrypt.hashpw(p, bcrypt.gensalt(5, b"2a")).decode()))


def argon2_rows():
    from argon2.low_level import Type, hash_secret
    rows = []
    for kind, version, lanes, length in [(Type.ID, 19, 1, 32), (Type.ID, 19, 2, 64),
                                         (Type.I, 19, 1, 32), (Type.ID, 16, 1, 16),
                                         (Type.I, 16, 1, 24)]:
        def make(password):
            text = hash_secret(password, os.urandom(16), time_cost=2, memory_cost=64,
                               parallelism=lanes, hash_len=length, type=kind, version=version)
            return text.decode()
        rows += every(make)
    # Written before the version had a field of its own.
    old = [row for row in rows if "$v=16$" in row["text"]]
    rows += [vector(row["text"].replace("$v=16$", "$"), bytes.fromhex(row["password_hex"]))
             for row in old]
    return rows


def django_rows():
    from django.conf import settings
    settings.configure()
    from django.contrib.auth import hashers

    class Quick256(hashers.PBKDF2PasswordHasher):
        iterations = 1300

    class Quick1(hashers.PBKDF2SHA1PasswordHasher):
        iterations = 1300

    rows = []
    for hasher in [Quick256(), Quick1()]:
        rows += every(lambda p: hasher.encode(p.decode(), hasher.salt()))
    return rows


def derived():
    """Forms whose tools are not at hand: their documented layout around OpenSSL's PBKDF2."""
    rows = []
    for name, length in [("sha512", 64), ("sha256", 32), ("sha1", 20), ("sha256", 64), ("sha512", 16)]:
        for salt in [os.urandom(16), os.urandom(9)]:
            rows += every(lambda p: f"PBKDF2${name}$1100${b64(salt)}$"
                          + b64(hashlib.pbkdf2_hmac(name, p, salt, 1100, length)))
        for salt in ["not base64!", "AbCdEfGh12345678", "tulip"]:
            rows += every(lambda p: f"PBKDF2${name}$901${salt}$"
                          + b64(hashlib.pbkdf2_hmac(name, p, salt.encode(), 901, length)))
    for name, length in [("sha512", 64), ("sha256", 32), ("sha512", 32)]:
        salt = os.urandom(16)
        rows += every(lambda p: f"$pbkdf2-{name}$i=1000,l={length}${raw64(salt)}$"
                      + raw64(hashlib.pbkdf2_hmac(name, p, salt, 1000, length)))
    salt = os.urandom(16)
    rows += every(lambda p: f"{b64(salt)}:100:"
                  + b64(hashlib.pbkdf2_hmac("sha512", p, salt, 100, 64)))
    salt = os.urandom(64)
    rows += every(lambda p: f"$7$1000${b64(salt)}$"
                  + b64(hashlib.pbkdf2_hmac("sha512", p, salt, 1000, 64)))
    salt = os.urandom(16)
    rows += every(lambda p: f"$scrypt$ln=5,r=8,p=2${raw64(salt)}$"
                  + raw64(hashlib.scrypt(p, salt=salt, n=32, r=8, p=2, dklen=64)))
    return rows


def unmarked():
    # The worked example of RabbitMQ's documentation ("this is how to hash a password").
    rows = [vector("kI3GCqW5JLMJa4iX1lo7X4D6XbYqlLgxIs30+P6tENUV2POR", b"test12", "rabbitmq")]
    for password in PASSWORDS:
        salt = os.urandom(4)
        rows.append(vector(b64(salt + hashlib.sha256(salt + password).digest()), password, "rabbitmq"))
        for name in ["sha256", "sha512"]:
            salt = os.urandom(8).hex()
            before = hashlib.new(name, salt.encode() + password).hexdigest()
            after = hashlib.new(name, password + salt.encode()).hexdigest()
            bare = hashlib.new(name, password).hexdigest()
            rows.append(vector(before, password, f"emqx_{name}_prefix", salt))
            rows.append(vector(after.upper(), password, f"emqx_{name}_suffix", salt))
            rows.append(vector(bare, password, f"emqx_{name}_suffix"))
    return rows


def main():
    options = argparse.ArgumentParser()
    options.add_argument("--mosquitto", action="append", required=True, metavar="VERSION=PATH")
    options.add_argument("--libxcrypt-version", default="4.4.33")
    options.add_argument("--out", default=os.path.dirname(os.path.abspath(__file__)))
    chosen = options.parse_args()
    version = importlib.metadata.version
    python = "python %d.%d.%d" % sys.version_info[:3]
    hashing = f"hashlib of {python} ({ssl.OPENSSL_VERSION})"
    files = {
        "crypt.json": (f"crypt(3) of libxcrypt {chosen.libxcrypt_version}", libcrypt()),
        "openssl-passwd.json": (ssl.OPENSSL_VERSION, openssl("-5") + openssl("-6")),
        "passlib.json": ("passlib " + version("passlib"), passlib()),
        "bcrypt.json": ("python bcrypt " + version("bcrypt"), bcrypt_rows()),
        "argon2-cffi.json": ("argon2-cffi " + version("argon2-cffi"), argon2_rows()),
        "django.json": ("Django " + version("django"), django_rows()),
        "derived.json": (hashing, derived()),
        "unmarked.json": (hashing, unmarked()),
    }
    for release in chosen.mosquitto:
        number, command = release.split("=", 1)
        # Not every release has every method, and not every build.
        rows = [row for method in ["sha512", "sha512-pbkdf2", "argon2id"]
                for row in every(mosquitto(command, method))]
        files[f"mosquitto-{number}.json"] = (f"mosquitto_passwd {number}", rows)
    for name, (tool, rows) in files.items():
        lines = ",\n".join("  " + json.dumps(row) for row in rows)
        pathlib.Path(chosen.out, name).write_text(
            f'{{"tool": {json.dumps(tool)}, "vectors": [\n{lines}\n]}}\n')
        print(name, tool, len(rows))


if __name__ == "__main__":
    main()
