//! The callbacks with the C side played in Rust: event structs built by hand, and a broker made of
//! stubs that calls back into us as the real one does.
#![allow(
    clippy::missing_safety_doc,
    reason = "the stubs are called by us, with what we made"
)]

mod access;
mod exchange;
mod later;
mod psk;

use std::cell::{Cell, RefCell};
use std::ffi::{CString, c_char, c_int, c_void};
use std::fs;
use std::path::Path;
use std::ptr;

use super::abi;
use super::broker::Api;
use super::callback::{Purpose, REGISTRATIONS};
use super::guard::{ACL_CHECK, BASIC_AUTH, CLIENT_OFFLINE, DISCONNECT, RELOAD, Rule, TICK, guard};
use super::plugin::Plugin;
use super::{mosquitto_plugin_cleanup, mosquitto_plugin_version};
use crate::config::{Config, Hashing, Scram, SourceConfig, UnknownUser};
use crate::credential::{Recipe, Salt, hash};

/// A client as the broker would keep it.
struct FakeClient {
    id: CString,
    username: Option<CString>,
    address: Option<CString>,
    version: c_int,
    subscriptions: c_int,
}

thread_local! {
    /// The connections that were ended, by client id.
    static KICKED: RefCell<Vec<String>> = const { RefCell::new(Vec::new()) };
    /// What clients that waited were told.
    static COMPLETED: RefCell<Vec<c_int>> = const { RefCell::new(Vec::new()) };
    /// Who was given a name, by address, and which.
    static NAMED: RefCell<Vec<(usize, CString)>> = const { RefCell::new(Vec::new()) };
    /// Whether names are not taken.
    static NAMELESS: Cell<bool> = const { Cell::new(false) };
    /// Whom the broker reports as gone while it kicks.
    static LEAVES: RefCell<Option<(*mut c_void, *mut abi::mosquitto)>> = const { RefCell::new(None) };
}

unsafe extern "C" fn register(
    _: *mut abi::mosquitto_plugin_id_t,
    _: c_int,
    _: abi::MOSQ_FUNC_generic_callback,
    _: *const c_void,
    _: *mut c_void,
) -> c_int {
    abi::MOSQ_ERR_SUCCESS
}

unsafe extern "C" fn unregister(
    _: *mut abi::mosquitto_plugin_id_t,
    _: c_int,
    _: abi::MOSQ_FUNC_generic_callback,
    _: *const c_void,
) -> c_int {
    abi::MOSQ_ERR_SUCCESS
}

fn fake<'a>(client: *const abi::mosquitto) -> &'a FakeClient {
    // SAFETY: every client in these tests is a FakeClient that outlives the call.
    unsafe { &*client.cast() }
}

unsafe extern "C" fn client_id(client: *const abi::mosquitto) -> *const c_char {
    fake(client).id.as_ptr()
}

unsafe extern "C" fn client_address(client: *const abi::mosquitto) -> *const c_char {
    fake(client)
        .address
        .as_ref()
        .map_or(ptr::null(), |address| address.as_ptr())
}

unsafe extern "C" fn no_certificate(_: *const abi::mosquitto) -> *mut c_void {
    ptr::null_mut()
}

unsafe extern "C" fn client_protocol_version(client: *const abi::mosquitto) -> c_int {
    fake(client).version
}

unsafe extern "C" fn client_sub_count(client: *const abi::mosquitto) -> c_int {
    fake(client).subscriptions
}

unsafe extern "C" fn set_username(client: *mut abi::mosquitto, name: *const c_char) -> c_int {
    // SAFETY: a C string of ours.
    let name = unsafe { std::ffi::CStr::from_ptr(name) }.to_owned();
    NAMED.with_borrow_mut(|named| named.push((client.addr(), name)));
    if NAMELESS.get() {
        abi::MOSQ_ERR_INVAL
    } else {
        abi::MOSQ_ERR_SUCCESS
    }
}

unsafe extern "C" fn client_username(client: *const abi::mosquitto) -> *const c_char {
    fake(client)
        .username
        .as_ref()
        .map_or(ptr::null(), |username| username.as_ptr())
}

