//! Many clients on one thread: they connect, are answered, and leave or stay.
//!
//! Must not: go anywhere but the loopback, or wait for one client while others are answered. The time
//! of a login is from writing CONNECT to reading CONNACK.
#![allow(dead_code, reason = "each benchmark needs some of it")]

use std::collections::HashMap;
use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::os::fd::{AsRawFd, RawFd};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags};
use nix::sys::socket::{self, AddressFamily, SockFlag, SockType, SockaddrIn, sockopt};

/// Where a crowd comes from and goes to.
#[derive(Clone, Copy)]
pub struct Crowd {
    pub port: u16,
    /// An address of the loopback.
    pub from: Ipv4Addr,
    /// How many wait for an answer at the same time.
    pub at_once: usize,
    /// No client begins after this.
    pub end: Instant,
    /// What is said to an AUTH packet.
    pub reply: fn(&[u8]) -> Vec<u8>,
}

/// What became of one crowd.
#[derive(Default)]
pub struct Outcome {
    /// Milliseconds until each was let in.
    pub accepted: Vec<f64>,
    /// How many were refused, or closed without an answer.
    pub refused: usize,
    /// From the first CONNECT to the last answer.
    pub took: Duration,
    /// Those who stay.
    pub staying: Vec<TcpStream>,
}

impl Outcome {
    /// Answers of either kind in a second.
    pub fn rate(&self) -> f64 {
        (self.accepted.len() + self.refused) as f64 / self.took.as_secs_f64()
    }
}

struct Waiting {
    stream: TcpStream,
    packet: Vec<u8>,
    written: Option<Instant>,
}

impl Crowd {
    pub fn to(port: u16, at_once: usize) -> Self {
        Self {
            port,
            from: Ipv4Addr::LOCALHOST,
            at_once,
            end: Instant::now() + Duration::from_secs(60),
            reply: |_| Vec::new(),
        }
    }

    /// Sends each CONNECT on a connection of its own; with `stay` those let in are kept.
    pub fn run(self, packets: impl IntoIterator<Item = Vec<u8>>, stay: bool) -> Outcome {
        let epoll = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC).expect("an epoll");
        let mut packets = packets.into_iter();
        let mut waiting: HashMap<RawFd, Waiting> = HashMap::new();
        let mut outcome = Outcome::default();
        let mut events = [EpollEvent::empty(); 64];
        let start = Instant::now();
        loop {
            while waiting.len() < self.at_once && Instant::now() < self.end {
                let Some(packet) = packets.next() else { break };
                let stream = self.begin();
                let wanted = EpollFlags::EPOLLOUT | EpollFlags::EPOLLIN;
                let event = EpollEvent::new(wanted, stream.as_raw_fd() as u64);
                epoll.add(&stream, event).expect("an epoll entry");
                let client = Waiting {
                    stream,
                    packet,
                    written: None,
                };
                waiting.insert(client.stream.as_raw_fd(), client);
            }
            if waiting.is_empty() {
                outcome.took = start.elapsed();
                return outcome;
            }
            assert!(start.elapsed() < MOST, "the broker does not answer");
            let ready = match epoll.wait(&mut events, 1_000_u16) {
                Ok(ready) => ready,
                Err(Errno::EINTR) => 0,
                Err(error) => panic!("epoll: {error}"),
            };
            for event in events.iter().take(ready) {
                let fd = event.data() as RawFd;
                let Some(client) = waiting.get_mut(&fd) else {
                    continue;
                };
                let Some(answer) = client.turn(&epoll, self.reply) else {
                    continue;
                };
                let mut client = waiting.remove(&fd).expect("it was there");
                epoll.delete(&client.stream).expect("an epoll entry");
                match answer {
                    Some(time) => {
                        outcome.accepted.push(time.as_secs_f64() * 1e3);
                        if stay {
                            outcome.staying.push(client.stream);
                        } else {
                            // DISCONNECT; whether it arrives makes no difference.
                            client.stream.write_all(&[0xe0, 0]).ok();
                        }
                    }
                    None => outcome.refused += 1,
                }
            }
        }
    }

    fn begin(&self) -> TcpStream {
        let flags = SockFlag::SOCK_NONBLOCK | SockFlag::SOCK_CLOEXEC;
        let socket = socket::socket(AddressFamily::Inet, SockType::Stream, flags, None);
        let stream = TcpStream::from(socket.expect("a socket"));
        let address = |ip: Ipv4Addr, port| {
            let [a, b, c, d] = ip.octets();
            SockaddrIn::new(a, b, c, d, port)
        };
        if self.from != Ipv4Addr::LOCALHOST {
            socket::bind(stream.as_raw_fd(), &address(self.from, 0)).expect("a loopback address");
        }
        let to = address(Ipv4Addr::LOCALHOST, self.port);
        match socket::connect(stream.as_raw_fd(), &to) {
            Ok(()) | Err(Errno::EINPROGRESS) => {}
            Err(error) => panic!("connect: {error}"),
        }
        stream.set_nodelay(true).expect("a TCP socket");
        // Ends at once: there are not enough ports to have each wait a minute for the next use.
        let gone = libc::linger {
            l_onoff: 1,
            l_linger: 0,
        };
        socket::setsockopt(&stream, sockopt::Linger, &gone).expect("a TCP socket");
        stream
    }
}

impl Waiting {
    /// `Some(Some(time))` once let in, `Some(None)` once turned away.
    fn turn(&mut self, epoll: &Epoll, reply: fn(&[u8]) -> Vec<u8>) -> Option<Option<Duration>> {
        let Some(written) = self.written else {
            let now = Instant::now();
            return match self.stream.write_all(&self.packet) {
                Ok(()) => {
                    self.written = Some(now);
                    let fd = self.stream.as_raw_fd() as u64;
                    let mut event = EpollEvent::new(EpollFlags::EPOLLIN, fd);
                    epoll.modify(&self.stream, &mut event).expect("an entry");
                    None
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => None,
                Err(_) => Some(None),
            };
        };
        let mut answer = [0; 512];
        match self.stream.read(&mut answer) {
            // CONNACK: its first byte, its length in one byte or two, flags and the code.
            Ok(length) if length >= 4 && answer[0] == 0x20 => {
                let code = answer[if answer[1] < 0x80 { 3 } else { 4 }];
                Some((code == 0).then(|| written.elapsed()))
            }
            Ok(length) if length >= 4 && answer[0] == 0xf0 => {
                match self.stream.write_all(&reply(&answer[..length])) {
                    Ok(()) => None,
                    Err(_) => Some(None),
                }
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => None,
            Ok(_) | Err(_) => Some(None),
        }
    }
}

/// No storm lasts longer.
const MOST: Duration = Duration::from_secs(150);
