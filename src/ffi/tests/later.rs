//! Clients that are left waiting, with the broker's side of it played by stubs.

use std::cell::Cell;

use super::*;
use crate::ffi::guard::CONNECT;

thread_local! {
    /// The client that has entered, if one has: what the broker finds by any id.
    static ENTERED: Cell<*mut abi::mosquitto> = const { Cell::new(ptr::null_mut()) };
}

unsafe extern "C" fn find(id: *const c_char) -> *mut abi::mosquitto {
    assert!(!id.is_null());
    ENTERED.get()
}

/// A 2.1 that can be asked who is in.
fn newer() -> &'static Api {
    let older = api(true);
    Box::leak(Box::new(Api {
        callback_register: older.callback_register,
        callback_unregister: older.callback_unregister,
        client_address: older.client_address,
        client_certificate: older.client_certificate,
        client_id: older.client_id,
        client_protocol_version: older.client_protocol_version,
        client_sub_count: older.client_sub_count,
        client_username: older.client_username,
        set_username: older.set_username,
        kick_client_by_clientid: older.kick_client_by_clientid,
        kick_client_by_username: older.kick_client_by_username,
        broker_publish_copy: older.broker_publish_copy,
        log_printf: older.log_printf,
        client: Some(find),
        client_port: None,
        plugin_set_info: None,
        complete_basic_auth: older.complete_basic_auth,
    }))
}

/// A client of this test's thread alone: who waits is known by its client id, at all plugin lines of a process, and
/// whoever comes by the same one ends the wait.
fn client(name: &str) -> FakeClient {
    super::client(&format!("{name} {:?}", std::thread::current().id()))
}

fn ann(loaded: &Loaded, client: &FakeClient, password: &[u8]) -> c_int {
    login(loaded, client, Some(b"ann"), Some(password), 0)
}

/// Ticks until a client was told something: the codes.
fn told(loaded: &Loaded) -> Vec<c_int> {
    let mut tick: abi::mosquitto_evt_tick = zeroed();
    while COMPLETED.with_borrow(Vec::is_empty) {
        assert_eq!(call(&TICK, loaded.user_data, &mut tick), ALLOW);
        std::thread::yield_now();
    }
    COMPLETED.take()
}

fn number(loaded: &Loaded, client: &FakeClient) -> Option<crate::request::ConnectionId> {
    // SAFETY: the plugin lives.
    let plugin = unsafe { &*loaded.user_data.cast::<Plugin>() };
    plugin
        .main()
        .and_then(|main| main.number(super::super::broker::ClientPtr::new(pointer(client))?))
}

const DELAYED: c_int = abi::MOSQ_ERR_AUTH_DELAYED;

#[test]
fn only_a_broker_that_can_be_told_later_is_left_waiting() {
    let newer = Loaded::with(newer(), Hashing::Worker);
    assert_eq!(ann(&newer, &client("c"), b"pw"), DELAYED);
    assert_eq!(told(&newer), [ALLOW]);
    assert_eq!(ann(&newer, &client("c"), b"no"), DELAYED);
    assert_eq!(told(&newer), [DENY]);
    let older = Loaded::with(api(false), Hashing::Worker);
    assert_eq!(ann(&older, &client("c"), b"pw"), ALLOW);
    assert_eq!(ann(&older, &client("c"), b"no"), DENY);
    let inline = Loaded::with(super::later::newer(), Hashing::Inline);
    assert_eq!(ann(&inline, &client("c"), b"pw"), ALLOW);
}

/// The broker reports the end of a client whom it refuses before the call returns.
#[test]
fn a_completion_comes_back_into_us_and_finds_nothing_locked() {
    let loaded = Loaded::with(newer(), Hashing::Worker);
    let c = client("c");
    assert_eq!(ann(&loaded, &c, b"no"), DELAYED);
    LEAVES.set(Some((loaded.user_data, pointer(&c))));
    assert_eq!(told(&loaded), [DENY]);
    assert!(LEAVES.take().is_none(), "it was reported");
    assert_eq!(number(&loaded, &c), None);
}

#[test]
fn a_client_that_is_gone_at_its_completion_is_forgotten() {
    let loaded = Loaded::with(newer(), Hashing::Worker);
    let (stays, leaves) = (client("stays"), client("leaves"));
    assert_eq!(ann(&loaded, &leaves, b"pw"), DELAYED);
    assert!(number(&loaded, &leaves).is_some());
    assert_eq!(told(&loaded), [ALLOW]);
    assert_eq!(number(&loaded, &leaves), None);
    assert_eq!(ann(&loaded, &stays, b"no"), DELAYED);
    assert_eq!(told(&loaded), [DENY]);
    assert_eq!(number(&loaded, &stays), None);
    assert_eq!(ann(&loaded, &stays, b"pw"), ALLOW, "known");
    assert!(number(&loaded, &stays).is_some());
}