unsafe extern "C" fn publish(
    _: *const c_char,
    _: *const c_char,
    _: c_int,
    _: *const c_void,
    _: c_int,
    _: bool,
    _: *mut abi::mosquitto_property,
) -> c_int {
    abi::MOSQ_ERR_SUCCESS
}

unsafe extern "C" fn kick(id: *const c_char, with_will: bool) -> c_int {
    assert!(!id.is_null() && !with_will);
    // SAFETY: a C string of ours.
    let id = unsafe { std::ffi::CStr::from_ptr(id) }
        .to_str()
        .unwrap()
        .to_owned();
    KICKED.with_borrow_mut(|kicked| kicked.push(id));
    if let Some((plugin, client)) = LEAVES.take() {
        assert_eq!(
            call(&DISCONNECT, plugin, &mut left(client)),
            abi::MOSQ_ERR_SUCCESS
        );
    }
    abi::MOSQ_ERR_SUCCESS
}

unsafe extern "C" fn complete(id: *const c_char, code: c_int) {
    assert!(!id.is_null());
    COMPLETED.with_borrow_mut(|completed| completed.push(code));
    if let Some((plugin, client)) = LEAVES.take() {
        assert_eq!(
            call(&DISCONNECT, plugin, &mut left(client)),
            abi::MOSQ_ERR_SUCCESS
        );
    }
}

fn api(since_2_1: bool) -> &'static Api {
    Box::leak(Box::new(Api {
        callback_register: register,
        callback_unregister: unregister,
        client_address,
        client_certificate: no_certificate,
        client_id,
        client_protocol_version,
        client_sub_count,
        client_username,
        set_username,
        kick_client_by_clientid: kick,
        kick_client_by_username: kick,
        broker_publish_copy: publish,
        // Of the same shape; only the installed logger calls it, and tests install none.
        log_printf: libc::syslog,
        client: None,
        client_port: None,
        plugin_set_info: None,
        complete_basic_auth: since_2_1.then_some(complete as _),
    }))
}

/// A plugin over a password file with the accounts ann and empty, as the broker holds it.
struct Loaded {
    dir: tempfile::TempDir,
    user_data: *mut c_void,
}

impl Loaded {
    fn new(since_2_1: bool) -> Self {
        Self::with(api(since_2_1), Hashing::Auto)
    }

    fn with(api: &'static Api, hashing: Hashing) -> Self {
        Self::over(api, hashing, None)
    }

    fn over(api: &'static Api, hashing: Hashing, acl: Option<&str>) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let acl_file = acl.map(|text| {
            let path = dir.path().join("acl");
            fs::write(&path, text).unwrap();
            path
        });
        write(dir.path(), &[("ann", "pw"), ("empty", "")]);
        let sources = vec![SourceConfig::PasswordFile(dir.path().join("users"))];
        let unknown_user = UnknownUser::Defer;
        let config = Config {
            sources,
            unknown_user,
            hashing,
            acl_file,
            scram: Scram::Both,
            scram_hashes: true,
            ..Config::standard()
        };
        let plugin = Plugin::open(api, ptr::null_mut(), &config).unwrap();
        plugin.work(&config);
        plugin.watch().unwrap();
        Self {
            dir,
            user_data: Box::into_raw(plugin).cast(),
        }
    }
}

impl Drop for Loaded {
    fn drop(&mut self) {
        // SAFETY: made by Box::into_raw and not used again.
        let code = unsafe { mosquitto_plugin_cleanup(self.user_data, ptr::null_mut(), 0) };
        assert_eq!(code, abi::MOSQ_ERR_SUCCESS);
    }
}

fn write(dir: &Path, accounts: &[(&str, &str)]) {
    let line = |(name, password): &(&str, &str)| {
        let recipe = Recipe::Pbkdf2Sha512 { iterations: 1 };
        let stored = hash(password.as_bytes(), &recipe, &Salt::new([1; 16])).unwrap();
        format!("{name}:{}\n", stored.text)
    };
    fs::write(
        dir.join("users"),
        accounts.iter().map(line).collect::<String>(),
    )
    .unwrap();
}

