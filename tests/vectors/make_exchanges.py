"""Makes scramp.json beside this file: whole SCRAM exchanges, both sides played by scramp, and what is
stored of the password in PostgreSQL's form.

Run once, when a mechanism is added; the tests only read the file. Needs: pip install scramp.

    python3 make_exchanges.py
"""

import base64
import hashlib
import importlib.metadata
import json
import os
import pathlib

import scramp

NAMES = {"SCRAM-SHA-256": "sha256", "SCRAM-SHA-512": "sha512"}
USERS = ["user", "a,b=c", "Jürgen"]
PASSWORDS = ["pencil", "tulip Rose 7:$x", "y" * 200]


def b64(data):
    return base64.b64encode(data).decode()


def exchange(name, username, password, iterations, salt):
    server = scramp.ScramMechanism(mechanism=name)
    keys = server.make_auth_info(password, iteration_count=iterations, salt=salt)
    _, stored_key, server_key, _ = keys
    client = scramp.ScramClient([name], username, password, c_nonce=b64(os.urandom(15)))
    server = server.make_server(lambda asked: keys if asked == username else None,
                                s_nonce=b64(os.urandom(18)))
    messages = []
    for give, take in [(client.get_client_first, server.set_client_first),
                       (server.get_server_first, client.set_server_first),
                       (client.get_client_final, server.set_client_final),
                       (server.get_server_final, client.set_server_final)]:
        messages.append(give())
        take(messages[-1])
    salted = hashlib.pbkdf2_hmac(NAMES[name], password.encode(), salt, iterations)
    return {
        "mechanism": name,
        "username": username,
        "password_hex": password.encode().hex(),
        "salted_password": b64(salted),
        "text": f"{name}${iterations}:{b64(salt)}${b64(stored_key)}:{b64(server_key)}",
        "messages": messages,
    }


def main():
    rows = [exchange(name, username, password, iterations, os.urandom(salt))
            for name in NAMES
            for username in USERS
            for password in PASSWORDS
            for iterations, salt in [(4096, 12), (5000, 64)]]
    lines = ",\n".join("  " + json.dumps(row) for row in rows)
    tool = "scramp " + importlib.metadata.version("scramp")
    path = pathlib.Path(__file__).with_name("scramp.json")
    path.write_text(f'{{"tool": {json.dumps(tool)}, "vectors": [\n{lines}\n]}}\n')
    print(path.name, tool, len(rows))


if __name__ == "__main__":
    main()
