"""Logs in by SCRAM with scramp over a connection of its own and checks what it is told.

    scramp_login.py PORT MECHANISM EXPECTED USERNAME PASSWORD [--connect-username NAME] [--again N]
        [--tls CA CERTIFICATE KEY]

EXPECTED is "accepted" or the reason code of the refusal. An accepted client has checked the server's
signature, proves itself N more times over the same connection, subscribes, publishes and must receive
its own message. Ends with 0 when all came as announced, with 1 and a line on standard error when not.
"""

import argparse
import socket
import ssl
import struct
import sys

import scramp

PATIENCE = 30  # seconds
METHOD, DATA = 0x15, 0x16
# The other properties of CONNACK and AUTH, by how they are written.
NUMBERS = {0x24: 1, 0x25: 1, 0x28: 1, 0x29: 1, 0x2A: 1, 0x13: 2, 0x21: 2, 0x22: 2, 0x11: 4, 0x27: 4}


class Refused(Exception):
    """The broker said no; the reason code."""


class Connection:
    def __init__(self, port, mechanism, tls):
        self.socket = socket.create_connection(("127.0.0.1", port), PATIENCE)
        if tls:
            context = ssl.create_default_context(cafile=tls[0])
            context.load_cert_chain(tls[1], tls[2])
            self.socket = context.wrap_socket(self.socket, server_hostname="localhost")
        self.mechanism = mechanism

    def send(self, first, body):
        self.socket.sendall(bytes([first]) + measured(body))

    def bytes(self, count):
        found = b""
        while len(found) < count:
            more = self.socket.recv(count - len(found))
            if not more:
                raise Refused("closed")
            found += more
        return found

    def packet(self):
        first, length, shift = self.bytes(1)[0], 0, 0
        while True:
            byte = self.bytes(1)[0]
            length, shift = length | (byte & 0x7F) << shift, shift + 7
            if not byte & 0x80:
                return first, self.bytes(length)

    def properties(self, data):
        inside = field(bytes([METHOD]), self.mechanism) + field(bytes([DATA]), data)
        return measured(inside)

    def connect(self, data, username):
        flags = 0x02 | (0x80 if username is not None else 0)
        body = field(b"", "MQTT") + bytes([5, flags, 0, 60]) + self.properties(data)
        body += field(b"", "scramp") + (b"" if username is None else field(b"", username))
        self.send(0x10, body)

    def auth(self, reason, data):
        self.send(0xF0, bytes([reason]) + self.properties(data))

    def heard(self):
        """The authentication data of the next packet, and whether it ends the exchange."""
        first, body = self.packet()
        if first == 0x20:
            if body[1]:
                raise Refused(body[1])
            return data_in(body[2:]), True
        if first == 0xF0:
            reason = body[0] if body else 0
            return data_in(body[1:]), reason == 0
        if first == 0xE0:
            raise Refused(body[0])
        raise SystemExit(f"instead of an answer: {first:#x} {body!r}")


def measured(body):
    """The bytes behind their length as a variable byte integer."""
    length, rest = b"", len(body)
    while True:
        rest, seven = rest >> 7, rest & 0x7F
        length += bytes([seven | (0x80 if rest else 0)])
        if not rest:
            return length + body


def field(before, text):
    data = text.encode() if isinstance(text, str) else text
    return before + struct.pack(">H", len(data)) + data


def data_in(properties):
    at, length, shift = 0, 0, 0
    while True:
        length, shift = length | (properties[at] & 0x7F) << shift, shift + 7
        at += 1
        if not properties[at - 1] & 0x80:
            break
    end = at + length
    while at < end:
        kind, at = properties[at], at + 1
        if kind in NUMBERS:
            at += NUMBERS[kind]
            continue
        size = struct.unpack_from(">H", properties, at)[0]
        if kind == DATA:
            return properties[at + 2:at + 2 + size].decode()
        at += 2 + size
    return None


def exchange(args, begin):
    client = scramp.ScramClient([args.mechanism], args.username, args.password)
    connection = begin(client.get_client_first())
    first, is_over = connection.heard()
    if is_over:
        raise SystemExit("accepted without a proof")
    client.set_server_first(first)
    connection.auth(0x18, client.get_client_final())
    final, is_over = connection.heard()
    if not is_over:
        raise SystemExit("asked for more")
    client.set_server_final(final)
    return connection


def main():
    parser = argparse.ArgumentParser()
    for name in ["port", "mechanism", "expected", "username", "password"]:
        parser.add_argument(name)
    parser.add_argument("--connect-username")
    parser.add_argument("--tls", nargs=3)
    parser.add_argument("--again", type=int, default=0)
    args = parser.parse_args()

    def first_time(data):
        connection = Connection(int(args.port), args.mechanism, args.tls)
        connection.connect(data, args.connect_username)
        return connection

    def again(data):
        connection.auth(0x19, data)
        return connection

    try:
        connection = exchange(args, first_time)
        for _ in range(args.again):
            exchange(args, again)
    except Refused as refused:
        if str(refused) == args.expected:
            return
        raise SystemExit(f"refused: {refused}")
    if args.expected != "accepted":
        raise SystemExit("accepted")
    connection.send(0x82, b"\0\1\0" + field(b"", "tutorial/echo") + b"\0")
    assert connection.packet()[0] == 0x90
    connection.send(0x30, field(b"", "tutorial/echo") + b"\0hello")
    first, body = connection.packet()
    if first >> 4 != 3 or not body.endswith(b"hello"):
        raise SystemExit(f"another message: {body!r}")


if __name__ == "__main__":
    main()
