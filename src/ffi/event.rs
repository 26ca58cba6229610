//! Raw event structs become borrowed requests; verdicts become `MOSQ_ERR_*`.
//!
//! Must not: let a raw value out. Everything read here lives as long as the event it was read from.

use std::ffi::{CStr, CString, c_char, c_int, c_void};

use super::abi;
use super::broker::{Api, ClientPtr};
use crate::request::{
    Access, Action, Address, Certificate, Client, Connect, ConnectionId, Entrant, KeyAsked, Method,
    Occasion, Order, Said, Turn,
};
use crate::verdict::{Permit, Reason, Reply, Verdict};

/// A BASIC_AUTH event, understood as far as it can be.
pub(super) struct BasicAuth<'a> {
    /// The request; fields that cannot be understood are missing.
    pub(super) connect: Connect<'a>,
    /// Why it must be refused without asking.
    pub(super) fault: Option<Reason>,
}

/// Where and how the broker asks.
#[derive(Clone, Copy)]
pub(super) struct Asked {
    /// The connection, on the broker's own thread.
    pub(super) connection: Option<ConnectionId>,
    /// Why the broker asks.
    pub(super) occasion: Occasion,
}

/// The event data as the type that belongs to the event.
///
/// # Safety
/// `data` is NULL or points to a `T` that stays valid, and is changed by nobody else, for `'a`: the
/// broker's promise for the data of the event that `T` belongs to, during the callback.
pub(super) unsafe fn data<'a, T>(data: *mut c_void) -> Option<&'a mut T> {
    // SAFETY: promised by the caller.
    unsafe { data.cast::<T>().as_mut() }
}

/// Reads a BASIC_AUTH event.
pub(super) fn basic_auth<'a>(
    api: &Api,
    event: &'a abi::mosquitto_evt_basic_auth,
    asked: Asked,
    certificate: Certificate<'a>,
) -> BasicAuth<'a> {
    let mut fault = None;
    let mut known = |text: Result<Option<&'a str>, Reason>| {
        text.unwrap_or_else(|reason| {
            fault = Some(reason);
            None
        })
    };
    let client = ClientPtr::new(event.client);
    let username = known(text(event, event.username));
    let id = known(text(event, client.map(|client| client_id(api, client))));
    let address = known(text(event, client.map(|client| address_of(api, client))));
    let password = bytes(event, event.password);
    // SAFETY: either half of the union is plain data; the broker zeroes the struct, so the length is
    // 0 before 2.1.3 (include/mosquitto_abi.h).
    let length = usize::from(unsafe { event.spare.password_len });
    // A C string ends at the first NUL. An empty password arrives as none, so an empty text had one.
    if password.is_some_and(|p| p.is_empty() || (length != 0 && length != p.len())) {
        fault = Some(Reason::NulInPassword);
    }
    // Restored from disk, and asked for because of a reload. The HTTP API's client looks alike, but
    // is asked about on another thread, where it is always the first time.
    let restored = asked.occasion == Occasion::Again
        && password.is_none()
        && client.is_some_and(|client| looks_restored(api, client));
    let listener = client.and_then(|client| listener(api, client));
    let client = Client {
        connection: asked.connection,
        id,
        address: Address::new(address),
        listener,
        restored,
        certificate,
    };
    BasicAuth {
        connect: Connect {
            client,
            username,
            password,
            occasion: asked.occasion,
            method: Method::Password,
        },
        fault,
    }
}

/// Reads an EXT_AUTH_START or EXT_AUTH_CONTINUE event; none where there is no client, or where a name is
/// no text.
pub(super) fn said<'a>(
    api: &Api,
    event: &'a abi::mosquitto_evt_extended_auth,
    connection: Option<ConnectionId>,
    turn: Turn<'a>,
    certificate: Certificate<'a>,
) -> Option<Said<'a>> {
    let client = ClientPtr::new(event.client)?;
    let length = usize::from(event.data_in_len);
    let data = if length == 0 || event.data_in.is_null() {
        &[]
    } else {
        // SAFETY: the broker's data have that many bytes, and live as long as the event.
        unsafe { std::slice::from_raw_parts(event.data_in.cast::<u8>(), length) }
    };
    Some(Said {
        client: Client {
            connection,
            id: text(event, Some(client_id(api, client))).ok()?,
            address: Address::new(text(event, Some(address_of(api, client))).ok()?),
            listener: listener(api, client),
            restored: false,
            certificate,
        },
        username: text(event, Some(username(api, client))).ok()?,
        turn,
        data,
    })
}

