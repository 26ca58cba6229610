//! The ways in: what each of them needs of an account, and what a client does that comes by it.

use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use mosquitto_doorman::mechanism::Mechanism;
use ring::signature::{Ed25519KeyPair, KeyPair as _};
use sha2::Sha256;

use super::{Known, below};
use crate::support::certificates::files;
use crate::support::{Answer, Broker, Client, Connect, Event, PATIENCE, Protocol, Scram, Stream};

/// Of the issuer, and of somebody who would like to be one.
pub const SECRET: &str = "a secret that nobody but the issuer has";
const NO_SECRET: &str = "a secret that somebody else has, and no issuer";
const KEY: u8 = 1;
const NO_KEY: u8 = 2;

/// A certificate of the authority that is nobody's.
pub const STRANGER: &str = "stranger";

/// Listeners behind the first: for certificates, for a key and a password, for a key alone, and for certificates
/// that name whoever has them.
pub const LISTENERS: &str = "listener {port2} 127.0.0.1\ncafile {dir}/ca.crt\n\
    certfile {dir}/localhost.crt\nkeyfile {dir}/localhost.key\nrequire_certificate true\n\
    listener {port3} 127.0.0.1\npsk_hint here\n\
    listener {port4} 127.0.0.1\npsk_hint here\nuse_identity_as_username true\n\
    listener {port5} 127.0.0.1\ncafile {dir}/ca.crt\ncertfile {dir}/localhost.crt\n\
    keyfile {dir}/localhost.key\nrequire_certificate true\nuse_identity_as_username true\n";

/// How somebody shows who it is.
#[derive(Clone, Copy, Debug)]
pub enum Way {
    Password,
    Scram,
    Token,
    Certificate,
    /// Of an identity that is no name, and the password behind it.
    KeyAndPassword,
    /// Of the identity that is the account's name.
    Key,
    /// By a certificate with the account's name on it, about which the broker asks nobody.
    Named,
}

/// Where the listeners are, and the files of the certificates.
#[derive(Clone, Debug)]
pub struct Doors {
    ports: [u16; 5],
    dir: PathBuf,
}

/// What somebody shows, of which each way takes what it needs.
#[derive(Clone, Debug)]
pub struct Shown {
    pub password: String,
    pub key: String,
    /// Whose certificate.
    pub file: String,
    /// By which a proof is made.
    pub mechanism: Mechanism,
    /// When a token ends, in seconds from its login; none for one that lasts.
    pub ends: Option<i64>,
}

impl Doors {
    pub fn of(broker: &Broker) -> Self {
        Self {
            ports: [1, 2, 3, 4, 5].map(|number| broker.nth_port(number)),
            dir: broker.dir().to_owned(),
        }
    }

    pub fn dir(&self) -> &Path {
        &self.dir
    }
}

/// Whether an account's way in is its key alone. 2.0 tells of nobody who has just come so, and whom it does
/// not tell of it can end by name only: nobody of that name comes in another way.
pub fn is_device(account: &str) -> bool {
    account.starts_with('k')
}

/// What an account's key is called.
pub fn identity(account: &str) -> String {
    match is_device(account) {
        true => account.to_owned(),
        false => format!("key of {account}"),
    }
}

impl Way {
    /// One of those that an account has.
    pub fn any(seed: &mut u64, account: &str) -> Self {
        if is_device(account) {
            return Self::Key;
        }
        match below(seed, 12) {
            0..2 => Self::Password,
            2..5 => Self::Scram,
            5..7 => Self::Token,
            7 => Self::KeyAndPassword,
            8..10 => Self::Named,
            _ => Self::Certificate,
        }
    }

    /// What lets in so, as long as it stays the same; none where nothing does.
    pub fn needs(self, known: &Known) -> Option<String> {
        let password = known.password.clone()?;
        match self {
            Self::Password | Self::Scram => Some(password),
            // A token asks for an account and not for its password.
            Self::Token => Some(String::new()),
            Self::Certificate => known.certificate.clone(),
            Self::KeyAndPassword => Some(known.key.clone()? + &password),
            Self::Key => known.key.clone(),
            // With none on record the name is enough, and with one it is not.
            Self::Named => Some(known.certificate.clone().unwrap_or_default()),
        }
    }

    /// Whether the broker lets in under any id whoever comes so, before it is judged.
    pub fn takes_over_first(self) -> bool {
        matches!(self, Self::Named)
    }

