//! Packets as bytes: what is said to the broker, well-formed or not.

/// The three versions of MQTT the brokers speak.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protocol {
    /// 3.1, which calls itself MQIsdp.
    V31,
    V311,
    V5,
}

impl Protocol {
    pub const ALL: [Self; 3] = [Self::V31, Self::V311, Self::V5];
}

/// A message the broker sends for a client that vanishes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Will {
    pub topic: Vec<u8>,
    pub payload: Vec<u8>,
    pub qos: u8,
    pub retain: bool,
    /// Encoded properties, without their length; sent by MQTT 5 only.
    pub properties: Vec<u8>,
}

/// A CONNECT. Fields are public: any of them may be set to what no client would send.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Connect {
    pub protocol: Protocol,
    pub client_id: Vec<u8>,
    pub username: Option<Vec<u8>>,
    pub password: Option<Vec<u8>>,
    pub clean: bool,
    pub keepalive: u16,
    pub will: Option<Will>,
    /// Encoded properties, without their length; sent by MQTT 5 only.
    pub properties: Vec<u8>,
}

impl Connect {
    /// A clean session with a client id of its own, nobody's name and no password.
    pub fn new(protocol: Protocol) -> Self {
        Self {
            protocol,
            client_id: unique_client_id(),
            username: None,
            password: None,
            clean: true,
            keepalive: 60,
            will: None,
            properties: Vec::new(),
        }
    }

    #[must_use]
    pub fn client_id(mut self, id: impl AsRef<[u8]>) -> Self {
        self.client_id = id.as_ref().to_vec();
        self
    }

    #[must_use]
    pub fn username(mut self, name: impl AsRef<[u8]>) -> Self {
        self.username = Some(name.as_ref().to_vec());
        self
    }

    #[must_use]
    pub fn password(mut self, password: impl AsRef<[u8]>) -> Self {
        self.password = Some(password.as_ref().to_vec());
        self
    }

    #[must_use]
    pub fn credentials(self, name: impl AsRef<[u8]>, password: impl AsRef<[u8]>) -> Self {
        self.username(name).password(password)
    }

    #[must_use]
    pub fn keepalive(mut self, seconds: u16) -> Self {
        self.keepalive = seconds;
        self
    }

    /// Keeps the session when the connection ends.
    #[must_use]
    pub fn persistent(mut self) -> Self {
        self.clean = false;
        // MQTT 5 separates "start clean" from "how long to keep": session expiry, here for ever.
        self.properties.extend([0x11, 0xff, 0xff, 0xff, 0xff]);
        self
    }

    #[must_use]
    pub fn will(mut self, topic: impl AsRef<[u8]>, payload: impl AsRef<[u8]>) -> Self {
        self.will = Some(Will {
            topic: topic.as_ref().to_vec(),
            payload: payload.as_ref().to_vec(),
            qos: 0,
            retain: false,
            properties: Vec::new(),
        });
        self
    }

    /// Has the will of an MQTT 5 client wait so long for the client to come back; its session has to be
    /// [kept](Self::persistent) as long.
    #[must_use]
    pub fn delayed_by(mut self, seconds: u32) -> Self {
        let will = self.will.as_mut().expect("a will");
        will.properties.push(0x18);
        will.properties.extend(seconds.to_be_bytes());
        self
    }

    /// The packet.
    pub fn encode(&self) -> Vec<u8> {
        let (name, level) = match self.protocol {
            Protocol::V31 => ("MQIsdp", 3),
            Protocol::V311 => ("MQTT", 4),
            Protocol::V5 => ("MQTT", 5),
        };
        let mut body = bytes_field(name);
        body.extend([level, self.flags()]);
        body.extend(self.keepalive.to_be_bytes());
        if self.protocol == Protocol::V5 {
            body.extend(with_length(&self.properties));
        }
        body.extend(bytes_field(&self.client_id));
        if let Some(will) = &self.will {
            if self.protocol == Protocol::V5 {
                body.extend(with_length(&will.properties));
            }
            body.extend(bytes_field(&will.topic));
            body.extend(bytes_field(&will.payload));
        }
        for field in [&self.username, &self.password].into_iter().flatten() {
            body.extend(bytes_field(field));
        }
        packet(0x10, &body)
    }

