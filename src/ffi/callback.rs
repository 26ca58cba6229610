//! The event table: which callback answers which event, under which rule.
//!
//! Must not: do anything outside the guard. There is one entry for all events, [`on`]; what they
//! differ in is their [`Event`].

use std::ffi::{CStr, c_int, c_void};

use super::abi;
use super::broker::Callback;
use super::event;
use super::guard::{
    ACL_CHECK, BASIC_AUTH, CLIENT_OFFLINE, CONNECT, CONTROL, DISCONNECT, EXT_AUTH_CONTINUE,
    EXT_AUTH_START, MESSAGE_IN, PSK_KEY, RELOAD, Rule, SUBSCRIBE, TICK, guard,
};
use super::plugin::{Main, Plugin};

/// What a callback is registered for.
pub(super) struct Registration {
    pub(super) rule: &'static Rule,
    pub(super) callback: Callback,
    pub(super) purpose: Purpose,
    /// Of an event that comes by topic, the topic.
    pub(super) topic: Option<&'static CStr>,
}

/// What an event is wanted for. Being asked about what one has nothing to say to changes the broker's
/// answer, even where one defers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Purpose {
    /// Deciding who may enter.
    Entry,
    /// Deciding it by an exchange of messages.
    Exchange,
    /// Handing out keys of TLS-PSK.
    Key,
    /// Deciding who may do what.
    Access,
    /// Either.
    Both,
    /// Holding up those who are in and may not be, where nothing is decided about access.
    Unwelcome,
    /// Taking orders.
    Control,
}

/// Every event we want. BASIC_AUTH comes first: where it is refused there is nothing to undo.
pub(super) const REGISTRATIONS: [Registration; 14] = [
    registration::<BasicAuth>(Purpose::Entry),
    registration::<ExchangeBegins>(Purpose::Exchange),
    registration::<ExchangeGoesOn>(Purpose::Exchange),
    registration::<PskKey>(Purpose::Key),
    registration::<AclCheck>(Purpose::Access),
    registration::<Reload>(Purpose::Both),
    registration::<Tick>(Purpose::Both),
    registration::<Connected>(Purpose::Entry),
    registration::<Disconnect>(Purpose::Both),
    registration::<ClientOffline>(Purpose::Both),
    registration::<MessageIn>(Purpose::Unwelcome),
    registration::<Subscribe>(Purpose::Unwelcome),
    Registration {
        topic: Some(CONTROL_TOPIC),
        ..registration::<Control>(Purpose::Control)
    },
    Registration {
        topic: Some(OWN_TOPIC),
        ..registration::<Control>(Purpose::Control)
    },
];

/// [`control::TOPIC`] in C.
const CONTROL_TOPIC: &CStr = c"$CONTROL/dynamic-security/v1";

/// [`control::OWN_TOPIC`] in C.
const OWN_TOPIC: &CStr = c"$CONTROL/doorman/own/v1";

const fn registration<E: Event>(purpose: Purpose) -> Registration {
    Registration {
        rule: E::RULE,
        callback: on::<E>,
        purpose,
        topic: None,
    }
}

/// One event of the broker.
trait Event {
    /// Its data in C.
    type Data: 'static;
    /// What holds for it.
    const RULE: &'static Rule;
    /// Its answer. `main` is there on the broker's own thread only.
    fn answer(plugin: &Plugin, main: Option<&Main>, data: &mut Self::Data) -> Option<c_int>;
}

/// The body of every callback.
///
/// # Safety
/// Called by the broker for the event it was registered for: `data` is that event's struct and
/// `user_data` what was registered with it.
unsafe extern "C" fn on<E: Event>(_: c_int, data: *mut c_void, user_data: *mut c_void) -> c_int {
    let body = |plugin: &Plugin, main: Option<&Main>| {
        // SAFETY: the broker's promise for this event, valid during the callback.
        let data = unsafe { event::data::<E::Data>(data) };
        data.and_then(|data| E::answer(plugin, main, data))
            .unwrap_or_else(|| plugin.denied(E::RULE.denied))
    };
    // SAFETY: user_data is the plugin that was registered with this callback.
    unsafe { guard(E::RULE, user_data, body) }
}

struct BasicAuth;

impl Event for BasicAuth {
    type Data = abi::mosquitto_evt_basic_auth;
    const RULE: &'static Rule = &BASIC_AUTH;

    fn answer(plugin: &Plugin, main: Option<&Main>, data: &mut Self::Data) -> Option<c_int> {
        Some(plugin.basic_auth(main, data))
    }
}

struct ExchangeBegins;

