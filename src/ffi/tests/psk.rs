//! PSK_KEY, with the broker's buffer and its bounds.

use super::*;
use crate::admin::{Actor, Command, apply};
use crate::config::DatabaseConfig;
use crate::ffi::guard::PSK_KEY;
use crate::model::{Account, AccountName, Psk, PskIdentity, PskKey};
use crate::store::sqlite::Database;

/// ann with a password and a key of two bytes.
fn keyed(since_2_1: bool) -> Loaded {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("db");
    let mut database = Database::create(&path, None).unwrap();
    let recipe = Recipe::Pbkdf2Sha512 { iterations: 1 };
    let name = AccountName::new("ann").unwrap();
    let ann = Account {
        credential: Some(hash(b"pw", &recipe, &Salt::new([1; 16])).unwrap()),
        ..Account::named(name.clone())
    };
    let psk = Psk {
        identity: PskIdentity::new("ann").unwrap(),
        name,
        key: PskKey::from_hex(b"C0FF").unwrap(),
    };
    let actor = Actor {
        who: "test".into(),
        from: "local".into(),
        at: jiff::Timestamp::UNIX_EPOCH,
    };
    let commands = [Command::Add(ann), Command::AddPsk(psk)];
    assert_eq!(apply(&mut database, actor, &commands).unwrap().len(), 2);
    let config = Config {
        sources: vec![SourceConfig::Database(DatabaseConfig {
            path,
            roles: false,
        })],
        unknown_user: UnknownUser::Deny,
        psk: true,
        ..Config::standard()
    };
    let plugin = Plugin::open(api(since_2_1), ptr::null_mut(), &config).unwrap();
    plugin.watch().unwrap();
    let user_data = Box::into_raw(plugin).cast();
    Loaded { dir, user_data }
}

/// What is written into a buffer of so many digits, and what stands behind them.
fn ask(
    loaded: &Loaded,
    client: *mut abi::mosquitto,
    identity: Option<&[u8]>,
    room: usize,
) -> (c_int, Vec<u8>) {
    let identity = identity.map(|bytes| CString::new(bytes).unwrap());
    let mut buffer = [vec![0_u8; room], vec![7; 8]].concat();
    let mut event: abi::mosquitto_evt_psk_key = zeroed();
    event.client = client;
    event.identity = identity
        .as_ref()
        .map_or(ptr::null(), |identity| identity.as_ptr());
    event.key = buffer.as_mut_ptr().cast();
    event.max_key_len = c_int::try_from(room).unwrap();
    let code = call(&PSK_KEY, loaded.user_data, &mut event);
    assert_eq!(buffer.split_off(room), [7; 8], "written behind the buffer");
    (code, buffer)
}

#[test]
fn a_key_is_written_in_lower_case_and_never_beyond_its_buffer() {
    for since_2_1 in [false, true] {
        let loaded = keyed(since_2_1);
        let c = client("c");
        let ann = Some(&b"ann"[..]);
        for room in [4, 5, 1024] {
            let (code, buffer) = ask(&loaded, pointer(&c), ann, room);
            assert_eq!(code, ALLOW);
            assert_eq!(&buffer[..4], b"c0ff");
            assert!(buffer[4..].iter().all(|byte| *byte == 0));
        }
        for room in [0, 1, 3] {
            let (code, buffer) = ask(&loaded, pointer(&c), ann, room);
            assert_eq!(code, DENY);
            assert!(buffer.iter().all(|byte| *byte == 0));
        }
        for identity in [
            None,
            Some(&b"eve"[..]),
            Some(b""),
            Some(b"\xff"),
            Some(b"a\nb"),
        ] {
            assert_eq!(ask(&loaded, pointer(&c), identity, 1024).0, DENY);
        }
        assert_eq!(ask(&loaded, ptr::null_mut(), ann, 1024).0, DENY);
    }
}

#[test]
fn a_key_that_was_given_is_no_proof_and_binds_to_its_account() {
    for since_2_1 in [false, true] {
        let loaded = keyed(since_2_1);
        let c = client("c");
        let shake = || assert_eq!(ask(&loaded, pointer(&c), Some(b"ann"), 64).0, ALLOW);
        let login = |username: &[u8], password: Option<&[u8]>| {
            login(&loaded, &c, Some(username), password, 0)
        };
        shake();
        assert_eq!(login(b"ann", None), DENY);
        shake();
        assert_eq!(login(b"eve", Some(b"pw")), DENY);
        shake();
        assert_eq!(login(b"ann", Some(b"pw")), ALLOW);
        // Whoever is in shakes hands no more.
        assert_eq!(ask(&loaded, pointer(&c), Some(b"ann"), 64).0, DENY);
        assert_eq!(
            call(&DISCONNECT, loaded.user_data, &mut left(pointer(&c))),
            ALLOW
        );
        shake();
    }
}

/// 2.0 tells of nobody who is in by the broker's own doing: it is met when it wants something.
#[test]
fn who_is_in_by_its_key_alone_is_met_when_it_wants_something_and_not_before() {
    let loaded = keyed(false);
    let mut c = client("c");
    c.username = Some(c"ann".to_owned());
    let client = Box::new(c);
    assert_eq!(ask(&loaded, pointer(&client), Some(b"ann"), 64).0, ALLOW);
    // SAFETY: the plugin lives, and this is its thread.
    let plugin = unsafe { &*loaded.user_data.cast::<Plugin>() };
    let connection = plugin.main().unwrap().number(pointer_of(&client)).unwrap();
    let mut tick: abi::mosquitto_evt_tick = zeroed();
    assert_eq!(call(&TICK, loaded.user_data, &mut tick), ALLOW);
    assert!(!plugin.engine.is_in(connection));
    let mut wants: abi::mosquitto_evt_acl_check = zeroed();
    wants.client = pointer(&client);
    wants.topic = c"t".as_ptr();
    wants.access = abi::MOSQ_ACL_WRITE;
    call(&ACL_CHECK, loaded.user_data, &mut wants);
    assert!(plugin.engine.is_in(connection));
}

/// A handshake that fails in its first step is told by no broker, and its memory is gone.
#[test]
fn memory_that_is_gone_is_not_looked_at() {
    for since_2_1 in [false, true] {
        let loaded = keyed(since_2_1);
        let gone = Box::new(client("c"));
        assert_eq!(ask(&loaded, pointer(&gone), Some(b"ann"), 64).0, ALLOW);
        drop(gone);
        // SAFETY: the plugin lives, and this is its thread.
        let plugin = unsafe { &*loaded.user_data.cast::<Plugin>() };
        let now = super::super::clock::now();
        plugin
            .engine
            .review(&crate::store::News::Everything, now.wall);
        plugin.engine.beat(now);
        let mut tick: abi::mosquitto_evt_tick = zeroed();
        assert_eq!(call(&TICK, loaded.user_data, &mut tick), ALLOW);
    }
}

fn pointer_of(client: &FakeClient) -> crate::ffi::broker::ClientPtr {
    crate::ffi::broker::ClientPtr::new(pointer(client)).unwrap()
}

#[test]
fn a_panic_gives_no_key() {
    let loaded = keyed(true);
    let denied = PSK_KEY.denied;
    assert_eq!((denied.before_2_1, denied.since_2_1), (DENY, DENY));
    // SAFETY: the plugin lives.
    let code = unsafe { guard(&PSK_KEY, loaded.user_data, |_, _| panic!("no key")) };
    assert_eq!(code, DENY);
}