/// A client by its number, for as long as `look` takes; none where a name is no text.
pub(super) fn with_client<T>(
    api: &Api,
    client: ClientPtr,
    connection: ConnectionId,
    look: impl FnOnce(&Client<'_>) -> T,
) -> Option<T> {
    Some(look(&Client {
        connection: Some(connection),
        id: text(&client, Some(client_id(api, client))).ok()?,
        address: Address::new(text(&client, Some(address_of(api, client))).ok()?),
        listener: listener(api, client),
        restored: false,
        certificate: Certificate::None,
    }))
}

/// Reads a PSK_KEY event; none where the address is no text, or where there is no room for a key.
pub(super) fn key_asked<'a>(
    api: &Api,
    event: &'a abi::mosquitto_evt_psk_key,
    client: ClientPtr,
    connection: ConnectionId,
) -> Option<KeyAsked<'a>> {
    Some(KeyAsked {
        client: Client {
            connection: Some(connection),
            // It has said nothing of itself yet.
            id: None,
            address: Address::new(text(event, Some(address_of(api, client))).ok()?),
            listener: listener(api, client),
            restored: false,
            certificate: Certificate::None,
        },
        identity: text(event, Some(event.identity)).ok().flatten(),
        most: usize::try_from(event.max_key_len).ok()?,
    })
}

/// Writes a key into the broker's memory, which is zeroed; whether it fits.
pub(super) fn hand_over(event: &mut abi::mosquitto_evt_psk_key, key: &[u8]) -> bool {
    let room = usize::try_from(event.max_key_len).unwrap_or(0);
    if key.is_empty() || key.len() > room || event.key.is_null() {
        return false;
    }
    // SAFETY: the broker gives that much room, and a zero behind it (net.c, psk_server_callback).
    unsafe { std::ptr::copy_nonoverlapping(key.as_ptr(), event.key.cast(), key.len()) };
    true
}

/// The method that an exchange is to be; none where it is not told, or no text.
pub(super) fn method(event: &abi::mosquitto_evt_extended_auth) -> Option<&str> {
    text(event, Some(event.auth_method)).ok()?
}

/// Hands over what the client is to be told, in memory that the broker gives back with `free`. Whether
/// there was any.
pub(super) fn tell(event: &mut abi::mosquitto_evt_extended_auth, data: &[u8]) -> bool {
    let Ok(length) = u16::try_from(data.len()) else {
        return false;
    };
    // SAFETY: any size may be asked for.
    let memory = unsafe { libc::malloc(data.len().max(1)) };
    if memory.is_null() {
        return false;
    }
    // SAFETY: there are that many bytes at both places, which are not the same.
    unsafe { std::ptr::copy_nonoverlapping(data.as_ptr(), memory.cast(), data.len()) };
    event.data_out = memory;
    event.data_out_len = length;
    true
}

/// The reply in the broker's words.
pub(super) fn reply_code(reply: &Reply) -> c_int {
    match reply {
        Reply::Say(_) => abi::MOSQ_ERR_AUTH_CONTINUE,
        Reply::Allow { .. } => abi::MOSQ_ERR_SUCCESS,
        // To the client it is a method that is not known here.
        Reply::Deny(Reason::ChannelBinding) => abi::MOSQ_ERR_NOT_SUPPORTED,
        // Nobody waits in an exchange but for its next message.
        Reply::Deny(_) | Reply::Wait { .. } => abi::MOSQ_ERR_AUTH,
        Reply::Defer => abi::MOSQ_ERR_PLUGIN_DEFER,
    }
}

