//! The broker's door: three exported symbols, and the callbacks behind them.
//!
//! The only room that may use `unsafe`. Must not: decide anything. Each callback is one [`guard`] call
//! whose rule names the code that a failure answers; docs/invariants.md holds what no single function
//! here owns (threads, re-entry, lifetimes).
#![allow(unsafe_code, reason = "the one room that speaks C")]

mod abi;
mod broker;
mod callback;
mod certificate;
mod clock;
mod connections;
mod descriptors;
mod effects;
mod entrance;
mod event;
mod first;
mod guard;
mod keyed;
mod leavings;
mod logger;
mod plugin;
mod recall;
mod signal;
#[cfg(test)]
mod tests;
mod threads;
mod token;

use std::ffi::{c_int, c_void};

use self::broker::{Api, Broker, Refused};
use self::callback::{Purpose, REGISTRATIONS, Registration};
use self::guard::catching;
use self::plugin::{Main, Plugin};
use crate::config::Config;

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
    first::start(&config)?;
    let plugin = Plugin::open(api, identifier, &config)?;
    register(&plugin)?;
    descriptors::make_room();
    plugin.work(&config);
    if let Err(line) = plugin.watch() {
        plugin.close();
        unregister(&plugin, &REGISTRATIONS);
        return Err(line);
    }
    plugin.take_orders(&config);
    Broker::on_its_own_thread(api).introduce(identifier);
    if plugin.serves(Purpose::Both) {
        log::info!("version {} is asked first", env!("CARGO_PKG_VERSION"));
    } else {
        log::warn!(
            "no source is given (plugin_opt_password_file, plugin_opt_database, plugin_opt_acl_file): the broker decides alone"
        );
    }
    Ok(plugin)
}

/// Has the broker call us for what we have a source for, and for nothing else: a broker that asks
/// nobody keeps its own rules, where one that asks a plugin which always defers refuses every username,
/// and every access.
fn register(plugin: &Plugin) -> Result<(), String> {
    let Some(main) = plugin.main() else {
        return Ok(());
    };
    for (index, registration) in REGISTRATIONS.iter().enumerate() {
        if !plugin.serves(registration.purpose) {
            continue;
        }
        let answer = register_one(plugin, main, registration);
        let line = match (answer, registration.topic) {
            // CONNECT and CLIENT_OFFLINE are not known to 2.0.
            (Ok(()) | Err(Refused::Unknown), _) => continue,
            (Err(Refused::Twice), Some(topic)) if !plugin.wants_orders() => {
                log::warn!(
                    "{} belongs to another plugin already: no orders are taken here",
                    topic.to_string_lossy()
                );
                continue;
            }
            (Err(Refused::Twice), Some(topic)) => format!(
                "{} belongs to another plugin already: leave one of them, or plugin_opt_control off",
                topic.to_string_lossy()
            ),
            (Err(refused), _) => format!("{}: {refused}", registration.rule.name),
        };
        unregister(plugin, REGISTRATIONS.get(..index).unwrap_or(&[]));
        return Err(line);
    }
    Ok(())
}

fn register_one(plugin: &Plugin, main: &Main, registration: &Registration) -> Result<(), Refused> {
    main.broker().register(
        main.identifier(),
        registration.rule.event,
        registration.topic,
        registration.callback,
        std::ptr::from_ref(plugin).cast_mut().cast::<c_void>(),
    )
}

/// Has the broker call us for one more thing, which it does at the cost of a call for each message, once
/// there is need of it.
fn register_later(plugin: &Plugin, main: &Main, purpose: Purpose) {
    let wanted = REGISTRATIONS.iter();
    for registration in wanted.filter(|registration| registration.purpose == purpose) {
        if let Err(refused) = register_one(plugin, main, registration) {
            log::error!("{}: {refused}", registration.rule.name);
        }
    }
}

fn unregister(plugin: &Plugin, registrations: &[Registration]) {
    let Some(main) = plugin.main() else {
        return;
    };
    for registration in registrations {
        if !plugin.serves(registration.purpose) {
            continue;
        }
        let event = registration.rule.event;
        main.broker().unregister(
            main.identifier(),
            event,
            registration.topic,
            registration.callback,
        );
    }
}
