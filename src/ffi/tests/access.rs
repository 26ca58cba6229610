//! Accesses: who may do what, asked as the broker asks.

use super::*;

const RULES: &str =
    "topic read open/#\nuser ann\ntopic write w\ntopic read r\npattern read %c/in\n";

const DENIED: c_int = abi::MOSQ_ERR_ACL_DENIED;

fn loaded() -> Loaded {
    Loaded::over(api(true), Hashing::Auto, Some(RULES))
}

fn named(id: &str, username: &[u8]) -> FakeClient {
    FakeClient {
        username: Some(CString::new(username).unwrap()),
        ..client(id)
    }
}

/// One ACL_CHECK.
fn access(user_data: *mut c_void, client: &FakeClient, access: c_int, topic: &[u8]) -> c_int {
    let topic = CString::new(topic).unwrap();
    let mut event: abi::mosquitto_evt_acl_check = zeroed();
    event.client = pointer(client);
    event.topic = topic.as_ptr();
    event.access = access;
    call(&ACL_CHECK, user_data, &mut event)
}

#[test]
fn an_access_is_answered_in_the_brokers_words() {
    let loaded = loaded();
    let ask = |client: &FakeClient, kind, topic: &str| {
        access(loaded.user_data, client, kind, topic.as_bytes())
    };
    let (ann, nobody) = (named("c1", b"ann"), client("c2"));
    for (who, kind, topic, answer) in [
        (&ann, abi::MOSQ_ACL_WRITE, "w", ALLOW),
        (&ann, abi::MOSQ_ACL_READ, "w", DENIED),
        (&ann, abi::MOSQ_ACL_READ, "r", ALLOW),
        (&ann, abi::MOSQ_ACL_WRITE, "r", DENIED),
        (&ann, abi::MOSQ_ACL_READ, "c1/in", ALLOW),
        (&ann, abi::MOSQ_ACL_READ, "c2/in", DENIED),
        (&ann, abi::MOSQ_ACL_READ, "open/a", DENIED),
        (&nobody, abi::MOSQ_ACL_READ, "open/a", ALLOW),
        (&nobody, abi::MOSQ_ACL_WRITE, "open/a", DENIED),
        (&nobody, abi::MOSQ_ACL_SUBSCRIBE, "anything/#", ALLOW),
        (&nobody, abi::MOSQ_ACL_UNSUBSCRIBE, "anything/#", ALLOW),
    ] {
        assert_eq!(ask(who, kind, topic), answer, "{kind} {topic}");
    }
}

#[test]
fn what_cannot_be_understood_is_denied() {
    let loaded = loaded();
    let (ann, odd) = (named("c1", b"ann"), named("c1", b"ann\xff"));
    let odd_id = FakeClient {
        id: CString::new(b"\xc0").unwrap(),
        ..client("")
    };
    let ask = |client, kind, topic| access(loaded.user_data, client, kind, topic);
    assert_eq!(ask(&ann, abi::MOSQ_ACL_WRITE, b"w"), ALLOW);
    assert_eq!(ask(&odd, abi::MOSQ_ACL_WRITE, b"w"), DENIED);
    assert_eq!(ask(&odd_id, abi::MOSQ_ACL_READ, b"open/a"), DENIED);
    assert_eq!(ask(&ann, abi::MOSQ_ACL_WRITE, b"\xff"), DENIED);
    assert_eq!(ask(&ann, abi::MOSQ_ACL_WRITE, b""), DENIED);
    assert_eq!(ask(&ann, abi::MOSQ_ACL_WRITE, b"#"), DENIED);
    assert_eq!(ask(&ann, abi::MOSQ_ACL_SUBSCRIBE, b"a/#/b"), DENIED);
    for kind in [0, 3, 16, -1] {
        assert_eq!(ask(&ann, kind, b"w"), DENIED, "{kind}");
    }
    let mut nobody: abi::mosquitto_evt_acl_check = zeroed();
    nobody.access = abi::MOSQ_ACL_SUBSCRIBE;
    nobody.topic = c"a".as_ptr();
    assert_eq!(call(&ACL_CHECK, loaded.user_data, &mut nobody), DENIED);
    let mut no_topic: abi::mosquitto_evt_acl_check = zeroed();
    no_topic.access = abi::MOSQ_ACL_SUBSCRIBE;
    no_topic.client = pointer(&ann);
    assert_eq!(call(&ACL_CHECK, loaded.user_data, &mut no_topic), DENIED);
}