/// Whether the broker has this name for a client.
pub(super) fn has_name(api: &Api, client: ClientPtr, name: &str) -> bool {
    text(&client, Some(username(api, client))) == Ok(Some(name))
}

/// Whether the broker has subscriptions of this client: one that wants to enter has none yet.
pub(super) fn has_subscriptions(api: &Api, client: ClientPtr) -> bool {
    // SAFETY: as for the id.
    unsafe { (api.client_sub_count)(client.as_ptr()) > 0 }
}

/// Reads who is in; none where there is no username or one that is no text.
pub(super) fn entrant<'a>(
    api: &Api,
    client: &'a ClientPtr,
    certificate: Certificate<'a>,
) -> Option<Entrant<'a>> {
    Some(Entrant {
        username: text(client, Some(username(api, *client))).ok()??,
        client_id: text(client, Some(client_id(api, *client))).ok()??,
        address: Address::new(text(client, Some(address_of(api, *client))).ok()?),
        listener: listener(api, *client),
        certificate,
    })
}

/// Reads an ACL_CHECK event; none where there is no client, or where a name or a topic is no text.
pub(super) fn acl_check<'a>(
    api: &Api,
    event: &'a abi::mosquitto_evt_acl_check,
) -> Option<Access<'a>> {
    let client = ClientPtr::new(event.client)?;
    Some(Access {
        client_id: text(event, Some(client_id(api, client))).ok()?,
        username: text(event, Some(username(api, client))).ok()?,
        action: action(event.access)?,
        topic: text(event, Some(event.topic)).ok()??,
        qos: event.qos,
        retain: event.retain,
        payload: event.payloadlen,
    })
}

/// Reads a CONTROL event: what it would be as an access, and its payload; none where there is no client,
/// or where a name is no text.
pub(super) fn control<'a>(
    api: &Api,
    event: &'a abi::mosquitto_evt_control,
) -> Option<(ClientPtr, Order<'a>)> {
    let client = ClientPtr::new(event.client)?;
    let payload = match usize::try_from(event.payloadlen) {
        // SAFETY: the broker's payload has that many bytes, and lives as long as the event.
        Ok(length) if length > 0 && !event.payload.is_null() => unsafe {
            std::slice::from_raw_parts(event.payload.cast::<u8>(), length)
        },
        Ok(_) | Err(_) => &[],
    };
    let order = Order {
        access: Access {
            client_id: text(event, Some(client_id(api, client))).ok()?,
            username: text(event, Some(username(api, client))).ok()?,
            action: Action::Publish,
            topic: text(event, Some(event.topic)).ok()??,
            qos: event.qos,
            retain: event.retain,
            payload: event.payloadlen,
        },
        address: text(event, Some(address_of(api, client))).ok()?,
        payload,
    };
    Some((client, order))
}

fn action(access: c_int) -> Option<Action> {
    match access {
        abi::MOSQ_ACL_READ => Some(Action::Receive),
        abi::MOSQ_ACL_WRITE => Some(Action::Publish),
        abi::MOSQ_ACL_SUBSCRIBE => Some(Action::Subscribe),
        abi::MOSQ_ACL_UNSUBSCRIBE => Some(Action::Unsubscribe),
        _ => None,
    }
}

/// The answer about an access in the broker's words.
pub(super) fn access_code(permit: Permit) -> c_int {
    match permit {
        Permit::Allow => abi::MOSQ_ERR_SUCCESS,
        Permit::Deny => abi::MOSQ_ERR_ACL_DENIED,
        Permit::Defer => abi::MOSQ_ERR_PLUGIN_DEFER,
    }
}

/// The answer in the broker's words.
pub(super) fn code(api: &Api, verdict: Verdict) -> c_int {
    match verdict {
        Verdict::Allow => abi::MOSQ_ERR_SUCCESS,
        // Told to an MQTT 5 client, which may come again; 2.0 would close without a CONNACK.
        Verdict::Deny(Reason::Busy) if api.since_2_1() => abi::MQTT_RC_SERVER_BUSY,
        // 2.0 closes without a CONNACK on every other failure.
        Verdict::Deny(_) => abi::MOSQ_ERR_AUTH,
        Verdict::Defer(_) => abi::MOSQ_ERR_PLUGIN_DEFER,
        Verdict::Pending if api.since_2_1() => abi::MOSQ_ERR_AUTH_DELAYED,
        Verdict::Pending => abi::MOSQ_ERR_AUTH,
    }
}

