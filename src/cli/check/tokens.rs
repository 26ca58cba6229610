//! Tokens: files with keys that are none, options that fit none of them, and what lets in for longer than
//! anybody wants.
//!
//! Must not: ask for a URL, or tell anything of a key but what is wrong with its file.
#![forbid(unsafe_code)]

use std::fs;
use std::io;
use std::path::Path;

use serde::de::IgnoredAny;

use super::conf::{At, Conf, Plugin, PluginOption};
use super::finding::Finding;
use super::plugin;
use crate::config::{Config, Jwt, KeyUrl, SourceConfig};
use crate::store::token_keys::authorities;
use crate::token::{Key, KeysError, public_keys, secret_key};

/// Looks at what the configuration says of tokens.
pub(super) fn lint(conf: &Conf) -> Vec<Finding> {
    let plugins = conf.plugins();
    let ours = plugins.iter().filter(|plugin| plugin.is_ours());
    ours.flat_map(|ours| {
        let config = plugin::config(ours);
        let mut found = keys(ours, &config.jwt);
        found.extend(advice(ours, &config.jwt));
        found.extend(rights(conf, ours, &config));
        found
    })
    .collect()
}

/// Opens all files, and looks for algorithms that no key is for.
fn keys(ours: &Plugin, jwt: &Jwt) -> Vec<Finding> {
    let (mut keys, mut found): (Vec<Key>, Vec<Finding>) = Default::default();
    for option in &ours.options {
        let read = match option.key.as_str() {
            "jwt_key_file" => read(option, public_keys),
            "jwt_secret_file" => read(option, secret_key),
            "jwt_jwks_cafile" => certificates(option).map(|()| Vec::new()),
            _ => continue,
        };
        match read {
            Ok(some) => keys.extend(some),
            Err(finding) => found.push(finding),
        }
    }
    // What is published, or in a file that is damaged, may be for anything.
    if let Some(at) = option(ours, "jwt_algorithms")
        && found.is_empty()
        && jwt.url.is_none()
    {
        let unused = jwt.algorithms.iter();
        let unused = unused.filter(|algorithm| !keys.iter().any(|key| key.verifies(**algorithm)));
        found.extend(unused.map(|algorithm| {
            let text = format!("no key is for {algorithm}: no token can be signed so");
            Finding::warning(at, text)
        }));
    }
    found
}

fn read(
    option: &PluginOption,
    understand: fn(&[u8]) -> Result<Vec<Key>, KeysError>,
) -> Result<Vec<Key>, Finding> {
    let path = path(option);
    let bytes = fs::read(path).map_err(|error| unread(option, &error))?;
    understand(&bytes).map_err(|error| {
        let text = error.to_string();
        match broken_line(&bytes) {
            Some(line) if error == KeysError::Damaged => {
                Finding::problem(&At::beyond(path.into(), line), text)
            }
            Some(_) | None => Finding::problem(&option.at, format!("{}: {text}", path.display())),
        }
    })
}

/// Where JSON ceases to be such.
fn broken_line(bytes: &[u8]) -> Option<u64> {
    let error = serde_json::from_slice::<IgnoredAny>(bytes).err()?;
    u64::try_from(error.line()).ok()
}

fn certificates(option: &PluginOption) -> Result<(), Finding> {
    let read = authorities(path(option));
    read.map(drop)
        .map_err(|error| Finding::problem(&option.at, error.to_string()))
}

fn unread(option: &PluginOption, error: &io::Error) -> Finding {
    let path = path(option).display();
    match error.kind() == io::ErrorKind::PermissionDenied {
        true => Finding::note(
            &option.at,
            format!("{path} cannot be looked at; run this as root"),
        ),
        false => Finding::problem(&option.at, format!("{path}: {error}")),
    }
}

/// What is allowed, and should not be without need.
fn advice(ours: &Plugin, jwt: &Jwt) -> Vec<Finding> {
    let mut found = Vec::new();
    let first = ours
        .options
        .iter()
        .find(|option| option.key.starts_with("jwt_"));
    let Some(first) = first.map(|option| &option.at) else {
        return found;
    };
    if !jwt.has_keys() {
        found.push(Finding::problem(
            first,
            "tokens need keys, and none are named: the broker does not start; add \
             plugin_opt_jwt_key_file, plugin_opt_jwt_secret_file or plugin_opt_jwt_jwks_url",
        ));
        return found;
    }
    if let Some(at) = option(ours, "jwt_secret_file") {
        found.push(Finding::note(
            at,
            "whoever can verify tokens by a secret can make them, too: prefer the issuer's public key \
             (plugin_opt_jwt_key_file)",
        ));
    }
    match (jwt.needs_end, option(ours, "jwt_require_exp"), jwt.longest) {
        (false, at, _) => found.push(Finding::warning(
            at.unwrap_or(first),
            "a token without exp lets in for ever, whoever has it: only another key ends that",
        )),
        (true, _, None) => found.push(Finding::note(
            first,
            "a token may be good for as long as its issuer likes; plugin_opt_jwt_max_lifetime refuses \
             those that are good for too long",
        )),
        (true, _, Some(_)) => {}
    }
    let is_secure = |url: &KeyUrl| url.as_str().starts_with("https://");
    if let Some(at) = option(ours, "jwt_jwks_cafile")
        && !jwt.url.as_ref().is_some_and(is_secure)
    {
        found.push(Finding::warning(
            at,
            "nobody is asked to vouch: plugin_opt_jwt_jwks_url is not there, or not https",
        ));
    }
    found
}

/// Claims about what a client may do, where nobody knows of roles, or nobody else speaks.
fn rights(conf: &Conf, ours: &Plugin, config: &Config) -> Vec<Finding> {
    let mut found = Vec::new();
    let has_roles = config.with_roles().is_some();
    if let Some(at) = option(ours, "jwt_roles_claim")
        && !has_roles
    {
        found.push(Finding::problem(
            at,
            "plugin_opt_database_roles true is missing: there are no roles that a token could name, \
             and the broker does not start",
        ));
    }
    let mut sources = config.sources.iter();
    let is_asked = |source: &SourceConfig| matches!(source, SourceConfig::Query(query) if query.acl_sql.is_some());
    let somebody_speaks = has_roles
        || config.acl_file.is_some()
        || sources.any(is_asked)
        || conf.last("acl_file").is_some();
    if let Some(at) = option(ours, "jwt_acl_claim")
        && !somebody_speaks
    {
        found.push(Finding::warning(
            at,
            "nobody but tokens says who may do what: the broker denies everything to clients that come \
             without one; give it an acl_file, or doorman a plugin_opt_acl_file or \
             plugin_opt_database_roles true",
        ));
    }
    found
}

/// The first line with this option.
fn option<'a>(ours: &'a Plugin, key: &str) -> Option<&'a At> {
    let mut options = ours.options.iter();
    let named = options.find(|option| option.key == key);
    named.map(|option| &option.at)
}

fn path(option: &PluginOption) -> &Path {
    Path::new(option.value.trim_end())
}
