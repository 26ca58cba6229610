"""Signs tokens with PyJWT: tokens.py DIR

Makes the keys of an issuer in DIR, where they are not there yet: public ones in PEM, secrets, and all of them in a
JWKS under their names. Reads a JSON list of tokens from stdin, each {"key", "alg", "claims", "times", "headers"} with
times in seconds from now, and prints one token a line.
"""

import base64
import json
import pathlib
import sys
import time

import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

MAKERS = {
    "rsa": lambda: rsa.generate_private_key(65537, 2048),
    "rsa_new": lambda: rsa.generate_private_key(65537, 2048),
    "p256": lambda: ec.generate_private_key(ec.SECP256R1()),
    "p384": lambda: ec.generate_private_key(ec.SECP384R1()),
    "ed25519": ed25519.Ed25519PrivateKey.generate,
}
ALGORITHMS = {
    "rsa": jwt.algorithms.RSAAlgorithm,
    "rsa_new": jwt.algorithms.RSAAlgorithm,
    "p256": jwt.algorithms.ECAlgorithm,
    "p384": jwt.algorithms.ECAlgorithm,
    "ed25519": jwt.algorithms.OKPAlgorithm,
}


def make(name, here):
    key = MAKERS[name]()
    private = here / f"{name}.private"
    private.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    public = key.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    (here / f"{name}.pem").write_bytes(public)
    jwk = json.loads(ALGORITHMS[name].to_jwk(key.public_key()))
    (here / f"{name}.jwk").write_text(json.dumps({**jwk, "kid": name, "use": "sig"}))


def secret(here):
    text = base64.b64encode(bytes(range(100, 160))).decode()
    (here / "secret").write_text(text + "\n")
    return text


def signed(token, here):
    name, algorithm = token["key"], token["alg"]
    now = int(time.time())
    claims = dict(token.get("claims", {}))
    claims.update({name: now + at for name, at in token.get("times", {}).items()})
    headers = token.get("headers", {})
    if name == "none":
        return jwt.encode(claims, None, algorithm="none", headers=headers)
    if name == "secret":
        key = secret(here)
    elif algorithm.startswith("HS"):
        # Key confusion: the public key as a secret. PyJWT itself refuses to.
        return confused(claims, (here / f"{name}.pem").read_bytes(), algorithm, headers)
    else:
        key = (here / f"{name}.private").read_bytes()
    return jwt.encode(claims, key, algorithm=algorithm, headers=headers)


def confused(claims, key, algorithm, headers):
    class Careless(jwt.algorithms.HMACAlgorithm):
        def prepare_key(self, key):
            return key

    signer = jwt.PyJWS()
    signer.unregister_algorithm(algorithm)
    signer.register_algorithm(algorithm, Careless(Careless.SHA256))
    payload = json.dumps(claims).encode()
    return signer.encode(payload, key, algorithm=algorithm, headers=headers)


def main():
    here = pathlib.Path(sys.argv[1])
    here.mkdir(exist_ok=True)
    for name in MAKERS:
        if not (here / f"{name}.private").exists():
            make(name, here)
    secret(here)
    for token in json.load(sys.stdin):
        print(signed(token, here))


main()
