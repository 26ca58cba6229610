//! Keys of TLS-PSK over sources that are values.
#![forbid(unsafe_code)]

use zeroize::Zeroizing;

use super::*;
use crate::config::Scram;
use crate::model::{PskIdentity, PskKey};
use crate::request::{Entrant, KeyAsked, Said, Turn};
use crate::store::psk::{FoundPsk, StoredKey};
use crate::verdict::{KeyReply, Reply};

const FIRST: [u8; 16] = [1; 16];
const OTHER: [u8; 16] = [2; 16];

/// Accounts, and the keys of some identities.
struct Keyring {
    accounts: Arc<Held>,
    keys: Mutex<Vec<(&'static str, &'static str, Vec<u8>)>>,
}

impl Source for Keyring {
    fn account(&self, name: &str, id: Option<&str>) -> Result<Option<Account>, store::Error> {
        self.accounts.account(name, id)
    }

    fn psk(&self, identity: &PskIdentity) -> Result<Option<FoundPsk>, store::Error> {
        // Gone with the accounts.
        self.accounts.account("", None)?;
        let keys = self.keys.lock().unwrap();
        let found = keys.iter().find(|(name, ..)| *name == identity.as_str());
        Ok(found.map(|(_, username, key)| FoundPsk {
            name: AccountName::new(username).unwrap(),
            key: match key.is_empty() {
                true => StoredKey::Sealed([0; 56].into()),
                false => StoredKey::Plain(PskKey::new(Zeroizing::new(key.clone())).unwrap()),
            },
        }))
    }

    fn certified(&self, _: &CertificateName) -> Result<Option<AccountName>, store::Error> {
        Ok(None)
    }

    fn written_in(&self) -> Option<&std::path::Path> {
        None
    }

    fn sample(&self) -> Vec<StoredCredential> {
        Vec::new()
    }

    fn keeps_logins(&self) -> bool {
        true
    }

    fn has_states(&self) -> bool {
        true
    }
}

/// ann and bob; ann has a key of her name and one of another.
fn ring(unknown_user: UnknownUser) -> (Engine, Arc<Keyring>) {
    let keyring = Arc::new(Keyring {
        accounts: Held::with(vec![account("ann", "pw"), account("bob", "pw")]),
        keys: Mutex::new(vec![
            ("ann", "ann", FIRST.to_vec()),
            ("device", "ann", OTHER.to_vec()),
            ("sealed", "ann", Vec::new()),
        ]),
    });
    let config = Config {
        unknown_user,
        psk: true,
        scram: Scram::Both,
        ..Config::standard()
    };
    let engine = Engine::over(
        vec![Arc::clone(&keyring) as Arc<dyn Source>],
        Authorities::default(),
        &config,
        &[9; 32],
        now,
        Arc::default(),
    );
    (engine, keyring)
}

fn from<'a>(connection: u64) -> Client<'a> {
    Client {
        connection: Some(ConnectionId(connection)),
        id: None,
        address: Address::new(Some("192.0.2.1")),
        listener: Some(8883),
        restored: false,
        certificate: Certificate::None,
    }
}

fn key(engine: &Engine, connection: u64, identity: Option<&str>, most: usize) -> KeyReply {
    let client = from(connection);
    let asked = KeyAsked {
        client,
        identity,
        most,
    };
    engine.key(&asked, now())
}

fn given(engine: &Engine, connection: u64, identity: &str) -> bool {
    matches!(
        key(engine, connection, Some(identity), 1024),
        KeyReply::Key(_)
    )
}

fn entered(engine: &Engine, connection: u64, username: &str) -> Option<Result<(), Reason>> {
    let entrant = Entrant {
        username,
        client_id: "c",
        address: Address::new(Some("192.0.2.1")),
        listener: Some(8883),
        certificate: Certificate::None,
    };
    engine.entered_by_key(ConnectionId(connection), &entrant, now())
}

/// The connections that are to be ended for their keys.
fn over(engine: &Engine) -> Vec<u64> {
    ended(engine, Ends::Many)
}

/// Those of them that are ended in this round.
fn ended(engine: &Engine, ends: Ends) -> Vec<u64> {
    let effects = engine.tick(ends, now).into_iter();
    effects
        .filter_map(|effect| match effect {
            Effect::KickKeyed { connection } => Some(connection.0),
            Effect::Kick { .. }
            | Effect::KickUnseen { .. }
            | Effect::KickUsername(_)
            | Effect::Publish { .. }
            | Effect::Tell { .. }
            | Effect::Recheck { .. }
            | Effect::Complete { .. } => None,
        })
        .collect()
}

