//! One connection: what is heard from the broker, and when.

use std::collections::VecDeque;
use std::io::{ErrorKind, Read, Write};
use std::time::{Duration, Instant};

use super::packet::{self, Connect, Protocol};
use super::stream::Stream;
use crate::support::wait::PATIENCE;

/// How a broker answered a CONNECT.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    Accepted,
    /// Refused with this return or reason code.
    Refused(u8),
    /// The connection was closed without a CONNACK.
    Closed,
    /// Nothing was said before the deadline, and the connection is open.
    Silent,
}

/// What a client hears after it was accepted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    Publish {
        topic: String,
        payload: Vec<u8>,
    },
    /// Reason or return code, one filter each.
    Suback(u8),
    Unsuback(Option<u8>),
    /// Reason code; 0 where the protocol has none.
    Puback(u8),
    Pingresp,
    /// MQTT 5: why the broker ends the connection.
    Disconnect(u8),
    /// A packet this client does not read: first byte and body.
    Other(u8, Vec<u8>),
    Closed,
    /// Nothing before the deadline.
    Silence,
}

/// One connection to a broker.
#[derive(Debug)]
pub struct Client {
    stream: Stream,
    protocol: Protocol,
    unparsed: Vec<u8>,
    unasked: VecDeque<Event>,
    next_id: u16,
    closed: bool,
    disconnect_reason: Option<u8>,
    connack: Vec<u8>,
}

impl Connect {
    /// Connects to `port` on the loopback and returns the connection and the answer.
    #[track_caller]
    pub fn open(&self, port: u16) -> (Client, Answer) {
        self.open_within(port, PATIENCE)
    }

    /// As [`Self::open`], [`Answer::Silent`] after `deadline`.
    #[track_caller]
    pub fn open_within(&self, port: u16, deadline: Duration) -> (Client, Answer) {
        let mut client = self.begin(Stream::tcp(port));
        let answer = client.answer(deadline);
        (client, answer)
    }

    /// Sends it over this, and waits for nothing.
    pub fn begin(&self, stream: Stream) -> Client {
        let mut client = Client::over(stream, self.protocol);
        client.send(&self.encode());
        client
    }

    /// Only the answer; the connection ends.
    #[track_caller]
    pub fn answer(&self, port: u16) -> Answer {
        self.open(port).1
    }

    /// A connection that must be accepted.
    #[track_caller]
    pub fn accepted(&self, port: u16) -> Client {
        let (client, answer) = self.open(port);
        assert_eq!(answer, Answer::Accepted, "for {self:?}");
        client
    }
}

impl Client {
    /// A connection on which nothing has been said yet.
    #[track_caller]
    pub fn tcp(port: u16, protocol: Protocol) -> Self {
        Self::over(Stream::tcp(port), protocol)
    }

    pub fn over(stream: Stream, protocol: Protocol) -> Self {
        Self {
            stream,
            protocol,
            unparsed: Vec::new(),
            unasked: VecDeque::new(),
            next_id: 1,
            closed: false,
            disconnect_reason: None,
            connack: Vec::new(),
        }
    }

