"""Guesses passwords: guess.py PORT SOURCE_ADDRESS USERNAME COUNT

One MQTT 3.1.1 connection after another from a loopback address of choice. Prints the return codes.
"""

import socket
import sys


def field(text):
    data = text.encode()
    return len(data).to_bytes(2, "big") + data


def length(number):
    encoded = b""
    while True:
        number, seven = divmod(number, 128)
        encoded += bytes([seven | (0x80 if number else 0)])
        if not number:
            return encoded


def guess(port, source, username, password):
    body = field("MQTT") + b"\x04\xc2\x00\x3c" + field("guess-" + password) + field(username) + field(password)
    with socket.create_connection(("127.0.0.1", port), timeout=20, source_address=(source, 0)) as connection:
        connection.sendall(b"\x10" + length(len(body)) + body)
        answer = connection.recv(4)
    return answer[3] if len(answer) == 4 else -1


def main():
    port, source, username, count = sys.argv[1:]
    codes = [guess(int(port), source, username, f"{source}-{n}") for n in range(int(count))]
    print(*codes)


main()
