//! The broker's door: three exported symbols, and the callbacks behind them.
//!
//! The only room that may use `unsafe`. Must not: decide anything. Each callback is one [`guard`] call
//! whose rule names the code that a failure answers; docs/invariants.md holds what no single function
//! here owns (threads, re-entry, lifetimes).
#![allow(unsafe_code, reason = "the one room that speaks C")]

mod abi;
mod broker;
mod clock;
mod connections;
mod event;
mod guard;
mod logger;
mod plugin;
mod signal;

use std::ffi::{c_int, c_void};

use self::broker::{Api, Broker, Callback, Refused};
use self::guard::{BASIC_AUTH, CLIENT_OFFLINE, DISCONNECT, RELOAD, Rule, TICK, catching, guard};
use self::plugin::Plugin;
use crate::config::Config;

/// What a callback is registered for.
struct Registration {
    rule: &'static Rule,
    callback: Callback,
}

/// The event table. BASIC_AUTH comes first: where it is refused there is nothing to undo.
const REGISTRATIONS: [Registration; 5] = [
    Registration {
        rule: &BASIC_AUTH,
        callback: on_basic_auth,
    },
    Registration {
        rule: &RELOAD,
        callback: on_reload,
    },
    Registration {
        rule: &TICK,
        callback: on_tick,
    },
    Registration {
        rule: &DISCONNECT,
        callback: on_disconnect,
    },
    Registration {
        rule: &CLIENT_OFFLINE,
        callback: on_client_offline,
    },
];

/// Which plugin interface we speak: 5, if the broker does.
///
/// # Safety
/// Called by the broker with `count` numbers.
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn mosquitto_plugin_version(
    count: c_int,
    versions: *const c_int,
) -> c_int {
    let offered = match usize::try_from(count) {
        // SAFETY: the broker passes an array of that many versions (plugin_init.c).
        Ok(count) if count > 0 && !versions.is_null() => unsafe {
            std::slice::from_raw_parts(versions, count)
        },
        Ok(_) | Err(_) => &[],
    };
    if offered.contains(&abi::MOSQ_PLUGIN_VERSION) {
        abi::MOSQ_PLUGIN_VERSION
    } else {
        -1
    }
}

/// Opens one plugin line. Anything that is wrong stops the broker with one clear line.
///
/// # Safety
/// Called by the broker, on its own thread, with pointers that it owns.
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn mosquitto_plugin_init(
    identifier: *mut abi::mosquitto_plugin_id_t,
    user_data: *mut *mut c_void,
    options: *mut abi::mosquitto_opt,
    option_count: c_int,
) -> c_int {
    let opened = catching(|| {
        let api = Api::resolve().map_err(|missing| missing.to_string())?;
        logger::install();
        // SAFETY: the broker keeps the options until cleanup.
        let options = unsafe { event::options(options, option_count) };
        open(api, identifier, options)
    });
    let line = match opened {
        Ok(Ok(plugin)) => {
            // SAFETY: the broker passes the place where it keeps our pointer.
            unsafe { *user_data = Box::into_raw(plugin).cast() };
            return abi::MOSQ_ERR_SUCCESS;
        }
        Ok(Err(line)) => line,
        Err(_) => "internal error while starting".to_owned(),
    };
    log::error!("{line}");
    abi::MOSQ_ERR_UNKNOWN
}

/// Closes one plugin line: threads joined, callbacks gone. Called by 2.1 even after a failed init.
///
/// # Safety
/// Called by the broker, on its own thread, with what init left in `user_data`.
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn mosquitto_plugin_cleanup(
    user_data: *mut c_void,
    _options: *mut abi::mosquitto_opt,
    _option_count: c_int,
) -> c_int {
    if user_data.is_null() {
        return abi::MOSQ_ERR_SUCCESS;
    }
    // SAFETY: init made it from a box, and the broker passes it here once.
    let plugin = unsafe { Box::from_raw(user_data.cast::<Plugin>()) };
    let closed = catching(|| {
        plugin.close();
        unregister(&plugin, &REGISTRATIONS);
    });
    if closed.is_err() {
        log::error!("internal error while ending");
    }
    abi::MOSQ_ERR_SUCCESS
}