/// Whether this looks like a session that the broker restored from disk.
pub(super) fn looks_restored(api: &Api, client: ClientPtr) -> bool {
    address_of(api, client).is_null() && protocol_version(api, client) == 0
}

/// The pairs of `plugin_opt_*` that init is given, in order.
///
/// # Safety
/// `options` is NULL or points to `count` options that stay valid for `'a`: the broker keeps them
/// until cleanup.
pub(super) unsafe fn options<'a>(
    options: *const abi::mosquitto_opt,
    count: c_int,
) -> &'a [abi::mosquitto_opt] {
    match usize::try_from(count) {
        // SAFETY: promised by the caller; not NULL and not empty.
        Ok(count) if count > 0 && !options.is_null() => unsafe {
            std::slice::from_raw_parts(options, count)
        },
        Ok(_) | Err(_) => &[],
    }
}

/// One option's name and value, where both are UTF-8.
pub(super) fn option(option: &abi::mosquitto_opt) -> Option<(&str, &str)> {
    let key = text(option, option.key).ok()??;
    let value = text(option, option.value).ok()?.unwrap_or("");
    Some((key, value))
}

pub(super) fn client_id(api: &Api, client: ClientPtr) -> *const c_char {
    // SAFETY: the client is the one the broker is asking about; the getter only reads it.
    unsafe { (api.client_id)(client.as_ptr()) }
}

pub(super) fn address_of(api: &Api, client: ClientPtr) -> *const c_char {
    // SAFETY: as for the id.
    unsafe { (api.client_address)(client.as_ptr()) }
}

pub(super) fn username(api: &Api, client: ClientPtr) -> *const c_char {
    // SAFETY: as for the id.
    unsafe { (api.client_username)(client.as_ptr()) }
}

fn protocol_version(api: &Api, client: ClientPtr) -> c_int {
    // SAFETY: as for the id.
    unsafe { (api.client_protocol_version)(client.as_ptr()) }
}

fn listener(api: &Api, client: ClientPtr) -> Option<u16> {
    let port_of = api.client_port?;
    // SAFETY: as for the id.
    let port = unsafe { port_of(client.as_ptr()) };
    u16::try_from(port).ok().filter(|port| *port != 0)
}

/// A C string that the owner keeps alive.
pub(super) fn bytes<T>(_owner: &T, text: impl MaybeNull) -> Option<&[u8]> {
    let text = text.present()?;
    // SAFETY: not NULL; the broker passes C strings that live as long as the event (or, for options,
    // until cleanup), and does not change them meanwhile (plugin_callbacks.c).
    Some(unsafe { CStr::from_ptr(text) }.to_bytes())
}

/// A name of a client, to be kept.
pub(super) fn owned(text: *const c_char) -> Option<CString> {
    // SAFETY: not NULL; a C string that the broker keeps with the client.
    (!text.is_null()).then(|| unsafe { CStr::from_ptr(text) }.to_owned())
}

fn text<T>(owner: &T, text: impl MaybeNull) -> Result<Option<&str>, Reason> {
    bytes(owner, text)
        .map(std::str::from_utf8)
        .transpose()
        .map_err(|_| Reason::BadRequest)
}

/// A pointer to text that may be NULL or not be there at all.
pub(super) trait MaybeNull {
    fn present(self) -> Option<*const c_char>;
}

impl MaybeNull for *mut c_char {
    fn present(self) -> Option<*const c_char> {
        (!self.is_null()).then_some(self.cast_const())
    }
}

impl MaybeNull for Option<*const c_char> {
    fn present(self) -> Option<*const c_char> {
        self.filter(|text| !text.is_null())
    }
}
