//! The broker's functions, resolved once and called safely.
//!
//! Must not: be reached from a worker thread. Only the getters in [`Api`] are for any thread (the HTTP
//! API's thread asks with a client of its own); everything that changes the broker hangs off
//! [`Broker`], which is not `Send` and is made in callbacks on the broker's own thread only.

use std::ffi::{CStr, c_char, c_int, c_void};
use std::marker::PhantomData;
use std::ptr::NonNull;

use once_cell::sync::OnceCell;

use super::abi;

/// A client of the broker. Compared, never followed by us.
pub(super) type ClientPtr = NonNull<abi::mosquitto>;

/// The callback shape of plugin interface 5.
pub(super) type Callback = unsafe extern "C" fn(c_int, *mut c_void, *mut c_void) -> c_int;

type Register = unsafe extern "C" fn(
    *mut abi::mosquitto_plugin_id_t,
    c_int,
    abi::MOSQ_FUNC_generic_callback,
    *const c_void,
    *mut c_void,
) -> c_int;
type Unregister = unsafe extern "C" fn(
    *mut abi::mosquitto_plugin_id_t,
    c_int,
    abi::MOSQ_FUNC_generic_callback,
    *const c_void,
) -> c_int;
type Publish = unsafe extern "C" fn(
    *const c_char,
    *const c_char,
    c_int,
    *const c_void,
    c_int,
    bool,
    *mut abi::mosquitto_property,
) -> c_int;
type TextOf = unsafe extern "C" fn(*const abi::mosquitto) -> *const c_char;
type CertificateOf = unsafe extern "C" fn(*const abi::mosquitto) -> *mut c_void;
type NumberOf = unsafe extern "C" fn(*const abi::mosquitto) -> c_int;
type SetInfo =
    unsafe extern "C" fn(*mut abi::mosquitto_plugin_id_t, *const c_char, *const c_char) -> c_int;

/// The functions of the broker that loaded us.
pub(super) struct Api {
    pub(super) broker_publish_copy: Publish,
    pub(super) callback_register: Register,
    pub(super) callback_unregister: Unregister,
    pub(super) client_address: TextOf,
    pub(super) client_certificate: CertificateOf,
    pub(super) client_id: TextOf,
    pub(super) client_protocol_version: NumberOf,
    pub(super) client_sub_count: NumberOf,
    pub(super) client_username: TextOf,
    pub(super) kick_client_by_clientid: unsafe extern "C" fn(*const c_char, bool) -> c_int,
    pub(super) kick_client_by_username: unsafe extern "C" fn(*const c_char, bool) -> c_int,
    pub(super) set_username: unsafe extern "C" fn(*mut abi::mosquitto, *const c_char) -> c_int,
    pub(super) log_printf: unsafe extern "C" fn(c_int, *const c_char, ...),
    /// Since 2.1.
    pub(super) client: Option<unsafe extern "C" fn(*const c_char) -> *mut abi::mosquitto>,
    /// Since 2.1.
    pub(super) client_port: Option<NumberOf>,
    /// Since 2.1.
    pub(super) plugin_set_info: Option<SetInfo>,
    /// Since 2.1.
    pub(super) complete_basic_auth: Option<unsafe extern "C" fn(*const c_char, c_int)>,
}

/// A function that every supported broker has is not there.
#[derive(Debug, thiserror::Error)]
#[error("this broker has no function {0}")]
pub(super) struct Missing(&'static str);

/// Set by the first `mosquitto_plugin_init` of the process; two plugin lines share the mapping.
static API: OnceCell<Api> = OnceCell::new();

impl Api {
    /// The functions of the broker, resolved on the first call.
    pub(super) fn resolve() -> Result<&'static Self, Missing> {
        API.get_or_try_init(|| {
            let process = libloading::os::unix::Library::this();
            // SAFETY: symbols are looked up in the running process and the types are those of
            // include/mosquitto_abi.h, which the ABI probe compares with the brokers' headers.
            let found = unsafe { abi::BrokerApi::from_library(process) };
            Self::from_found(found.map_err(|_| Missing("table"))?)
        })
    }

    /// The functions, where they have been resolved.
    pub(super) fn resolved() -> Option<&'static Self> {
        API.get()
    }

    /// Whether the broker has the functions that came with 2.1: told by what it has, never by a
    /// version string. It can then be told later who may enter, and it ends when a RELOAD callback
    /// answers anything but 0, where 2.0 stops asking the plugins behind when one answers 0.
    pub(super) fn since_2_1(&self) -> bool {
        self.complete_basic_auth.is_some()
    }

    fn from_found(found: abi::BrokerApi) -> Result<Self, Missing> {
        fn need<F, E>(name: &'static str, found: Result<F, E>) -> Result<F, Missing> {
            found.map_err(|_| Missing(name))
        }
        Ok(Self {
            broker_publish_copy: need("broker_publish_copy", found.mosquitto_broker_publish_copy)?,
            callback_register: need("callback_register", found.mosquitto_callback_register)?,
            callback_unregister: need("callback_unregister", found.mosquitto_callback_unregister)?,
            client_address: need("client_address", found.mosquitto_client_address)?,
            client_certificate: need("client_certificate", found.mosquitto_client_certificate)?,
            client_id: need("client_id", found.mosquitto_client_id)?,
            client_protocol_version: need(
                "client_protocol_version",
                found.mosquitto_client_protocol_version,
            )?,
            client_sub_count: need("client_sub_count", found.mosquitto_client_sub_count)?,
            client_username: need("client_username", found.mosquitto_client_username)?,
            kick_client_by_clientid: need(
                "kick_client_by_clientid",
                found.mosquitto_kick_client_by_clientid,
            )?,
            kick_client_by_username: need(
                "kick_client_by_username",
                found.mosquitto_kick_client_by_username,
            )?,
            set_username: need("set_username", found.mosquitto_set_username)?,
            log_printf: need("log_printf", found.mosquitto_log_printf)?,
            client: found.mosquitto_client.ok(),
            client_port: found.mosquitto_client_port.ok(),
            plugin_set_info: found.mosquitto_plugin_set_info.ok(),
            complete_basic_auth: found.mosquitto_complete_basic_auth.ok(),
        })
    }
}

