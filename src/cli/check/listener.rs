//! Doors beside doorman: anonymous clients, passwords in clear on the network, identities taken
//! from certificates, listeners that never ask.
//!
//! Must not: judge what the operator cannot change in `mosquitto.conf`.
#![forbid(unsafe_code)]

use std::net::IpAddr;

use super::conf::{At, Conf, Line};
use super::finding::{Finding, Level};

/// Looks at the listeners and at who may come in without doorman.
pub(super) fn lint(conf: &Conf) -> Vec<Finding> {
    let mut found = anonymous(conf);
    found.extend(plain_text(conf));
    found.extend(identities(conf));
    found.extend(unguarded(conf));
    if conf
        .all("listener")
        .chain(conf.all("port"))
        .next()
        .is_none()
    {
        found.push(Finding::new(
            Level::Note,
            None,
            "there is no listener line: the broker listens on this machine only, and lets anonymous \
             clients in unless allow_anonymous is false",
        ));
    }
    found
}

fn is_true(line: &Line) -> bool {
    line.value.trim().eq_ignore_ascii_case("true")
}

/// Whether each listener has settings of its own.
pub(super) fn per_listener(conf: &Conf) -> bool {
    conf.last("per_listener_settings").is_some_and(is_true)
}

fn anonymous(conf: &Conf) -> Vec<Finding> {
    conf.all("allow_anonymous")
        .chain(conf.all("listener_allow_anonymous"))
        .filter(|line| is_true(line))
        .map(|line| {
            Finding::warning(
                &line.at,
                "clients without a username are let in, and doorman is not asked about them; \
                 set it to false unless that is wanted",
            )
        })
        .collect()
}

fn plain_text(conf: &Conf) -> Vec<Finding> {
    let open_default = conf.all("port").take(1).filter(|_| {
        let address = conf.last("bind_address").map(|line| line.value.trim());
        !address.is_some_and(is_local) && !has_tls(conf, None) && !on_loopback(conf, None)
    });
    conf.all("listener")
        .filter(|line| {
            let mut words = line.value.split_whitespace();
            let (port, address) = (words.next(), words.next());
            // Port 0 is a unix socket.
            port != Some("0")
                && !address.is_some_and(is_local)
                && !has_tls(conf, Some(&line.at))
                && !on_loopback(conf, Some(&line.at))
        })
        .chain(open_default)
        .map(|line| {
            Finding::warning(
                &line.at,
                "this listener is open to the network without TLS: passwords can be read on the \
                 way; give it a certfile and keyfile, or bind it to 127.0.0.1",
            )
        })
        .collect()
}

fn is_local(address: &str) -> bool {
    address == "localhost" || address.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

fn within<'a>(
    conf: &'a Conf,
    listener: Option<&'a At>,
    key: &'static str,
) -> impl Iterator<Item = &'a Line> {
    conf.all(key)
        .filter(move |line| line.listener.as_ref() == listener)
}

fn has_tls(conf: &Conf, listener: Option<&At>) -> bool {
    within(conf, listener, "certfile")
        .chain(within(conf, listener, "psk_hint"))
        .next()
        .is_some()
}

fn on_loopback(conf: &Conf, listener: Option<&At>) -> bool {
    within(conf, listener, "bind_interface").any(|line| line.value.trim() == "lo")
}

fn identities(conf: &Conf) -> Vec<Finding> {
    conf.all("use_identity_as_username")
        .chain(conf.all("use_subject_as_username"))
        .filter(|line| is_true(line))
        // Keys of TLS-PSK are doorman's to give, and end with their accounts.
        .filter(|line| {
            within(conf, line.listener.as_ref(), "psk_hint")
                .next()
                .is_none()
        })
        .map(|line| {
            Finding::warning(
                &line.at,
                "the broker takes the username from the certificate and asks nobody: doorman ends the \
                 connections of accounts that may not be used, but on 2.0 only where it decides who may \
                 do what; docs/certificates.md tells of plugin_opt_certificate instead",
            )
        })
        .collect()
}

/// With settings per listener, those that load no doorman of their own.
fn unguarded(conf: &Conf) -> Vec<Finding> {
    let plugins = conf.plugins();
    let ours = || plugins.iter().filter(|plugin| plugin.is_ours());
    if !per_listener(conf) || ours().any(|plugin| plugin.line.key == "global_plugin") {
        return Vec::new();
    }
    let guarded = |listener: &At| {
        ours().any(|plugin| {
            plugin.line.listener.as_ref() == Some(listener)
                || within(conf, Some(listener), "plugin_use")
                    .any(|line| plugin.name.as_deref() == Some(line.value.trim()))
        })
    };
    conf.all("listener")
        .filter(|line| !guarded(&line.at))
        .map(|line| {
            Finding::warning(
                &line.at,
                "per_listener_settings is true and this listener loads no mosquitto_doorman",
            )
        })
        .collect()
}