#[test]
fn a_key_is_its_identitys_and_whatever_stands_in_the_way_gives_none() {
    let (engine, keyring) = ring(UnknownUser::Deny);
    let KeyReply::Key(ann) = key(&engine, 1, Some("ann"), 32) else {
        panic!("no key");
    };
    assert_eq!(ann.expose(), FIRST);
    for (identity, most, why) in [
        (Some("ann"), 31, Reason::UnusableKey),
        (Some("sealed"), 1024, Reason::UnusableKey),
        (Some("nobody"), 1024, Reason::UnknownIdentity),
        (Some(""), 1024, Reason::BadRequest),
        (Some("a\nb"), 1024, Reason::BadRequest),
        (None, 1024, Reason::BadRequest),
    ] {
        assert_eq!(key(&engine, 2, identity, most), KeyReply::Deny(why));
        assert!(!engine.has_key(ConnectionId(2)));
    }
    let off = Account {
        disabled: true,
        ..account("ann", "pw")
    };
    keyring.accounts.hold(Ok(vec![off]));
    let refused = KeyReply::Deny(Reason::Disabled);
    assert_eq!(key(&engine, 2, Some("ann"), 1024), refused);
    // Its name is somebody else's: whoever has the key could be called so.
    keyring
        .accounts
        .hold(Ok(vec![account("ann", "pw"), account("device", "pw")]));
    let refused = KeyReply::Deny(Reason::WrongUsername);
    assert_eq!(key(&engine, 2, Some("device"), 1024), refused);
    keyring.accounts.hold(Err(()));
    let refused = KeyReply::Deny(Reason::SourceUnavailable);
    assert_eq!(key(&engine, 2, Some("ann"), 1024), refused);
    let (engine, _) = ring(UnknownUser::Defer);
    assert_eq!(key(&engine, 1, Some("nobody"), 1024), KeyReply::Defer);
}

#[test]
fn a_key_lets_nobody_in_and_binds_to_its_account() {
    let (engine, keyring) = ring(UnknownUser::Deny);
    assert!(given(&engine, 1, "device"));
    assert_eq!(
        ask(&engine, 1, "ann", None),
        Verdict::Deny(Reason::NoPassword)
    );
    assert!(given(&engine, 1, "device"));
    assert_eq!(
        ask(&engine, 1, "bob", Some("pw")),
        Verdict::Deny(Reason::WrongUsername)
    );
    assert_eq!(ask(&engine, 2, "bob", Some("pw")), Verdict::Allow);
    assert!(given(&engine, 1, "device"));
    assert_eq!(ask(&engine, 1, "ann", Some("pw")), Verdict::Allow);
    // Changed between the handshake and CONNECT.
    assert!(given(&engine, 3, "device"));
    keyring.keys.lock().unwrap()[1].2 = FIRST.to_vec();
    assert_eq!(
        ask(&engine, 3, "ann", Some("pw")),
        Verdict::Deny(Reason::UnknownIdentity)
    );
}

#[test]
fn a_change_of_the_key_ends_its_connections_and_no_others() {
    let (engine, keyring) = ring(UnknownUser::Deny);
    for (connection, identity) in [(1, "device"), (2, "ann"), (3, "device"), (4, "device")] {
        assert!(given(&engine, connection, identity));
    }
    assert_eq!(ask(&engine, 1, "ann", Some("pw")), Verdict::Allow);
    assert_eq!(entered(&engine, 2, "ann"), Some(Ok(())));
    let ann = || vec![AccountName::new("ann").unwrap()];
    engine.review(&changed(ann()), now().wall);
    assert_eq!(over(&engine), [0; 0]);
    keyring.keys.lock().unwrap().retain(|key| key.0 != "device");
    // What cannot be asked does not say that anything has changed.
    let accounts = vec![account("ann", "pw"), account("bob", "pw")];
    keyring.accounts.hold(Err(()));
    engine.review(&changed(ann()), now().wall);
    assert_eq!(over(&engine), [0; 0]);
    keyring.accounts.hold(Ok(accounts));
    engine.beat(now());
    assert_eq!(over(&engine), [1]);
    assert_eq!(over(&engine), [0; 0]);
    engine.beat(now());
    assert_eq!(over(&engine), [1], "it has not ended yet");
    engine.disconnected(ConnectionId(1));
    // Whoever was not heard of may be no more; when it is, it is refused, and ended.
    assert_eq!(
        ask(&engine, 4, "ann", Some("pw")),
        Verdict::Deny(Reason::UnknownIdentity)
    );
    let refused = Some(Err(Reason::UnknownIdentity));
    assert_eq!(entered(&engine, 3, "device"), refused);
    assert_eq!(over(&engine), [3, 4]);
}

