//! The connection to a broker: packets out and packets in, each with a deadline.
//!
//! MQTT 5, whose acknowledgements say whether a message was let through. Must not: wait without a
//! deadline, reconnect, or know what is in a message.
#![forbid(unsafe_code)]

use std::collections::VecDeque;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{TcpStream, ToSocketAddrs as _};
use std::sync::Arc;
use std::time::Instant;

use mqtt_protocol_core::mqtt::common::Cursor;
use mqtt_protocol_core::mqtt::connection::Event;
use mqtt_protocol_core::mqtt::packet::{
    GenericPacketTrait as _, Packet, Qos, SubEntry, SubOpts, v5_0,
};
use mqtt_protocol_core::mqtt::result_code::{ConnectReasonCode, MqttError};
use mqtt_protocol_core::mqtt::{Connection, Version, role};
use rustls::pki_types::ServerName;
use rustls::{ClientConnection, StreamOwned};

use super::{Error, Options};

/// A message that came.
pub(super) struct Message {
    pub(super) topic: String,
    pub(super) payload: Vec<u8>,
}

/// A connection that has been let in.
pub(super) struct Line {
    stream: Stream,
    mqtt: Connection<role::Client>,
    received: VecDeque<Packet>,
    options: Options,
}

enum Stream {
    Plain(TcpStream),
    Tls(Box<StreamOwned<ClientConnection, TcpStream>>),
}

/// Something that acknowledges or arrives.
pub(super) enum Heard {
    /// A message.
    Message(Message),
    /// The last message that was published was let through or not.
    Taken(bool),
    /// The last subscription was granted or not.
    Subscribed(bool),
    /// The last subscription has ended.
    Unsubscribed,
}

impl Line {
    /// Connects and logs in.
    pub(super) fn open(options: Options) -> Result<Self, Error> {
        let end = options.deadline()?;
        let stream = Stream::open(&options, end)?;
        let mut line = Self {
            stream,
            mqtt: Connection::new(Version::V5_0),
            received: VecDeque::new(),
            options,
        };
        line.mqtt.set_auto_pub_response(true);
        let mut connect = v5_0::Connect::builder()
            .client_id(client_id()?)
            .map_err(protocol)?
            .clean_start(true)
            .keep_alive(0);
        if let Some(login) = &line.options.login {
            connect = connect
                .user_name(&login.username)
                .and_then(|connect| connect.password(login.password.expose().to_vec()))
                .map_err(protocol)?;
        }
        let connect = connect.build().map_err(protocol)?;
        let events = line.mqtt.checked_send(connect);
        line.follow(events)?;
        loop {
            if let Packet::V5_0Connack(connack) = line.packet(end)? {
                let code = connack.reason_code();
                return match code == ConnectReasonCode::Success {
                    true => Ok(line),
                    false => Err(login_refused(code)),
                };
            }
        }
    }

    /// Asks for what is published to a filter.
    pub(super) fn subscribe(&mut self, filter: &str, qos: Qos) -> Result<(), Error> {
        let entry = SubEntry::new(filter, SubOpts::new().set_qos(qos)).map_err(protocol)?;
        let id = self.mqtt.acquire_packet_id().map_err(protocol)?;
        let packet = v5_0::Subscribe::builder()
            .packet_id(id)
            .entries(vec![entry]);
        let events = self.mqtt.checked_send(packet.build().map_err(protocol)?);
        self.follow(events)
    }

    /// Asks for it no more.
    pub(super) fn unsubscribe(&mut self, filter: &str) -> Result<(), Error> {
        let id = self.mqtt.acquire_packet_id().map_err(protocol)?;
        let packet = v5_0::Unsubscribe::builder().packet_id(id);
        let packet = packet.entries(vec![filter]).map_err(protocol)?;
        let events = self.mqtt.checked_send(packet.build().map_err(protocol)?);
        self.follow(events)
    }

