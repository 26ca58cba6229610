// Logs in by SCRAM with MQTT.js and checks what it is told.
//
//     mqttjs_scram.js PORT MECHANISM EXPECTED USERNAME PASSWORD [CONNECT_USERNAME]
//
// EXPECTED is "accepted" or the reason code of the refusal. An accepted client has checked the server's
// signature, subscribes, publishes and must receive its own message. Ends with 0 when all came as
// announced, with 1 and a line on standard error when not. The SCRAM side is written with node's own
// crypto, after RFC 5802.

const crypto = require("crypto");
const mqtt = require("mqtt");

const [port, mechanism, expected, username, password, connectUsername] = process.argv.slice(2);
const digest = { "SCRAM-SHA-256": "sha256", "SCRAM-SHA-512": "sha512" }[mechanism];
const length = { sha256: 32, sha512: 64 }[digest];
const hmac = (key, text) => crypto.createHmac(digest, key).update(text).digest();
const hash = (bytes) => crypto.createHash(digest).update(bytes).digest();

const bare = `n=${username.replace(/=/g, "=3D").replace(/,/g, "=2C")},r=${crypto.randomBytes(18).toString("base64")}`;
let signature;

function answer(serverFirst) {
    const parts = Object.fromEntries(serverFirst.split(",").map((part) => [part[0], part.slice(2)]));
    const iterations = Number(parts.i);
    if (iterations < 4096) fail(`${iterations} iterations are too few`);
    const salted = crypto.pbkdf2Sync(password, Buffer.from(parts.s, "base64"), iterations, length, digest);
    const clientKey = hmac(salted, "Client Key");
    const unproven = `c=biws,r=${parts.r}`;
    const signed = `${bare},${serverFirst},${unproven}`;
    const mask = hmac(hash(clientKey), signed);
    const proof = Buffer.from(clientKey.map((byte, at) => byte ^ mask[at]));
    signature = "v=" + hmac(hmac(salted, "Server Key"), signed).toString("base64");
    return `${unproven},p=${proof.toString("base64")}`;
}

function fail(why) {
    console.error(why);
    process.exit(1);
}

setTimeout(() => fail("nothing came"), 30000);
const options = {
    port: Number(port),
    protocolVersion: 5,
    reconnectPeriod: 0,
    properties: { authenticationMethod: mechanism, authenticationData: Buffer.from(`n,,${bare}`) },
};
if (connectUsername !== undefined) options.username = connectUsername;
const client = mqtt.connect("mqtt://127.0.0.1", options);
client.handleAuth = (packet, done) => {
    if (packet.reasonCode !== 0x18) return done(new Error(`AUTH ${packet.reasonCode}`));
    const data = Buffer.from(answer(packet.properties.authenticationData.toString()));
    done(null, {
        cmd: "auth",
        reasonCode: 0x18,
        properties: { authenticationMethod: mechanism, authenticationData: data },
    });
};
client.on("error", (error) => {
    if (String(error.code) === expected) process.exit(0);
    fail(`refused: ${error.code} ${error.message}`);
});
client.on("close", () => fail("closed"));
client.on("connect", (packet) => {
    if (expected !== "accepted") fail("accepted");
    if (packet.properties.authenticationData.toString() !== signature) fail("the server's signature is wrong");
    client.on("message", (topic, payload) => {
        if (payload.toString() !== "hello") fail("another message");
        process.exit(0);
    });
    client.subscribe("tutorial/echo", () => client.publish("tutorial/echo", "hello"));
});