#[test]
fn the_key_alone_is_a_login_where_the_username_is_the_identity_and_the_accounts_name() {
    let (engine, keyring) = ring(UnknownUser::Deny);
    assert!(given(&engine, 1, "ann"));
    assert_eq!(
        entered(&engine, 1, "bob"),
        None,
        "its name is not the identity"
    );
    assert_eq!(entered(&engine, 1, "ann"), Some(Ok(())));
    assert!(engine.is_in(ConnectionId(1)));
    let (_, sessions) = engine.connected(None, None, 0, 10);
    assert_eq!(sessions[0].by, Proof::Psk);
    assert!(given(&engine, 2, "device"));
    let refused = Some(Err(Reason::WrongUsername));
    assert_eq!(entered(&engine, 2, "device"), refused);
    assert!(!engine.is_in(ConnectionId(2)));
    assert_eq!(over(&engine), [2]);
    assert!(given(&engine, 3, "ann"));
    let bound = Account {
        client_id: Some("hers".into()),
        ..account("ann", "pw")
    };
    keyring.accounts.hold(Ok(vec![bound]));
    let refused = Some(Err(Reason::WrongClientId));
    assert_eq!(entered(&engine, 3, "ann"), refused);
    assert_eq!(over(&engine), [3]);
}

#[test]
fn an_exchange_over_a_key_is_for_the_keys_account() {
    let (engine, _) = ring(UnknownUser::Deny);
    let begin = |data: &[u8]| {
        assert!(given(&engine, 1, "device"));
        let said = Said {
            client: Client {
                id: Some("c"),
                ..from(1)
            },
            username: None,
            turn: Turn::First {
                method: "SCRAM-SHA-512",
                random: &[0; 18],
            },
            data,
        };
        engine.exchange(&said, now())
    };
    assert!(matches!(begin(b"n,,n=ann,r=x"), Reply::Say(_)));
    let refused = Reply::Deny(Reason::WrongUsername);
    assert_eq!(begin(b"n,,n=bob,r=x"), refused);
}

#[test]
fn memory_that_was_used_for_a_handshake_says_nothing_of_another_client() {
    let (engine, _) = ring(UnknownUser::Deny);
    assert!(given(&engine, 1, "ann"));
    let connection = ConnectionId(1);
    assert!(engine.waits_by_key(connection, &from(1)));
    let elsewhere = [
        Client {
            listener: Some(1883),
            ..from(1)
        },
        Client {
            address: Address::new(Some("192.0.2.2")),
            ..from(1)
        },
    ];
    for other in &elsewhere {
        assert!(!engine.waits_by_key(connection, other));
    }
    engine.disconnected(connection);
    assert!(!engine.waits_by_key(connection, &from(1)));
}

#[test]
fn unknown_identities_of_one_address_are_throttled() {
    let (engine, _) = ring(UnknownUser::Deny);
    let all: Vec<KeyReply> = (0..100)
        .map(|number| key(&engine, 1, Some(&format!("i{number}")), 1024))
        .collect();
    assert_eq!(all[0], KeyReply::Deny(Reason::UnknownIdentity));
    assert_eq!(all[99], KeyReply::Deny(Reason::Throttled));
    assert!(given(&engine, 2, "ann"), "whoever has one is not held up");
}

#[test]
fn a_token_over_a_key_is_for_the_keys_account() {
    let (mut engine, _) = ring(UnknownUser::Deny);
    token::take_tokens(&mut engine);
    for (connection, username) in [(1, "ann"), (2, "bob")] {
        assert!(given(&engine, connection, "device"));
        let shown = token::show(
            &engine,
            Some(connection),
            None,
            &token::token(username, 100),
        );
        let expected = match username {
            "ann" => token::allowed("ann"),
            _ => Some(Reply::Deny(Reason::WrongUsername)),
        };
        assert_eq!(shown, expected, "the key is ann's");
    }
}

#[test]
fn the_key_alone_is_too_little_where_a_certificate_is_needed() {
    for (used, ends) in [
        (CertificateUse::Off, false),
        (CertificateUse::InsteadOfPassword, false),
        (CertificateUse::AndPassword, true),
    ] {
        let (mut engine, keyring) = ring(UnknownUser::Deny);
        engine.certificate = used;
        let name = CertificateName::new("dns:ann.example").unwrap();
        keyring.accounts.hold(Ok(vec![Account {
            certificates: vec![name],
            ..account("ann", "pw")
        }]));
        assert!(given(&engine, 1, "ann"));
        let entered = entered(&engine, 1, "ann");
        assert_eq!(entered.is_some_and(|it| it.is_err()), ends, "{used:?}");
        assert_eq!(over(&engine) == [1], ends, "{used:?}");
    }
}

#[test]
fn one_key_is_ended_in_a_round_and_the_others_in_the_next() {
    let (engine, _) = ring(UnknownUser::Deny);
    for connection in 1..=3 {
        assert!(given(&engine, connection, "device"));
        let refused = Some(Err(Reason::WrongUsername));
        assert_eq!(entered(&engine, connection, "device"), refused);
    }
    for connection in 1..=3 {
        assert!(engine.has_ends());
        assert_eq!(ended(&engine, Ends::Few), [connection]);
    }
    assert!(!engine.has_ends());
}
