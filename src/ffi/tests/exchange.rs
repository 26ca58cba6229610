//! Exchanges of messages, with the broker's side of them played by stubs.

use super::*;
use crate::ffi::guard::{EXT_AUTH_CONTINUE, EXT_AUTH_START};

fn exchange(
    loaded: &Loaded,
    rule: &Rule,
    client: *mut abi::mosquitto,
    method: Option<&CString>,
    data: &[u8],
) -> (c_int, Option<String>) {
    let mut event: abi::mosquitto_evt_extended_auth = zeroed();
    event.client = client;
    event.auth_method = method.map_or(ptr::null(), |method| method.as_ptr());
    if !data.is_empty() {
        event.data_in = data.as_ptr().cast();
        event.data_in_len = u16::try_from(data.len()).unwrap();
    }
    let code = call(rule, loaded.user_data, &mut event);
    if event.data_out.is_null() {
        return (code, None);
    }
    let length = usize::from(event.data_out_len);
    // SAFETY: the callback says that there are so many bytes.
    let said = unsafe { std::slice::from_raw_parts(event.data_out.cast::<u8>(), length) };
    let said = String::from_utf8(said.to_vec()).unwrap();
    // SAFETY: as the broker does.
    unsafe { libc::free(event.data_out) };
    (code, Some(said))
}

fn begin(
    loaded: &Loaded,
    client: &FakeClient,
    method: &str,
    data: &[u8],
) -> (c_int, Option<String>) {
    let method = CString::new(method).unwrap();
    exchange(
        loaded,
        &EXT_AUTH_START,
        pointer(client),
        Some(&method),
        data,
    )
}

fn go_on(loaded: &Loaded, client: &FakeClient, data: &[u8]) -> (c_int, Option<String>) {
    exchange(loaded, &EXT_AUTH_CONTINUE, pointer(client), None, data)
}

const SCRAM: &str = "SCRAM-SHA-512";
const SAY: c_int = abi::MOSQ_ERR_AUTH_CONTINUE;

/// ann's answer to what she is told.
fn proof(said: &str) -> Vec<u8> {
    use crate::mechanism::Mechanism::Sha512;
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;
    let parts: Vec<&str> = said.split(',').collect();
    let salt = STANDARD
        .decode(parts[1].strip_prefix("s=").unwrap())
        .unwrap();
    assert_eq!(parts[2], "i=1");
    let mut salted = [0; 64];
    pbkdf2::pbkdf2_hmac::<sha2::Sha512>(b"pw", &salt, 1, &mut salted);
    let client = Sha512.mac(&salted, &[b"Client Key"]);
    let unproven = format!("c=biws,{}", parts[0]);
    let signed = format!("n=ann,r=x,{said},{unproven}");
    let signature = Sha512.mac(&Sha512.hash(&client), &[signed.as_bytes()]);
    let proof: Vec<u8> = client
        .iter()
        .zip(signature.iter())
        .map(|(a, b)| a ^ b)
        .collect();
    format!("{unproven},p={}", STANDARD.encode(proof)).into_bytes()
}

fn log_in(loaded: &Loaded, client: &FakeClient) -> (c_int, Option<String>) {
    let (code, said) = begin(loaded, client, SCRAM, b"n,,n=ann,r=x");
    assert_eq!(code, SAY);
    go_on(loaded, client, &proof(&said.unwrap()))
}

fn plugin(loaded: &Loaded) -> &Plugin {
    // SAFETY: the plugin lives.
    unsafe { &*loaded.user_data.cast::<Plugin>() }
}

fn is_known(loaded: &Loaded, client: &FakeClient) -> bool {
    let client = super::super::broker::ClientPtr::new(pointer(client)).unwrap();
    plugin(loaded).main().unwrap().number(client).is_some()
}

#[test]
fn who_proves_a_name_has_it_from_then_on() {
    for since_2_1 in [false, true] {
        let loaded = Loaded::new(since_2_1);
        let c = client("c");
        let (code, said) = log_in(&loaded, &c);
        assert_eq!(code, ALLOW);
        assert!(said.unwrap().starts_with("v="));
        let named = NAMED.take();
        assert_eq!(named, [(pointer(&c).addr(), c"ann".to_owned())]);
        assert!(is_known(&loaded, &c));
        // Asked at a reload, with no password; a client that was not let in is refused.
        let mut reload: abi::mosquitto_evt_reload = zeroed();
        call(&RELOAD, loaded.user_data, &mut reload);
        if !since_2_1 {
            assert_eq!(login(&loaded, &c, Some(b"ann"), None, 0), ALLOW);
        }
        assert_eq!(login(&loaded, &client("d"), Some(b"ann"), None, 0), DENY);
    }
}

#[test]
fn who_has_the_name_already_is_not_given_it_again() {
    let loaded = Loaded::new(true);
    let c = FakeClient {
        username: Some(c"ann".to_owned()),
        ..client("c")
    };
    assert_eq!(log_in(&loaded, &c).0, ALLOW);
    assert!(NAMED.take().is_empty());
    let other = FakeClient {
        username: Some(c"eve".to_owned()),
        ..client("e")
    };
    assert_eq!(begin(&loaded, &other, SCRAM, b"n,,n=ann,r=x"), (DENY, None));
    assert!(!is_known(&loaded, &other));
}

#[test]
fn a_name_that_the_broker_does_not_take_lets_nobody_in() {
    let loaded = Loaded::new(true);
    NAMELESS.set(true);
    let c = client("c");
    assert_eq!(log_in(&loaded, &c), (DENY, None));
    NAMELESS.set(false);
    assert!(!is_known(&loaded, &c));
    NAMED.take();
}