/// The broker tells of nobody who leaves while it waits, and its memory is the next one's: of whom the broker
/// asks nothing where it has the name from a certificate.
#[test]
fn whoever_has_the_memory_of_one_that_waited_is_met_as_another() {
    let loaded = Loaded::with(newer(), Hashing::Worker);
    let mut c = client("c");
    assert_eq!(ann(&loaded, &c, b"pw"), DELAYED);
    let waits = number(&loaded, &c).unwrap();
    c.username = Some(c"ann".to_owned());
    let mut connect: abi::mosquitto_evt_connect = zeroed();
    connect.client = pointer(&c);
    assert_eq!(call(&CONNECT, loaded.user_data, &mut connect), ALLOW);
    let met = number(&loaded, &c).unwrap();
    assert_ne!(met, waits);
    // And it is met once.
    call(&CONNECT, loaded.user_data, &mut connect);
    assert_eq!(number(&loaded, &c), Some(met));
    call(&DISCONNECT, loaded.user_data, &mut left(pointer(&c)));
    // Whoever waited for its answer and is in is the same.
    let mut d = client("d");
    d.username = Some(c"ann".to_owned());
    assert_eq!(ann(&loaded, &d, b"no"), DELAYED);
    assert_eq!(told(&loaded), [DENY]);
    assert_eq!(ann(&loaded, &d, b"pw"), ALLOW);
    let is_in = number(&loaded, &d);
    connect.client = pointer(&d);
    call(&CONNECT, loaded.user_data, &mut connect);
    assert_eq!(number(&loaded, &d), is_in);
}

/// Nor does it tell of one that it refuses itself after we have let it in.
#[test]
fn whoever_has_the_memory_of_one_that_was_let_in_is_met_under_another_name() {
    let loaded = Loaded::with(newer(), Hashing::Inline);
    let mut c = client("c");
    assert_eq!(ann(&loaded, &c, b"pw"), ALLOW);
    let refused = number(&loaded, &c).unwrap();
    let mut connect: abi::mosquitto_evt_connect = zeroed();
    connect.client = pointer(&c);
    c.username = Some(c"ann".to_owned());
    assert_eq!(call(&CONNECT, loaded.user_data, &mut connect), ALLOW);
    assert_eq!(number(&loaded, &c), Some(refused), "the same");
    c.username = Some(c"bob".to_owned());
    connect.client = pointer(&c);
    assert_eq!(call(&CONNECT, loaded.user_data, &mut connect), ALLOW);
    assert_ne!(number(&loaded, &c), Some(refused));
}

#[test]
fn a_client_that_is_there_at_its_completion_stays_known() {
    let loaded = Loaded::with(newer(), Hashing::Worker);
    let c = client("c");
    assert_eq!(ann(&loaded, &c, b"pw"), DELAYED);
    ENTERED.set(pointer(&c));
    assert_eq!(told(&loaded), [ALLOW]);
    assert!(number(&loaded, &c).is_some());
    ENTERED.set(ptr::null_mut());
}

fn told_if_any(loaded: &Loaded) {
    let mut tick: abi::mosquitto_evt_tick = zeroed();
    assert_eq!(call(&TICK, loaded.user_data, &mut tick), ALLOW);
}

#[test]
fn a_client_whose_memory_is_anothers_now_is_not_told() {
    let loaded = Loaded::with(newer(), Hashing::Worker);
    let c = client("c");
    assert_eq!(ann(&loaded, &c, b"no"), DELAYED);
    // The same memory asks again, as another client: nobody.
    assert_eq!(login(&loaded, &c, None, None, 0), DEFER);
    let other = client("other");
    assert_eq!(ann(&loaded, &other, b"pw"), DELAYED);
    assert_eq!(told(&loaded), [ALLOW], "and nothing before it");
}

#[test]
fn a_recheck_and_another_thread_are_answered_at_once() {
    let loaded = Loaded::with(newer(), Hashing::Worker);
    let c = client("c");
    ENTERED.set(pointer(&c));
    // In by another plugin, and shown to us by a reload.
    assert_eq!(ann(&loaded, &c, b"no"), DENY);
    assert_eq!(ann(&loaded, &c, b"pw"), ALLOW);
    ENTERED.set(ptr::null_mut());
    let sent = Sent(loaded.user_data);
    std::thread::scope(|scope| {
        let elsewhere = scope.spawn(move || {
            let Sent(user_data) = { sent };
            let api_client = client("http-api");
            let mut event: abi::mosquitto_evt_basic_auth = zeroed();
            event.client = pointer(&api_client);
            event.username = c"ann".as_ptr().cast_mut();
            event.password = c"wp".as_ptr().cast_mut();
            assert_eq!(call(&BASIC_AUTH, user_data, &mut event), DENY);
        });
        assert!(elsewhere.join().is_ok());
    });
    told_if_any(&loaded);
    assert!(COMPLETED.take().is_empty());
}