/// Calls the callback that is registered for an event.
fn call<T>(rule: &Rule, user_data: *mut c_void, data: &mut T) -> c_int {
    let registration = REGISTRATIONS
        .iter()
        .find(|r| r.rule.event == rule.event)
        .unwrap();
    // SAFETY: the data is the struct of this event, and the plugin lives.
    unsafe { (registration.callback)(rule.event, ptr::from_mut(data).cast(), user_data) }
}

fn zeroed<T>() -> T {
    // SAFETY: used for event structs, which hold pointers and numbers and which the broker zeroes.
    unsafe { std::mem::zeroed() }
}

fn left(client: *mut abi::mosquitto) -> abi::mosquitto_evt_disconnect {
    abi::mosquitto_evt_disconnect { client, ..zeroed() }
}

fn client(id: &str) -> FakeClient {
    FakeClient {
        id: CString::new(id).unwrap(),
        username: None,
        address: Some(c"192.0.2.1".to_owned()),
        version: 4,
        subscriptions: 0,
    }
}

fn pointer(client: &FakeClient) -> *mut abi::mosquitto {
    ptr::from_ref(client).cast_mut().cast()
}

/// One BASIC_AUTH; the bytes must not hold a NUL. `length` is what 2.1.3 says of the password.
fn login(
    loaded: &Loaded,
    client: &FakeClient,
    username: Option<&[u8]>,
    password: Option<&[u8]>,
    length: u16,
) -> c_int {
    let c_string = |bytes: &[u8]| CString::new(bytes).unwrap();
    let (username, password) = (username.map(c_string), password.map(c_string));
    let raw = |text: &Option<CString>| {
        text.as_ref()
            .map_or(ptr::null_mut(), |text| text.as_ptr().cast_mut())
    };
    let mut event: abi::mosquitto_evt_basic_auth = zeroed();
    event.client = pointer(client);
    event.username = raw(&username);
    event.password = raw(&password);
    event.spare.password_len = length;
    call(&BASIC_AUTH, loaded.user_data, &mut event)
}

const ALLOW: c_int = abi::MOSQ_ERR_SUCCESS;
const DENY: c_int = abi::MOSQ_ERR_AUTH;
const DEFER: c_int = abi::MOSQ_ERR_PLUGIN_DEFER;

#[test]
fn the_interface_is_5_or_none() {
    let answer = |versions: &[c_int]| {
        let count = c_int::try_from(versions.len()).unwrap();
        // SAFETY: as many versions as the count says.
        unsafe { mosquitto_plugin_version(count, versions.as_ptr()) }
    };
    assert_eq!(answer(&[5, 4, 3, 2]), 5);
    assert_eq!(answer(&[6, 5]), 5);
    assert_eq!(answer(&[6, 4]), -1);
    assert_eq!(answer(&[]), -1);
    // SAFETY: nothing is read where the pointer is NULL.
    assert_eq!(unsafe { mosquitto_plugin_version(3, ptr::null()) }, -1);
}

#[test]
fn a_login_is_answered_in_the_brokers_words() {
    let loaded = Loaded::new(true);
    let c = client("c");
    assert_eq!(login(&loaded, &c, Some(b"ann"), Some(b"pw"), 0), ALLOW);
    assert_eq!(login(&loaded, &c, Some(b"ann"), Some(b"no"), 0), DENY);
    assert_eq!(login(&loaded, &c, Some(b"ann"), None, 0), DENY);
    assert_eq!(login(&loaded, &c, Some(b"eve"), Some(b"pw"), 0), DEFER);
    assert_eq!(login(&loaded, &c, None, Some(b"pw"), 0), DEFER);
}

#[test]
fn names_that_are_no_text_are_denied() {
    let loaded = Loaded::new(true);
    assert_eq!(
        login(&loaded, &client("c"), Some(b"\xff"), Some(b"pw"), 0),
        DENY
    );
    let odd = FakeClient {
        id: CString::new(b"\xc0").unwrap(),
        ..client("")
    };
    assert_eq!(login(&loaded, &odd, Some(b"ann"), Some(b"pw"), 0), DENY);
    assert_eq!(
        login(&loaded, &client("c"), Some(b"ann"), Some(b"\xff\xfe"), 0),
        DENY
    );
}