    /// All of a login.
    pub fn come(self, doors: &Doors, id: &str, account: &str, shown: &Shown) -> (Client, Answer) {
        let mut client = self.begin(doors, id, account, shown);
        let answer = match self {
            Self::Scram => scram(account, shown).go_on(&mut client),
            _ => client.answer(PATIENCE),
        };
        match (self, answer) {
            // Whoever it is, it may do nothing: 2.0 asks about it only now.
            (Self::Key | Self::Named, Answer::Accepted) => {
                match client.publish_acknowledged("t", "m") {
                    Event::Puback(0 | 0x10) => (client, Answer::Accepted),
                    _ => (client, Answer::Closed),
                }
            }
            _ => (client, answer),
        }
    }

    /// The first message of one.
    pub fn begin(self, doors: &Doors, id: &str, account: &str, shown: &Shown) -> Client {
        let Doors { ports, dir } = doors;
        let password = &*shown.password;
        let key = |port| Stream::psk(port, &identity(account), &shown.key);
        match self {
            Self::Password => login(id, account, password).begin(Stream::tcp(ports[0])),
            Self::Token => {
                let token = token(account, password, shown.ends);
                // Under half of the ids it is the username, which becomes the account's.
                let connect = match is_even(id) {
                    true => login(id, &token, "nothing"),
                    false => login(id, account, &token),
                };
                connect.begin(Stream::tcp(ports[0]))
            }
            Self::Scram => {
                let connect = scram(account, shown).connect();
                connect
                    .client_id(id)
                    .keepalive(0)
                    .begin(Stream::tcp(ports[0]))
            }
            Self::Certificate => {
                let stream = Stream::tls(ports[1], &files(dir, &shown.file));
                login(id, account, "never a password").begin(stream)
            }
            Self::KeyAndPassword => login(id, account, password).begin(key(ports[2])),
            Self::Key => bare(id).begin(key(ports[3])),
            Self::Named => {
                // With MQTT 5, where a denial is told.
                let connect = Connect::new(Protocol::V5).client_id(id).keepalive(0);
                connect.begin(Stream::tls(ports[4], &files(dir, &shown.file)))
            }
        }
    }
}

fn scram(account: &str, shown: &Shown) -> Scram {
    Scram::new(shown.mechanism, account, &shown.password)
}

/// Another proof by somebody who is in.
pub fn again(client: &mut Client, account: &str, shown: &Shown) -> Answer {
    let scram = scram(account, shown);
    client.say(0x19, scram.mechanism.name(), scram.first());
    scram.go_on(client)
}

/// A token for whoever knows a password that was given out, and somebody else's for whoever guesses: of half of
/// the accounts by a secret, of the others by a key, which workers look at where there are any.
fn token(username: &str, password: &str, ends: Option<i64>) -> String {
    let now = jiff::Timestamp::now().as_second();
    let exp = ends.map_or(4_000_000_000, |seconds| now + seconds);
    let is_good = password.starts_with("password ");
    let algorithm = if is_even(username) { "EdDSA" } else { "HS256" };
    let header = format!(r#"{{"alg":"{algorithm}"}}"#);
    let claims = format!(r#"{{"sub":"{username}","exp":{exp}}}"#);
    let signed = [header, claims].map(|part| URL_SAFE_NO_PAD.encode(part));
    let signed = signed.join(".");
    let signature = if is_even(username) {
        let seed = if is_good { KEY } else { NO_KEY };
        pair(seed).sign(signed.as_bytes()).as_ref().to_vec()
    } else {
        let secret = if is_good { SECRET } else { NO_SECRET };
        let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).unwrap();
        mac.update(signed.as_bytes());
        mac.finalize().into_bytes().to_vec()
    };
    format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature))
}

/// The issuer's public key.
pub fn issuer() -> String {
    let x = URL_SAFE_NO_PAD.encode(pair(KEY).public_key());
    format!(r#"{{"kty": "OKP", "crv": "Ed25519", "x": "{x}"}}"#)
}

fn pair(seed: u8) -> Ed25519KeyPair {
    Ed25519KeyPair::from_seed_unchecked(&[seed; 32]).unwrap()
}

/// Whether the number of a name is.
fn is_even(name: &str) -> bool {
    let last = name.bytes().last().unwrap_or_default();
    last.is_multiple_of(2)
}

pub fn login(id: &str, username: &str, password: &str) -> Connect {
    bare(id).credentials(username, password)
}

/// Without a keepalive: where a waiting client goes in the moment of a SIGHUP, 2.1 crashes over the
/// keepalive it had (docs/broker.md).
fn bare(id: &str) -> Connect {
    Connect::new(Protocol::V311).client_id(id).keepalive(0)
}