    /// Sends `bytes` as they are. Whether the broker still listens shows in what is read next.
    pub fn send(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).ok();
    }

    /// Waits for the answer to a CONNECT.
    pub fn answer(&mut self, deadline: Duration) -> Answer {
        match self.next(deadline) {
            Event::Other(0x20, body) => {
                let code = *body.get(1).expect("a CONNACK has a code");
                self.connack = body;
                match code {
                    0 => Answer::Accepted,
                    code => Answer::Refused(code),
                }
            }
            Event::Closed => Answer::Closed,
            Event::Silence => Answer::Silent,
            other => panic!("instead of a CONNACK: {other:?}"),
        }
    }

    /// The body of the CONNACK: flags, code, and for MQTT 5 the properties.
    pub fn connack(&self) -> &[u8] {
        &self.connack
    }

    /// Subscribes and returns what was granted: a QoS, 0x80 or an MQTT 5 reason code.
    #[track_caller]
    pub fn subscribe(&mut self, filter: &str, qos: u8) -> u8 {
        let id = self.take_id();
        self.send(&packet::subscribe(self.protocol, id, filter, qos));
        match self.reply(|event| matches!(event, Event::Suback(_))) {
            Event::Suback(code) => code,
            other => panic!("instead of a SUBACK: {other:?}"),
        }
    }

    /// Unsubscribes; the reply is [`Event::Unsuback`] or [`Event::Closed`].
    pub fn unsubscribe(&mut self, filter: &str) -> Event {
        let id = self.take_id();
        self.send(&packet::unsubscribe(self.protocol, id, filter));
        self.reply(|event| matches!(event, Event::Unsuback(_)))
    }

    /// Publishes with QoS 0, to which there is no reply.
    pub fn publish(&mut self, topic: &str, payload: impl AsRef<[u8]>) {
        let payload = payload.as_ref();
        self.send(&packet::publish(self.protocol, 0, topic, payload, 0));
    }

    /// Publishes with QoS 1; the reply is [`Event::Puback`] or [`Event::Closed`].
    pub fn publish_acknowledged(&mut self, topic: &str, payload: impl AsRef<[u8]>) -> Event {
        let id = self.take_id();
        let payload = payload.as_ref();
        self.send(&packet::publish(self.protocol, id, topic, payload, 1));
        self.reply(|event| matches!(event, Event::Puback(_)))
    }

    /// Publishes what the broker keeps for later subscribers, with QoS 1; the reply as above.
    pub fn publish_retained(&mut self, topic: &str, payload: impl AsRef<[u8]>) -> Event {
        let id = self.take_id();
        let mut bytes = packet::publish(self.protocol, id, topic, payload.as_ref(), 1);
        if let Some(first) = bytes.first_mut() {
            *first |= 1;
        }
        self.send(&bytes);
        self.reply(|event| matches!(event, Event::Puback(_)))
    }

    /// Publishes with QoS 2, to the end; the reply is that of PUBREC, read as [`Event::Puback`].
    pub fn publish_exactly_once(&mut self, topic: &str, payload: impl AsRef<[u8]>) -> Event {
        let id = self.take_id();
        let payload = payload.as_ref();
        self.send(&packet::publish(self.protocol, id, topic, payload, 2));
        let reply = self.reply(|event| matches!(event, Event::Other(0x50, _)));
        let Event::Other(_, body) = reply else {
            return reply;
        };
        let code = body.get(2).copied().unwrap_or(0);
        if code < 0x80 {
            self.send(&packet::packet(0x62, &id.to_be_bytes()));
            self.reply(|event| matches!(event, Event::Other(0x70, _)));
        }
        Event::Puback(code)
    }

    /// Everything that the broker had for this client before it answers a question sent now.
    pub fn received(&mut self) -> Vec<(String, Vec<u8>)> {
        assert!(self.is_connected());
        let events = std::mem::take(&mut self.unasked);
        let publishes = events.into_iter().filter_map(|event| match event {
            Event::Publish { topic, payload } => Some((topic, payload)),
            _ => None,
        });
        publishes.collect()
    }

    /// The next thing the broker says that was not a reply to a question.
    pub fn receive(&mut self, deadline: Duration) -> Event {
        match self.unasked.pop_front() {
            Some(event) => event,
            None => self.next(deadline),
        }
    }

    /// Asks the broker whether this connection still stands.
    pub fn is_connected(&mut self) -> bool {
        self.send(&[0xc0, 0]);
        self.reply(|event| *event == Event::Pingresp) == Event::Pingresp
    }

    /// Whether the broker closes the connection before `deadline`. Messages that arrive meanwhile
    /// stay readable.
    pub fn is_closed_within(&mut self, deadline: Duration) -> bool {
        self.wait_for(deadline, |_| false) == Event::Closed
    }

    /// MQTT 5: the reason code of the DISCONNECT the broker sent, if it has sent one.
    pub fn disconnect_reason(&self) -> Option<u8> {
        self.disconnect_reason
    }

    /// Takes leave in order: no will is sent.
    pub fn disconnect(mut self) {
        self.send(&[0xe0, 0]);
        self.is_closed_within(PATIENCE);
    }

    /// Ends the connection without a word: the broker sends the will.
    pub fn vanish(self) {
        self.stream.vanish();
    }

    #[track_caller]
    fn reply(&mut self, wanted: impl Fn(&Event) -> bool) -> Event {
        match self.wait_for(PATIENCE, wanted) {
            Event::Silence => panic!("the broker does not reply"),
            reply => reply,
        }
    }

    /// Reads until an event is `wanted`, the connection ends or the deadline passes. Other events
    /// are kept for [`Self::receive`].
    fn wait_for(&mut self, deadline: Duration, wanted: impl Fn(&Event) -> bool) -> Event {
        let end = Instant::now() + deadline;
        loop {
            let event = self.next(end.saturating_duration_since(Instant::now()));
            if wanted(&event) || matches!(event, Event::Closed | Event::Silence) {
                return event;
            }
            self.unasked.push_back(event);
        }
    }

    fn next(&mut self, deadline: Duration) -> Event {
        let end = Instant::now() + deadline;
        loop {
            if let Some((first, body)) = self.take_packet() {
                let event = parse(self.protocol, first, body);
                if let Event::Disconnect(reason) = event {
                    self.disconnect_reason = Some(reason);
                }
                return event;
            }
            if self.closed {
                return Event::Closed;
            }
            if !self.read_more(end.saturating_duration_since(Instant::now())) {
                return Event::Silence;
            }
        }
    }

    /// Reads once; false when there was nothing to read before the deadline.
    fn read_more(&mut self, deadline: Duration) -> bool {
        let mut buffer = [0; 4096];
        // A timeout of zero would mean "for ever".
        let timeout = deadline.max(Duration::from_millis(1));
        self.stream.set_read_timeout(timeout).expect("a timeout");
        match self.stream.read(&mut buffer) {
            Ok(0) => self.closed = true,
            Ok(length) => self.unparsed.extend(&buffer[..length]),
            Err(error) => match error.kind() {
                ErrorKind::WouldBlock | ErrorKind::TimedOut => return false,
                ErrorKind::Interrupted => {}
                // Reset: the broker closed while we were still sending.
                _ => self.closed = true,
            },
        }
        true
    }

    /// The first whole packet of what was read: its first byte and its body.
    fn take_packet(&mut self) -> Option<(u8, Vec<u8>)> {
        let first = *self.unparsed.first()?;
        let mut length = 0;
        let mut start = 1;
        loop {
            let byte = *self.unparsed.get(start)?;
            length |= usize::from(byte & 0x7f) << (7 * (start - 1));
            start += 1;
            if byte & 0x80 == 0 {
                break;
            }
        }
        let body = self.unparsed.get(start..start + length)?.to_vec();
        self.unparsed.drain(..start + length);
        Some((first, body))
    }

    fn take_id(&mut self) -> u16 {
        let id = self.next_id;
        self.next_id = self.next_id.checked_add(1).unwrap_or(1);
        id
    }
}