#[test]
fn a_nul_in_a_password_is_denied_once_it_is_known() {
    let loaded = Loaded::new(true);
    let c = client("c");
    assert_eq!(login(&loaded, &c, Some(b"ann"), Some(b"pw"), 2), ALLOW);
    assert_eq!(login(&loaded, &c, Some(b"ann"), Some(b"pw"), 7), DENY);
    // Begins with the NUL: even the account whose password is empty is denied.
    assert_eq!(login(&loaded, &c, Some(b"empty"), Some(b""), 5), DENY);
    assert_eq!(login(&loaded, &c, Some(b"empty"), Some(b""), 0), DENY);
}

#[test]
fn an_event_without_a_client_is_answered() {
    let loaded = Loaded::new(true);
    let mut event: abi::mosquitto_evt_basic_auth = zeroed();
    assert_eq!(call(&BASIC_AUTH, loaded.user_data, &mut event), DEFER);
    assert_eq!(
        call(&DISCONNECT, loaded.user_data, &mut left(ptr::null_mut())),
        ALLOW
    );
}

#[test]
fn events_without_data_or_plugin_get_their_rules_answer() {
    let loaded = Loaded::new(true);
    for registration in REGISTRATIONS {
        let (rule, callback) = (registration.rule, registration.callback);
        // SAFETY: NULL is answered without being followed.
        let without = |user_data| unsafe { callback(rule.event, ptr::null_mut(), user_data) };
        assert_eq!(
            without(loaded.user_data),
            rule.denied.since_2_1,
            "{}",
            rule.name
        );
        assert_eq!(
            without(ptr::null_mut()),
            rule.denied.before_2_1,
            "{}",
            rule.name
        );
    }
}

#[test]
fn a_panic_is_answered_as_written_and_never_with_a_grant() {
    for (since_2_1, reload) in [(false, DEFER), (true, ALLOW)] {
        let loaded = Loaded::new(since_2_1);
        let answer = |rule| {
            // SAFETY: the plugin lives.
            unsafe { guard(rule, loaded.user_data, |_, _| panic!("as told")) }
        };
        assert_eq!(answer(&BASIC_AUTH), DENY);
        assert_eq!(answer(&ACL_CHECK), abi::MOSQ_ERR_ACL_DENIED);
        assert_eq!(answer(&RELOAD), reload);
        for rule in [&TICK, &DISCONNECT, &CLIENT_OFFLINE] {
            assert_eq!(answer(rule), ALLOW);
        }
        // And the next one is answered as if nothing had been.
        assert_eq!(
            login(&loaded, &client("c"), Some(b"ann"), Some(b"pw"), 0),
            ALLOW
        );
    }
}

#[test]
fn the_end_of_a_client_and_an_access_may_come_within_another_callback() {
    let loaded = Loaded::new(true);
    let nested = |rule: &Rule| {
        let inner = |_: &Plugin, _: Option<&super::plugin::Main>| {
            // SAFETY: the plugin lives.
            unsafe { guard(rule, loaded.user_data, |_, _| 77) }
        };
        // SAFETY: the plugin lives.
        unsafe { guard(&TICK, loaded.user_data, inner) }
    };
    assert_eq!(nested(&DISCONNECT), 77);
    assert_eq!(nested(&CLIENT_OFFLINE), 77);
    assert_eq!(nested(&ACL_CHECK), 77);
    assert_eq!(nested(&BASIC_AUTH), DENY);
    assert_eq!(nested(&TICK), ALLOW);
    assert_eq!(nested(&RELOAD), ALLOW);
}

/// A pointer that a test hands to another thread, as the broker of 2.1 does.
struct Sent(*mut c_void);

// SAFETY: the plugin may be asked from any thread.
unsafe impl Send for Sent {}