#[test]
fn an_access_is_answered_within_other_callbacks_and_on_other_threads() {
    let loaded = loaded();
    let ann = named("c1", b"ann");
    let both = |user_data| {
        let allowed = access(user_data, &ann, abi::MOSQ_ACL_WRITE, b"w");
        (allowed, access(user_data, &ann, abi::MOSQ_ACL_WRITE, b"r"))
    };
    let inner = |_: &Plugin, _: Option<&super::super::plugin::Main>| {
        assert_eq!(both(loaded.user_data), (ALLOW, DENIED));
        77
    };
    // SAFETY: the plugin lives.
    assert_eq!(unsafe { guard(&TICK, loaded.user_data, inner) }, 77);
    let sent = Sent(loaded.user_data);
    std::thread::scope(|scope| {
        let elsewhere = scope.spawn(move || {
            let Sent(user_data) = { sent };
            let http = named("http-api", b"ann");
            let allowed = access(user_data, &http, abi::MOSQ_ACL_WRITE, b"w");
            let denied = access(user_data, &http, abi::MOSQ_ACL_WRITE, b"r");
            (allowed, denied)
        });
        assert_eq!(elsewhere.join().unwrap(), (ALLOW, DENIED));
    });
}

#[test]
fn without_rules_nothing_is_registered_and_whoever_asks_is_denied() {
    let loaded = Loaded::new(true);
    // SAFETY: the plugin lives.
    let plugin = unsafe { &*loaded.user_data.cast::<Plugin>() };
    assert!(!plugin.serves(Purpose::Access) && plugin.serves(Purpose::Entry));
    let ann = named("c1", b"ann");
    for kind in [abi::MOSQ_ACL_READ, abi::MOSQ_ACL_SUBSCRIBE] {
        assert_eq!(access(loaded.user_data, &ann, kind, b"r"), DENIED);
    }
}

/// The broker uses a client's memory again, and another plugin can change a client's name.
#[test]
fn a_client_with_another_name_is_another_client() {
    let loaded = loaded();
    let mut client = named("c1", b"ann");
    let ask = |client: &FakeClient, kind, topic: &str| {
        access(loaded.user_data, client, kind, topic.as_bytes())
    };
    for _ in 0..2 {
        assert_eq!(ask(&client, abi::MOSQ_ACL_WRITE, "w"), ALLOW);
        assert_eq!(ask(&client, abi::MOSQ_ACL_READ, "c1/in"), ALLOW);
    }
    for name in [Some("bob"), Some("anna"), Some("an"), None] {
        client.username = name.map(|name| CString::new(name).unwrap());
        assert_eq!(ask(&client, abi::MOSQ_ACL_WRITE, "w"), DENIED, "{name:?}");
    }
    client.username = Some(CString::new("ann").unwrap());
    assert_eq!(ask(&client, abi::MOSQ_ACL_WRITE, "w"), ALLOW);
    assert_eq!(ask(&client, abi::MOSQ_ACL_READ, "c1/in"), ALLOW);
    client.id = CString::new("c2").unwrap();
    assert_eq!(ask(&client, abi::MOSQ_ACL_READ, "c1/in"), DENIED);
    assert_eq!(ask(&client, abi::MOSQ_ACL_READ, "c2/in"), ALLOW);
    client.username = Some(CString::new(b"ann\xff".as_slice()).unwrap());
    assert_eq!(ask(&client, abi::MOSQ_ACL_READ, "c2/in"), DENIED);
    let mut end = left(pointer(&client));
    assert_eq!(call(&DISCONNECT, loaded.user_data, &mut end), ALLOW);
    client.username = Some(CString::new("ann").unwrap());
    assert_eq!(ask(&client, abi::MOSQ_ACL_WRITE, "w"), ALLOW);
}

#[test]
fn a_yes_holds_for_its_topic_and_its_direction_alone() {
    let loaded = loaded();
    let (ann, bob) = (named("c1", b"ann"), named("c1", b"bob"));
    for _ in 0..2 {
        for (who, kind, topic, answer) in [
            (&ann, abi::MOSQ_ACL_WRITE, "w", ALLOW),
            (&ann, abi::MOSQ_ACL_READ, "w", DENIED),
            (&bob, abi::MOSQ_ACL_WRITE, "w", DENIED),
            (&ann, abi::MOSQ_ACL_WRITE, "w", ALLOW),
            (&ann, abi::MOSQ_ACL_WRITE, "wx", DENIED),
            (&ann, abi::MOSQ_ACL_READ, "r", ALLOW),
            (&ann, abi::MOSQ_ACL_WRITE, "r", DENIED),
            (&ann, abi::MOSQ_ACL_SUBSCRIBE, "w", ALLOW),
            (&ann, abi::MOSQ_ACL_READ, "", DENIED),
            (&ann, abi::MOSQ_ACL_READ, "+", DENIED),
        ] {
            let answered = access(loaded.user_data, who, kind, topic.as_bytes());
            assert_eq!(answered, answer, "{kind} {topic}");
        }
    }
}