    /// Publishes with QoS 1.
    pub(super) fn publish(&mut self, topic: &str, payload: Vec<u8>) -> Result<(), Error> {
        let id = self.mqtt.acquire_packet_id().map_err(protocol)?;
        let packet = v5_0::Publish::builder()
            .topic_name(topic)
            .map_err(protocol)?
            .qos(Qos::AtLeastOnce)
            .packet_id(id)
            .payload(payload);
        let events = self.mqtt.checked_send(packet.build().map_err(protocol)?);
        self.follow(events)
    }

    /// What comes next.
    pub(super) fn hear(&mut self, end: Instant) -> Result<Heard, Error> {
        loop {
            let packet = self.packet(end)?;
            if let Packet::V5_0Publish(publish) = packet {
                return Ok(Heard::Message(Message {
                    topic: publish.topic_name().to_owned(),
                    payload: publish.payload().as_slice().to_vec(),
                }));
            } else if let Packet::V5_0Puback(puback) = packet {
                let code = puback.reason_code();
                return Ok(Heard::Taken(code.is_none_or(|code| code.is_success())));
            } else if let Packet::V5_0Suback(suback) = packet {
                let mut codes = suback.reason_codes().into_iter();
                return Ok(Heard::Subscribed(codes.all(|code| code.is_success())));
            } else if let Packet::V5_0Unsuback(_) = packet {
                return Ok(Heard::Unsubscribed);
            } else if let Packet::V5_0Disconnect(disconnect) = packet {
                let why = disconnect.reason_code();
                let why = why.map_or_else(|| "without a reason".to_owned(), |why| why.to_string());
                return Err(Error::Unreachable(format!(
                    "the broker ended the connection: {why}"
                )));
            }
        }
    }

    /// The end of what may be waited for now.
    pub(super) fn deadline(&self) -> Result<Instant, Error> {
        self.options.deadline()
    }

    fn packet(&mut self, end: Instant) -> Result<Packet, Error> {
        loop {
            if let Some(packet) = self.received.pop_front() {
                return Ok(packet);
            }
            let mut buffer = [0; 16 * 1024];
            self.stream.wait_until(&self.options, end)?;
            let length = match self.stream.read(&mut buffer) {
                Ok(0) => return Err(closed()),
                Ok(length) => length,
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(error) => return Err(broken(&self.options, &error)),
            };
            let bytes = buffer.get(..length).unwrap_or_default();
            let mut cursor = Cursor::new(bytes);
            while cursor.position() < u64::try_from(length).unwrap_or(u64::MAX) {
                let events = self.mqtt.recv(&mut cursor);
                self.follow(events)?;
            }
        }
    }

    fn follow(&mut self, events: Vec<Event>) -> Result<(), Error> {
        for event in events {
            match event {
                Event::NotifyPacketReceived(packet) => self.received.push_back(packet),
                Event::RequestSendPacket { packet, .. } => self.send(&packet)?,
                Event::NotifyError(error) => return Err(protocol(error)),
                // The broker closes, or we do by ending.
                Event::RequestClose
                | Event::NotifyPacketIdReleased(_)
                | Event::RequestTimerReset { .. }
                | Event::RequestTimerCancel(_) => {}
            }
        }
        Ok(())
    }

    fn send(&mut self, packet: &Packet) -> Result<(), Error> {
        let bytes = zeroize::Zeroizing::new(packet.to_continuous_buffer());
        let sent = self
            .stream
            .write_all(&bytes)
            .and_then(|()| self.stream.flush());
        sent.map_err(|error| broken(&self.options, &error))
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        // A farewell that nobody hears is none.
        if let Ok(packet) = v5_0::Disconnect::builder().build() {
            let events = self.mqtt.checked_send(packet);
            self.follow(events).ok();
        }
    }
}

