"""Makes pyjwt.json: the keys of an issuer that nobody has, and tokens that PyJWT signed with them by every algorithm.

    .cache/venv/bin/python tests/vectors/make_tokens.py > tests/vectors/pyjwt.json
"""

import json
import pathlib
import subprocess
import sys
import tempfile

CLAIMS = {
    "sub": "ann",
    "iss": "https://id.example.org/",
    "aud": ["mqtt", "other"],
    "iat": 1_900_000_000,
    "nbf": 1_900_000_000,
    "exp": 1_900_003_600,
    "realm_access": {"roles": ["reader", "writer"]},
    "acl": {"pub": ["${clientid}/up"], "sub": ["${username}/down/#"], "all": ["chat"]},
}
SIGNERS = {
    "secret": ["HS256", "HS384", "HS512"],
    "rsa": ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512"],
    "p256": ["ES256"],
    "p384": ["ES384"],
    "ed25519": ["EdDSA"],
}


def main():
    script = pathlib.Path(__file__).parent.parent / "python" / "tokens.py"
    wanted = [
        {"key": key, "alg": algorithm, "claims": CLAIMS}
        for key, algorithms in SIGNERS.items()
        for algorithm in algorithms
    ]
    # What nobody may take: not signed, and a public key for a secret.
    wanted += [
        {"key": "none", "alg": "none", "claims": CLAIMS},
        {"key": "rsa", "alg": "HS256", "claims": CLAIMS},
    ]
    with tempfile.TemporaryDirectory() as place:
        command = [sys.executable, str(script), place]
        answer = subprocess.run(command, input=json.dumps(wanted), capture_output=True, text=True, check=True)
        here = pathlib.Path(place)
        keys = {path.name: path.read_text() for path in sorted(here.iterdir()) if path.suffix != ".private"}
    tokens = [
        {"key": one["key"], "alg": one["alg"], "token": token}
        for one, token in zip(wanted, answer.stdout.split(), strict=True)
    ]
    print(json.dumps({"keys": keys, "tokens": tokens}, indent=1))


main()