fn open(
    api: &'static Api,
    identifier: *mut abi::mosquitto_plugin_id_t,
    options: &[abi::mosquitto_opt],
) -> Result<Box<Plugin>, String> {
    let pairs: Option<Vec<_>> = options.iter().map(event::option).collect();
    let pairs = pairs.ok_or("an option is not UTF-8")?;
    let config = Config::parse(pairs).map_err(|error| error.to_string())?;
    let plugin = Plugin::open(api, identifier, &config)?;
    register(&plugin)?;
    if let Err(line) = plugin.watch() {
        unregister(&plugin, &REGISTRATIONS);
        return Err(line);
    }
    Broker::on_its_own_thread(api).introduce(identifier);
    if plugin.has_sources() {
        log::info!("version {} is asked first", env!("CARGO_PKG_VERSION"));
    } else {
        log::warn!(
            "no source is given (plugin_opt_password_file, plugin_opt_database): the broker decides alone"
        );
    }
    Ok(plugin)
}

/// Has the broker call us. Without a source nothing is registered: a broker that asks nobody keeps
/// its own rules, where one that asks a plugin which always defers refuses every username.
fn register(plugin: &Plugin) -> Result<(), String> {
    let Some(main) = plugin.main().filter(|_| plugin.has_sources()) else {
        return Ok(());
    };
    let user_data = std::ptr::from_ref(plugin).cast_mut().cast::<c_void>();
    for (index, registration) in REGISTRATIONS.iter().enumerate() {
        let event = registration.rule.event;
        match main
            .broker()
            .register(main.identifier(), event, registration.callback, user_data)
        {
            // CLIENT_OFFLINE is not known to 2.0.
            Ok(()) | Err(Refused::Unknown) => {}
            Err(refused) => {
                unregister(plugin, REGISTRATIONS.get(..index).unwrap_or(&[]));
                return Err(format!("{}: {refused}", registration.rule.name));
            }
        }
    }
    Ok(())
}

fn unregister(plugin: &Plugin, registrations: &[Registration]) {
    let Some(main) = plugin.main().filter(|_| plugin.has_sources()) else {
        return;
    };
    for registration in registrations {
        let event = registration.rule.event;
        main.broker()
            .unregister(main.identifier(), event, registration.callback);
    }
}

unsafe extern "C" fn on_basic_auth(_: c_int, data: *mut c_void, user_data: *mut c_void) -> c_int {
    let body = |plugin: &Plugin, main: Option<&plugin::Main>| {
        // SAFETY: this is the data of a BASIC_AUTH event.
        match unsafe { event::data(data) } {
            Some(event) => plugin.basic_auth(main, event),
            None => BASIC_AUTH.denied.before_2_1,
        }
    };
    // SAFETY: registered with the plugin as user_data.
    unsafe { guard(&BASIC_AUTH, user_data, body) }
}

unsafe extern "C" fn on_reload(_: c_int, _: *mut c_void, user_data: *mut c_void) -> c_int {
    let body = |plugin: &Plugin, main: Option<&plugin::Main>| {
        main.map_or(plugin.denied(RELOAD.denied), |main| plugin.reload(main))
    };
    // SAFETY: registered with the plugin as user_data.
    unsafe { guard(&RELOAD, user_data, body) }
}

unsafe extern "C" fn on_tick(_: c_int, data: *mut c_void, user_data: *mut c_void) -> c_int {
    let body = |plugin: &Plugin, main: Option<&plugin::Main>| {
        // SAFETY: this is the data of a TICK event.
        match (main, unsafe { event::data(data) }) {
            (Some(main), Some(event)) => plugin.tick(main, event),
            (Some(_), None) | (None, _) => abi::MOSQ_ERR_SUCCESS,
        }
    };
    // SAFETY: registered with the plugin as user_data.
    unsafe { guard(&TICK, user_data, body) }
}

unsafe extern "C" fn on_disconnect(_: c_int, data: *mut c_void, user_data: *mut c_void) -> c_int {
    // SAFETY: the data of a DISCONNECT event, registered with the plugin as user_data.
    unsafe { ended(&DISCONNECT, data, user_data) }
}

unsafe extern "C" fn on_client_offline(
    _: c_int,
    data: *mut c_void,
    user_data: *mut c_void,
) -> c_int {
    // SAFETY: the data of a CLIENT_OFFLINE event, which has the same struct.
    unsafe { ended(&CLIENT_OFFLINE, data, user_data) }
}

/// # Safety
/// `data` belongs to the event of the rule, `user_data` to its registration.
unsafe fn ended(rule: &Rule, data: *mut c_void, user_data: *mut c_void) -> c_int {
    let body = |plugin: &Plugin, main: Option<&plugin::Main>| {
        // SAFETY: promised by the caller.
        let event = unsafe { event::data::<abi::mosquitto_evt_disconnect>(data) };
        match (main, event) {
            (Some(main), Some(event)) => plugin.disconnected(main, event.client),
            (Some(_), None) | (None, _) => abi::MOSQ_ERR_SUCCESS,
        }
    };
    // SAFETY: promised by the caller.
    unsafe { guard(rule, user_data, body) }
}