/// The broker, on its own thread.
#[derive(Clone, Copy)]
pub(super) struct Broker {
    api: &'static Api,
    /// Neither `Send` nor `Sync`: nothing in the broker is locked.
    own_thread: PhantomData<*const ()>,
}

/// A registration was refused.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Refused {
    /// 2.0 calls a plugin once in each list, however often its line is there.
    #[error("this broker asks a plugin once only: give all sources to one plugin line")]
    Twice,
    /// The broker does not know the event.
    #[error("this broker does not know the event")]
    Unknown,
    /// Anything else.
    #[error("the broker answered {0}")]
    Other(c_int),
}

impl Broker {
    /// For the broker's own thread: init, and the callbacks that found themselves on it.
    pub(super) fn on_its_own_thread(api: &'static Api) -> Self {
        Self {
            api,
            own_thread: PhantomData,
        }
    }

    /// Tells the broker who we are, where it wants to know.
    pub(super) fn introduce(self, identifier: *mut abi::mosquitto_plugin_id_t) {
        let Some(set_info) = self.api.plugin_set_info else {
            return;
        };
        let name = c"doorman".as_ptr();
        let version = VERSION.as_ptr();
        // SAFETY: the identifier is the one init was given; the broker copies both texts.
        let answer = unsafe { set_info(identifier, name, version) };
        if answer != abi::MOSQ_ERR_SUCCESS {
            log::debug!("the broker did not take our name: {answer}");
        }
    }

    /// Has the broker call us.
    pub(super) fn register(
        self,
        identifier: *mut abi::mosquitto_plugin_id_t,
        event: c_int,
        topic: Option<&'static CStr>,
        callback: Callback,
        user_data: *mut c_void,
    ) -> Result<(), Refused> {
        let register = self.api.callback_register;
        let topic = topic.map_or(std::ptr::null(), CStr::as_ptr).cast();
        // SAFETY: the identifier is the one init was given, a topic is a C string that the broker copies,
        // and user_data stays valid until cleanup has unregistered the callback.
        let answer = unsafe { register(identifier, event, Some(callback), topic, user_data) };
        match answer {
            abi::MOSQ_ERR_SUCCESS => Ok(()),
            abi::MOSQ_ERR_ALREADY_EXISTS => Err(Refused::Twice),
            abi::MOSQ_ERR_NOT_SUPPORTED => Err(Refused::Unknown),
            other => Err(Refused::Other(other)),
        }
    }

    /// Has the broker call us no more. What was not registered is no error.
    pub(super) fn unregister(
        self,
        identifier: *mut abi::mosquitto_plugin_id_t,
        event: c_int,
        topic: Option<&'static CStr>,
        callback: Callback,
    ) {
        let unregister = self.api.callback_unregister;
        let topic = topic.map_or(std::ptr::null(), CStr::as_ptr).cast();
        // SAFETY: the identifier is the one init was given; an unknown callback is answered with
        // MOSQ_ERR_NOT_FOUND (plugin_public.c), and a topic is a C string.
        unsafe { unregister(identifier, event, Some(callback), topic) };
    }

    /// Whether this is the client that the broker has under this id now. Always, as far as we know,
    /// where the broker cannot be asked (2.0, which reports the end of every connection instead).
    pub(super) fn is_current(self, client_id: &CStr, client: ClientPtr) -> bool {
        let Some(find) = self.api.client else {
            return true;
        };
        // SAFETY: the id is a C string; the answer is only compared.
        let current = unsafe { find(client_id.as_ptr()) };
        NonNull::new(current) == Some(client)
    }