impl Event for ExchangeBegins {
    type Data = abi::mosquitto_evt_extended_auth;
    const RULE: &'static Rule = &EXT_AUTH_START;

    fn answer(plugin: &Plugin, main: Option<&Main>, data: &mut Self::Data) -> Option<c_int> {
        main.and_then(|main| plugin.exchange_begins(main, data))
    }
}

struct ExchangeGoesOn;

impl Event for ExchangeGoesOn {
    type Data = abi::mosquitto_evt_extended_auth;
    const RULE: &'static Rule = &EXT_AUTH_CONTINUE;

    fn answer(plugin: &Plugin, main: Option<&Main>, data: &mut Self::Data) -> Option<c_int> {
        main.and_then(|main| plugin.exchange_goes_on(main, data))
    }
}

struct PskKey;

impl Event for PskKey {
    type Data = abi::mosquitto_evt_psk_key;
    const RULE: &'static Rule = &PSK_KEY;

    fn answer(plugin: &Plugin, main: Option<&Main>, data: &mut Self::Data) -> Option<c_int> {
        main.and_then(|main| plugin.psk_key(main, data))
    }
}

struct AclCheck;

impl Event for AclCheck {
    type Data = abi::mosquitto_evt_acl_check;
    const RULE: &'static Rule = &ACL_CHECK;

    fn answer(plugin: &Plugin, main: Option<&Main>, data: &mut Self::Data) -> Option<c_int> {
        plugin.acl_check(main, data)
    }
}

struct Reload;

impl Event for Reload {
    type Data = abi::mosquitto_evt_reload;
    const RULE: &'static Rule = &RELOAD;

    fn answer(plugin: &Plugin, main: Option<&Main>, _: &mut Self::Data) -> Option<c_int> {
        main.map(|main| plugin.reload(main))
    }
}

struct Tick;

impl Event for Tick {
    type Data = abi::mosquitto_evt_tick;
    const RULE: &'static Rule = &TICK;

    fn answer(plugin: &Plugin, main: Option<&Main>, data: &mut Self::Data) -> Option<c_int> {
        main.map(|main| plugin.tick(main, data))
    }
}

struct Connected;

impl Event for Connected {
    type Data = abi::mosquitto_evt_connect;
    const RULE: &'static Rule = &CONNECT;

    fn answer(plugin: &Plugin, main: Option<&Main>, data: &mut Self::Data) -> Option<c_int> {
        main.map(|main| plugin.connected(main, data.client))
    }
}

/// Its struct begins like that of [`Connected`].
struct MessageIn;

impl Event for MessageIn {
    type Data = abi::mosquitto_evt_connect;
    const RULE: &'static Rule = &MESSAGE_IN;

    fn answer(_: &Plugin, main: Option<&Main>, data: &mut Self::Data) -> Option<c_int> {
        main.map(|main| main.entrance.held_up(data.client))
    }
}

/// Its struct begins like that of [`Connected`].
struct Subscribe;

impl Event for Subscribe {
    type Data = abi::mosquitto_evt_connect;
    const RULE: &'static Rule = &SUBSCRIBE;

    fn answer(_: &Plugin, main: Option<&Main>, data: &mut Self::Data) -> Option<c_int> {
        main.map(|main| main.entrance.held_up(data.client))
    }
}

struct Disconnect;

impl Event for Disconnect {
    type Data = abi::mosquitto_evt_disconnect;
    const RULE: &'static Rule = &DISCONNECT;

    fn answer(plugin: &Plugin, main: Option<&Main>, data: &mut Self::Data) -> Option<c_int> {
        main.map(|main| plugin.disconnected(main, data.client))
    }
}

struct Control;

impl Event for Control {
    type Data = abi::mosquitto_evt_control;
    const RULE: &'static Rule = &CONTROL;

    fn answer(plugin: &Plugin, main: Option<&Main>, data: &mut Self::Data) -> Option<c_int> {
        main.map(|main| plugin.control(main, data))
    }
}

/// Its struct is that of [`Disconnect`].
struct ClientOffline;

impl Event for ClientOffline {
    type Data = abi::mosquitto_evt_disconnect;
    const RULE: &'static Rule = &CLIENT_OFFLINE;

    fn answer(plugin: &Plugin, main: Option<&Main>, data: &mut Self::Data) -> Option<c_int> {
        main.map(|main| plugin.disconnected(main, data.client))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_topic_is_the_one_that_answers_belong_to() {
        assert_eq!(CONTROL_TOPIC.to_str(), Ok(crate::control::TOPIC));
        assert_eq!(OWN_TOPIC.to_str(), Ok(crate::control::OWN_TOPIC));
    }
}