#[test]
fn nothing_is_kept_of_who_is_refused_or_not_ours() {
    let loaded = Loaded::new(true);
    let c = client("c");
    assert_eq!(begin(&loaded, &c, "GS2-KRB5", b"x"), (DEFER, None));
    assert!(!is_known(&loaded, &c));
    assert_eq!(go_on(&loaded, &c, b"x"), (DEFER, None));
    assert_eq!(begin(&loaded, &c, SCRAM, b"rubbish"), (DENY, None));
    assert!(!is_known(&loaded, &c));
    assert_eq!(begin(&loaded, &c, SCRAM, b""), (DENY, None));
    let bound = b"p=tls-exporter,,n=ann,r=x";
    let unknown = abi::MOSQ_ERR_NOT_SUPPORTED;
    assert_eq!(
        begin(&loaded, &c, "SCRAM-SHA-512-PLUS", bound),
        (unknown, None)
    );
    let (code, said) = begin(&loaded, &c, SCRAM, b"n,,n=ann,r=x");
    assert_eq!(code, SAY);
    // An AUTH without anything in it.
    assert_eq!(go_on(&loaded, &c, b""), (DENY, None));
    assert_eq!(go_on(&loaded, &c, &proof(&said.unwrap())), (DEFER, None));
    assert!(!is_known(&loaded, &c));
}

#[test]
fn memory_used_again_takes_up_no_exchange() {
    let loaded = Loaded::new(true);
    let c = client("c");
    let (_, said) = begin(&loaded, &c, SCRAM, b"n,,n=ann,r=x");
    let proof = proof(&said.unwrap());
    // The client has gone without a word, and another has its memory.
    assert_eq!(login(&loaded, &c, Some(b"ann"), Some(b"no"), 0), DENY);
    assert_eq!(go_on(&loaded, &c, &proof), (DEFER, None));
    let (_, _) = begin(&loaded, &c, SCRAM, b"n,,n=ann,r=x");
    assert_eq!(go_on(&loaded, &c, &proof), (DENY, None), "another nonce");
    let (_, said) = begin(&loaded, &c, SCRAM, b"n,,n=ann,r=x");
    call(&DISCONNECT, loaded.user_data, &mut left(pointer(&c)));
    let late = self::proof(&said.unwrap());
    assert_eq!(go_on(&loaded, &c, &late), (DEFER, None));
}

#[test]
fn who_is_refused_the_second_time_is_ended() {
    let loaded = Loaded::new(false);
    let c = client("c");
    assert_eq!(log_in(&loaded, &c).0, ALLOW);
    assert_eq!(log_in(&loaded, &c).0, ALLOW, "again");
    assert_eq!(begin(&loaded, &c, SCRAM, b"n,,n=empty,r=x"), (DENY, None));
    assert!(is_known(&loaded, &c));
    LEAVES.set(Some((loaded.user_data, pointer(&c))));
    let mut tick: abi::mosquitto_evt_tick = zeroed();
    assert_eq!(call(&TICK, loaded.user_data, &mut tick), ALLOW);
    assert_eq!(KICKED.take(), ["c"]);
    NAMED.take();
}

/// 2.0.11 can lose a client whose id somebody else had in an exchange.
#[test]
fn whom_the_broker_does_not_find_by_its_id_is_ended_by_its_name() {
    let loaded = Loaded::new(false);
    let c = client("c");
    assert_eq!(log_in(&loaded, &c).0, ALLOW);
    assert_eq!(begin(&loaded, &c, SCRAM, b"n,,n=empty,r=x"), (DENY, None));
    let mut tick: abi::mosquitto_evt_tick = zeroed();
    assert_eq!(call(&TICK, loaded.user_data, &mut tick), ALLOW);
    assert_eq!(KICKED.take(), ["c", "ann"]);
    NAMED.take();
}

#[test]
fn a_session_that_is_kept_for_who_came_by_an_exchange_outlives_a_reload() {
    let loaded = Loaded::new(false);
    let c = client("c");
    assert_eq!(log_in(&loaded, &c).0, ALLOW);
    call(&DISCONNECT, loaded.user_data, &mut left(pointer(&c)));
    let kept = FakeClient {
        subscriptions: 1,
        ..client("c")
    };
    // Nobody enters without a password, whatever is asked for at the same time.
    assert_eq!(login(&loaded, &kept, Some(b"ann"), None, 0), DENY);
    let mut reload: abi::mosquitto_evt_reload = zeroed();
    call(&RELOAD, loaded.user_data, &mut reload);
    assert_eq!(login(&loaded, &client("c"), Some(b"ann"), None, 0), DENY);
    assert_eq!(login(&loaded, &kept, Some(b"ann"), None, 0), ALLOW);
    NAMED.take();
}

#[test]
fn events_without_a_client_or_a_method_are_refused() {
    let loaded = Loaded::new(true);
    let c = client("c");
    let method = CString::new(SCRAM).unwrap();
    for rule in [&EXT_AUTH_START, &EXT_AUTH_CONTINUE] {
        let nobody = exchange(
            &loaded,
            rule,
            ptr::null_mut(),
            Some(&method),
            b"n,,n=ann,r=x",
        );
        assert_eq!(nobody, (DENY, None));
    }
    let nameless = exchange(&loaded, &EXT_AUTH_START, pointer(&c), None, b"n,,n=ann,r=x");
    assert_eq!(nameless, (DENY, None));
    let odd = FakeClient {
        id: CString::new(b"\xff").unwrap(),
        ..client("")
    };
    assert_eq!(begin(&loaded, &odd, SCRAM, b"n,,n=ann,r=x"), (DENY, None));
}