#[test]
fn another_thread_is_answered_about_logins_and_accesses_only() {
    let loaded = Loaded::new(true);
    let sent = Sent(loaded.user_data);
    std::thread::scope(|scope| {
        let elsewhere = scope.spawn(move || {
            let Sent(user_data) = { sent };
            let c = FakeClient {
                address: None,
                version: 0,
                ..client("http-api")
            };
            let mut event: abi::mosquitto_evt_basic_auth = zeroed();
            event.client = pointer(&c);
            event.username = c"ann".as_ptr().cast_mut();
            event.password = c"pw".as_ptr().cast_mut();
            assert_eq!(call(&BASIC_AUTH, user_data, &mut event), ALLOW);
            event.password = ptr::null_mut();
            assert_eq!(call(&BASIC_AUTH, user_data, &mut event), DENY);
            // SAFETY: the plugin lives.
            let refused = unsafe { guard(&TICK, user_data, |_, _| 77) };
            assert_eq!(refused, TICK.denied.since_2_1);
        });
        assert!(elsewhere.join().is_ok());
    });
}

#[test]
fn a_restored_session_is_known_by_the_reload_and_by_nothing_else() {
    let loaded = Loaded::new(true);
    let restored = FakeClient {
        address: None,
        version: 0,
        ..client("c")
    };
    assert_eq!(login(&loaded, &restored, Some(b"ann"), None, 0), DENY);
    assert_eq!(
        call(
            &RELOAD,
            loaded.user_data,
            &mut zeroed::<abi::mosquitto_evt_reload>()
        ),
        ALLOW
    );
    assert_eq!(login(&loaded, &restored, Some(b"ann"), None, 0), ALLOW);
    assert_eq!(
        login(&loaded, &client("c"), Some(b"ann"), None, 0),
        DENY,
        "it has an address"
    );
    let live = FakeClient {
        address: None,
        version: 4,
        subscriptions: 0,
        ..client("c")
    };
    assert_eq!(
        login(&loaded, &live, Some(b"ann"), None, 0),
        DENY,
        "it spoke MQTT"
    );
    assert_eq!(login(&loaded, &restored, Some(b"eve"), None, 0), DEFER);
    assert_eq!(
        call(
            &TICK,
            loaded.user_data,
            &mut zeroed::<abi::mosquitto_evt_tick>()
        ),
        ALLOW
    );
    assert_eq!(
        login(&loaded, &restored, Some(b"ann"), None, 0),
        DENY,
        "the reload is over"
    );
}

/// The broker reports the end of a client before its kick returns, on the same stack.
#[test]
fn a_kick_comes_back_into_us_and_finds_nothing_locked() {
    let loaded = Loaded::new(false);
    let (ann, other) = (client("of ann"), client("of empty"));
    assert_eq!(login(&loaded, &ann, Some(b"ann"), Some(b"pw"), 0), ALLOW);
    LEAVES.set(Some((loaded.user_data, pointer(&ann))));
    write(loaded.dir.path(), &[("empty", "")]);
    let mut tick: abi::mosquitto_evt_tick = zeroed();
    while KICKED.with_borrow(Vec::is_empty) {
        assert_eq!(call(&TICK, loaded.user_data, &mut tick), ALLOW);
        std::thread::yield_now();
    }
    assert_eq!(KICKED.take(), ["of ann"]);
    assert_eq!(call(&TICK, loaded.user_data, &mut tick), ALLOW);
    assert!(KICKED.take().is_empty(), "once");
    assert_eq!(login(&loaded, &other, Some(b"ann"), Some(b"pw"), 0), DEFER);
}

#[test]
fn ends_that_are_reported_twice_or_for_nobody_are_taken_quietly() {
    let loaded = Loaded::new(true);
    let c = client("c");
    for _ in 0..2 {
        assert_eq!(
            call(&DISCONNECT, loaded.user_data, &mut left(pointer(&c))),
            ALLOW
        );
        assert_eq!(login(&loaded, &c, Some(b"ann"), Some(b"pw"), 0), ALLOW);
        assert_eq!(
            call(&CLIENT_OFFLINE, loaded.user_data, &mut left(pointer(&c))),
            ALLOW
        );
    }
}

#[test]
fn cleanup_without_an_init_is_nothing() {
    // SAFETY: NULL is what 2.1 passes after a failed init.
    let code = unsafe { mosquitto_plugin_cleanup(ptr::null_mut(), ptr::null_mut(), 0) };
    assert_eq!(code, abi::MOSQ_ERR_SUCCESS);
}