    fn flags(&self) -> u8 {
        let will = self.will.as_ref().map_or(0, |will| {
            1 << 2 | will.qos << 3 | u8::from(will.retain) << 5
        });
        u8::from(self.username.is_some()) << 7
            | u8::from(self.password.is_some()) << 6
            | will
            | u8::from(self.clean) << 1
    }
}

/// SUBSCRIBE with one filter.
pub fn subscribe(protocol: Protocol, id: u16, filter: &str, qos: u8) -> Vec<u8> {
    let mut body = numbered(protocol, id);
    body.extend(bytes_field(filter));
    body.push(qos);
    packet(0x82, &body)
}

/// UNSUBSCRIBE with one filter.
pub fn unsubscribe(protocol: Protocol, id: u16, filter: &str) -> Vec<u8> {
    let mut body = numbered(protocol, id);
    body.extend(bytes_field(filter));
    packet(0xa2, &body)
}

/// PUBLISH; `id` is sent for QoS 1 and 2 only.
pub fn publish(protocol: Protocol, id: u16, topic: &str, payload: &[u8], qos: u8) -> Vec<u8> {
    let mut body = bytes_field(topic);
    if qos > 0 {
        body.extend(id.to_be_bytes());
    }
    if protocol == Protocol::V5 {
        body.push(0);
    }
    body.extend(payload);
    packet(0x30 | qos << 1, &body)
}

/// A packet of the kind `first`, with the length of `body` in front of it.
pub fn packet(first: u8, body: &[u8]) -> Vec<u8> {
    let mut packet = vec![first];
    packet.extend(with_length(body));
    packet
}

/// `bytes` behind their length as two bytes, as MQTT writes strings and binary data.
pub fn bytes_field(bytes: impl AsRef<[u8]>) -> Vec<u8> {
    let bytes = bytes.as_ref();
    let length = u16::try_from(bytes.len()).expect("an MQTT field has at most 65535 bytes");
    [&length.to_be_bytes(), bytes].concat()
}

/// AUTH of MQTT 5.
pub fn auth(reason: u8, method: &str, data: impl AsRef<[u8]>) -> Vec<u8> {
    let mut body = vec![reason];
    body.extend(with_length(&authentication(method, data)));
    packet(0xf0, &body)
}

/// The properties of CONNECT and AUTH that make an exchange.
pub fn authentication(method: &str, data: impl AsRef<[u8]>) -> Vec<u8> {
    [
        &[0x15][..],
        &bytes_field(method),
        &[0x16],
        &bytes_field(data),
    ]
    .concat()
}

/// The authentication data in the properties of AUTH or CONNACK, behind their length; empty where there
/// are none.
pub fn authentication_data(mut properties: &[u8]) -> String {
    let length = properties.iter().take_while(|byte| **byte >= 0x80).count() + 1;
    properties = &properties[length.min(properties.len())..];
    while let Some((kind, rest)) = properties.split_first() {
        let size = match kind {
            0x24 | 0x25 | 0x28 | 0x29 | 0x2a => 1,
            0x13 | 0x21 | 0x22 => 2,
            0x11 | 0x27 => 4,
            _ => 2 + usize::from(u16::from_be_bytes([rest[0], rest[1]])),
        };
        if *kind == 0x16 {
            return String::from_utf8(rest[2..size].to_vec()).expect("text");
        }
        properties = &rest[size..];
    }
    String::new()
}

fn numbered(protocol: Protocol, id: u16) -> Vec<u8> {
    let mut body = id.to_be_bytes().to_vec();
    if protocol == Protocol::V5 {
        body.push(0);
    }
    body
}

/// `bytes` behind their length as a variable byte integer.
fn with_length(bytes: &[u8]) -> Vec<u8> {
    let mut encoded = Vec::with_capacity(bytes.len() + 4);
    let mut rest = bytes.len();
    loop {
        let seven = (rest & 0x7f) as u8;
        rest >>= 7;
        encoded.push(if rest > 0 { seven | 0x80 } else { seven });
        if rest == 0 {
            break;
        }
    }
    encoded.extend(bytes);
    encoded
}

/// Two clients of one id take over each other's session; 3.1 allows 23 bytes at most.
fn unique_client_id() -> Vec<u8> {
    use std::sync::atomic::{AtomicU32, Ordering};
    static NEXT: AtomicU32 = AtomicU32::new(0);
    format!("test-{}", NEXT.fetch_add(1, Ordering::Relaxed)).into_bytes()
}