impl Stream {
    fn open(options: &Options, end: Instant) -> Result<Self, Error> {
        let tcp = connect(options, end)?;
        let timeout = Some(options.left(end)?);
        tcp.set_write_timeout(timeout)
            .and_then(|()| tcp.set_nodelay(true))
            .map_err(|error| broken(options, &error))?;
        if !options.address.tls {
            return Ok(Self::Plain(tcp));
        }
        let name = ServerName::try_from(options.address.host.to_string());
        let name = name.map_err(|error| Error::Unreachable(error.to_string()))?;
        let config = Arc::new(options.trust.config()?);
        let tls = ClientConnection::new(config, name);
        let tls = tls.map_err(|error| Error::Unreachable(format!("TLS: {error}")))?;
        let mut stream = StreamOwned::new(tls, tcp);
        while stream.conn.is_handshaking() {
            let timeout = Some(options.left(end)?);
            let set = stream.sock.set_read_timeout(timeout);
            let shaken = set.and_then(|()| stream.conn.complete_io(&mut stream.sock));
            shaken.map_err(|error| match is_late(&error) {
                true => options.silence(),
                false => Error::Unreachable(format!("TLS: {error}")),
            })?;
        }
        Ok(Self::Tls(Box::new(stream)))
    }

    fn wait_until(&self, options: &Options, end: Instant) -> Result<(), Error> {
        let tcp = match self {
            Self::Plain(tcp) => tcp,
            Self::Tls(stream) => &stream.sock,
        };
        let set = tcp.set_read_timeout(Some(options.left(end)?));
        set.map_err(|error| broken(options, &error))
    }
}

impl Read for Stream {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Plain(stream) => stream.read(buffer),
            Self::Tls(stream) => stream.read(buffer),
        }
    }
}

impl Write for Stream {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Plain(stream) => stream.write(bytes),
            Self::Tls(stream) => stream.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Plain(stream) => stream.flush(),
            Self::Tls(stream) => stream.flush(),
        }
    }
}

/// The first of the broker's addresses that answers.
fn connect(options: &Options, end: Instant) -> Result<TcpStream, Error> {
    let unreachable = |error: io::Error| Error::Unreachable(error.to_string());
    let host = (&*options.address.host, options.address.port);
    let mut last = Error::Unreachable("the name has no address".to_owned());
    for address in host.to_socket_addrs().map_err(unreachable)? {
        match TcpStream::connect_timeout(&address, options.left(end)?) {
            Ok(stream) => return Ok(stream),
            Err(error) => last = unreachable(error),
        }
    }
    Err(last)
}

/// Nobody else has it: two clients of one id would end each other.
fn client_id() -> Result<String, Error> {
    let mut bytes = [0; 10];
    getrandom::fill(&mut bytes)
        .map_err(|error| Error::Unreachable(format!("no randomness: {error}")))?;
    let digits = bytes.iter().map(|byte| format!("{byte:02x}"));
    Ok(format!("doorman-{}", digits.collect::<String>()))
}

fn login_refused(code: ConnectReasonCode) -> Error {
    let of_login = [
        ConnectReasonCode::NotAuthorized,
        ConnectReasonCode::BadUserNameOrPassword,
    ];
    Error::Refused(match of_login.contains(&code) {
        true => "the broker refused the login; check --username and the password".to_owned(),
        false => format!("the broker refused the connection: {code}"),
    })
}

fn closed() -> Error {
    Error::Unreachable("the broker closed the connection".to_owned())
}

fn protocol(error: MqttError) -> Error {
    Error::Unreachable(match error == MqttError::PacketTooLarge {
        true => "the broker takes no message of this size".to_owned(),
        false => format!("what was said is no MQTT: {error}"),
    })
}

/// Whether a read or write has waited as long as it may.
fn is_late(error: &io::Error) -> bool {
    [ErrorKind::WouldBlock, ErrorKind::TimedOut].contains(&error.kind())
}

/// What went wrong with a connection.
fn broken(options: &Options, error: &io::Error) -> Error {
    let ends = [
        ErrorKind::UnexpectedEof,
        ErrorKind::ConnectionReset,
        ErrorKind::BrokenPipe,
    ];
    if is_late(error) {
        options.silence()
    } else if ends.contains(&error.kind()) {
        closed()
    } else {
        Error::Unreachable(error.to_string())
    }
}
