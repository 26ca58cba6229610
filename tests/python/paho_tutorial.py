"""Logs in as the usual Paho tutorial does and checks what on_connect is told.

    paho_tutorial.py [--wss CAFILE] HOST PORT PROTOCOL EXPECTED [USERNAME [PASSWORD]]

PROTOCOL is 3.1, 3.1.1 or 5; EXPECTED is "accepted" or "refused". An accepted client also
subscribes, publishes and must receive its own message. Ends with 0 when all came as announced,
with 1 and a line on standard error when not. With --wss it goes through secure WebSockets.
"""

import argparse
import queue
import sys
import warnings

import paho.mqtt.client as mqtt

PROTOCOLS = {"3.1": mqtt.MQTTv31, "3.1.1": mqtt.MQTTv311, "5": mqtt.MQTTv5}
# 3.x has a return code, 5 a reason code with a name.
ANSWERS = {
    "3.1": {"accepted": 0, "refused": 5},
    "3.1.1": {"accepted": 0, "refused": 5},
    "5": {"accepted": "Success", "refused": "Not authorized"},
}
PATIENCE = 20  # seconds
TOPIC = "tutorial/echo"


def main():
    args = parse_arguments()
    events = queue.Queue()
    # The tutorials' callbacks, deprecated or not: what their readers see is what counts here.
    warnings.simplefilter("ignore", DeprecationWarning)
    client = mqtt.Client(
        mqtt.CallbackAPIVersion.VERSION1,
        protocol=PROTOCOLS[args.protocol],
        reconnect_on_failure=False,
        transport="websockets" if args.wss else "tcp",
    )
    if args.wss:
        client.tls_set(ca_certs=args.wss)
    if args.username is not None:
        client.username_pw_set(args.username, args.password)
    client.on_connect = lambda _client, _user, _flags, rc, *_: events.put(("connect", named(rc)))
    client.on_subscribe = lambda _client, _user, _mid, codes, *_: events.put(("subscribe", len(codes)))
    client.on_message = lambda _client, _user, message: events.put(("message", message.payload))
    client.on_disconnect = lambda *_: events.put(("disconnect",))

    client.connect(args.host, args.port, keepalive=60)
    client.loop_start()
    try:
        expect(events, ("connect", ANSWERS[args.protocol][args.expected]))
        if args.expected == "refused":
            return
        client.subscribe(TOPIC)
        expect(events, ("subscribe", 1))
        client.publish(TOPIC, b"hello", qos=1)
        expect(events, ("message", b"hello"))
        client.disconnect()
    finally:
        client.loop_stop()


def named(code):
    return code if isinstance(code, int) else str(code)


def expect(events, wanted):
    try:
        heard = events.get(timeout=PATIENCE)
    except queue.Empty:
        heard = "nothing"
    if heard != wanted:
        sys.exit(f"expected {wanted}, heard {heard}")


def parse_arguments():
    parser = argparse.ArgumentParser()
    parser.add_argument("--wss", metavar="CAFILE")
    parser.add_argument("host")
    parser.add_argument("port", type=int)
    parser.add_argument("protocol", choices=PROTOCOLS)
    parser.add_argument("expected", choices=["accepted", "refused"])
    parser.add_argument("username", nargs="?")
    parser.add_argument("password", nargs="?")
    return parser.parse_args()


if __name__ == "__main__":
    main()