fn parse(protocol: Protocol, first: u8, body: Vec<u8>) -> Event {
    match first >> 4 {
        3 => parse_publish(protocol, first, &body),
        4 => Event::Puback(body.get(2).copied().unwrap_or(0)),
        // The codes stand last, behind the properties of MQTT 5; this client asks one at a time.
        9 => Event::Suback(*body.last().expect("a SUBACK has a code")),
        11 if protocol == Protocol::V5 => Event::Unsuback(body.last().copied()),
        11 => Event::Unsuback(None),
        13 => Event::Pingresp,
        14 => Event::Disconnect(body.first().copied().unwrap_or(0)),
        _ => Event::Other(first, body),
    }
}

fn parse_publish(protocol: Protocol, first: u8, body: &[u8]) -> Event {
    let topic_end = 2 + usize::from(u16::from_be_bytes([body[0], body[1]]));
    let topic = String::from_utf8_lossy(&body[2..topic_end]).into_owned();
    let mut start = topic_end;
    if first & 0b110 != 0 {
        start += 2;
    }
    if protocol == Protocol::V5 {
        assert!(
            body[start] < 0x80,
            "longer properties than this client reads"
        );
        start += 1 + usize::from(body[start]);
    }
    Event::Publish {
        topic,
        payload: body[start..].to_vec(),
    }
}