    /// Whether this client has entered long ago; none where the broker cannot be asked (2.0).
    pub(super) fn is_established(self, client: ClientPtr) -> Option<bool> {
        self.api.client?;
        // SAFETY: the client is the one the broker is asking about; the getter only reads it.
        let id = unsafe { (self.api.client_id)(client.as_ptr()) };
        if id.is_null() {
            return Some(false);
        }
        // SAFETY: not NULL; a C string that the broker keeps with the client.
        let id = unsafe { CStr::from_ptr(id) };
        Some(self.is_current(id, client))
    }

    /// Gives a client that is being asked about the name that it has proven. Whether it has it now.
    pub(super) fn set_username(self, client: ClientPtr, username: &CStr) -> bool {
        let set = self.api.set_username;
        // SAFETY: the client is the one the broker is asking about, and the broker copies the C string.
        let answer = unsafe { set(client.as_ptr(), username.as_ptr()) };
        if answer != abi::MOSQ_ERR_SUCCESS {
            log::error!("the broker did not take a username: {answer}");
        }
        answer == abi::MOSQ_ERR_SUCCESS
    }

    /// Answers a client that was left waiting. Calls back into us before it returns: no borrow of
    /// ours may be open. Nothing happens where nobody waits under this id.
    pub(super) fn complete(self, client_id: &CStr, code: c_int) {
        let Some(complete) = self.api.complete_basic_auth else {
            return;
        };
        // SAFETY: the id is a C string, which the broker only looks up.
        unsafe { complete(client_id.as_ptr(), code) };
    }

    /// Ends a client's connection without its will. Calls back into us before it returns: no borrow
    /// of ours may be open.
    pub(super) fn kick(self, client_id: &CStr) {
        let kick = self.api.kick_client_by_clientid;
        // SAFETY: the id is a C string and not NULL, which would end everybody's connection.
        let answer = unsafe { kick(client_id.as_ptr(), false) };
        if answer != abi::MOSQ_ERR_SUCCESS && answer != abi::MOSQ_ERR_NOT_FOUND {
            log::warn!("the broker did not end a connection: {answer}");
        }
    }

    /// Has the subscriptions looked at again of a session whose client is away: ending it with its will
    /// does nothing else then. Calls back into us before it returns: no borrow of ours may be open.
    pub(super) fn recheck(self, client_id: &CStr) {
        let kick = self.api.kick_client_by_clientid;
        // SAFETY: the id is a C string and not NULL, which would end everybody's connection.
        let answer = unsafe { kick(client_id.as_ptr(), true) };
        if answer != abi::MOSQ_ERR_SUCCESS && answer != abi::MOSQ_ERR_NOT_FOUND {
            log::warn!("the broker did not look at the subscriptions of a session: {answer}");
        }
    }

    /// Ends every connection of a username, or of clients without one, without their wills. Goes
    /// through all connections there are, and calls back into us before it returns: no borrow of ours
    /// may be open.
    pub(super) fn kick_username(self, username: Option<&CStr>) {
        let kick = self.api.kick_client_by_username;
        let username = username.map_or(std::ptr::null(), CStr::as_ptr);
        // SAFETY: a C string, which the broker compares, or NULL for clients without a username.
        let answer = unsafe { kick(username, false) };
        if answer != abi::MOSQ_ERR_SUCCESS && answer != abi::MOSQ_ERR_NOT_FOUND {
            log::warn!("the broker did not end the connections of a username: {answer}");
        }
    }

    /// Has a message of QoS 0 published to whoever may receive it, or to one client whether it may or
    /// not, when the broker comes round. It may ask us who that is before this returns: no borrow of ours may be open.
    pub(super) fn publish(self, to: Option<&CStr>, topic: &CStr, payload: &[u8], retain: bool) {
        let publish = self.api.broker_publish_copy;
        let Ok(length) = c_int::try_from(payload.len()) else {
            log::error!("an answer of {} bytes is no message", payload.len());
            return;
        };
        // SAFETY: client id and topic are C strings and the payload has that many bytes; the broker copies
        // all of it. No client id is everybody, and no properties are none.
        let answer = unsafe {
            publish(
                to.map_or(std::ptr::null(), CStr::as_ptr),
                topic.as_ptr(),
                length,
                payload.as_ptr().cast(),
                0,
                retain,
                std::ptr::null_mut(),
            )
        };
        if answer != abi::MOSQ_ERR_SUCCESS {
            log::warn!("the broker did not publish an answer: {answer}");
        }
    }

    /// Writes one line to the broker's log.
    pub(super) fn log(self, level: c_int, line: &CStr) {
        let print = self.api.log_printf;
        // SAFETY: the format is constant and takes exactly one C string.
        unsafe { print(level, c"doorman: %s".as_ptr(), line.as_ptr()) };
    }
}

/// Our version for the broker.
const VERSION: &CStr =
    match CStr::from_bytes_with_nul(concat!(env!("CARGO_PKG_VERSION"), "\0").as_bytes()) {
        Ok(version) => version,
        Err(_) => c"",
    };
