//! The plugin lines: is doorman there, once, in the right place, and are its options right?
//!
//! Must not: know an option by name; [`Config::parse`] does.
#![forbid(unsafe_code)]

use super::conf::{Conf, Plugin, PluginOption};
use super::finding::{Finding, Level};
use super::listener::per_listener;
use crate::config::{Config, SourceConfig, UnknownUser};

/// Looks at the plugins, their order and doorman's options.
pub(super) fn lint(conf: &Conf) -> Vec<Finding> {
    let plugins = conf.plugins();
    let ours: Vec<_> = plugins.iter().filter(|plugin| plugin.is_ours()).collect();
    let mut found = stray_options(conf);
    if ours.is_empty() {
        found.push(Finding::new(
            Level::Problem,
            None,
            "no plugin line names mosquitto_doorman: the broker does not ask it; add \
             `plugin /path/to/libmosquitto_doorman.so`",
        ));
    }
    for plugin in &ours {
        found.extend(options(plugin));
        found.extend(place(conf, plugin));
        found.extend(order(&plugins, plugin));
        found.extend(builtin(conf, plugin));
        found.extend(builtin_acl(conf, plugin));
        found.extend(pace(conf, plugin));
    }
    let global = |plugin: &&&Plugin| plugin.line.listener.is_none() && plugin.name.is_none();
    if let Some(second) = ours.iter().filter(global).nth(1) {
        found.push(Finding::problem(
            &second.line.at,
            "mosquitto_doorman is loaded twice for the same listeners; give one plugin line all \
             sources",
        ));
    }
    found
}

/// Doorman's options as they are, without those that cannot be taken.
pub(super) fn config(plugin: &Plugin) -> Config {
    let (taken, _) = sift(plugin);
    parse(&taken).unwrap_or_else(|_| Config::standard())
}

fn parse(options: &[&PluginOption]) -> Result<Config, crate::config::Error> {
    Config::parse(
        options
            .iter()
            .map(|option| (option.key.as_str(), option.value.as_str())),
    )
}

/// Parts the options into those that can be taken and what is wrong with the others.
fn sift(plugin: &Plugin) -> (Vec<&PluginOption>, Vec<Finding>) {
    let mut taken = Vec::new();
    let mut found = Vec::new();
    for option in &plugin.options {
        taken.push(option);
        if let Err(error) = parse(&taken) {
            taken.pop();
            found.push(Finding::problem(&option.at, error.to_string()));
        }
    }
    (taken, found)
}

fn options(plugin: &Plugin) -> Vec<Finding> {
    let (taken, mut found) = sift(plugin);
    match parse(&taken) {
        Ok(config) if config.sources.is_empty() && config.acl_file.is_some() => {
            found.push(Finding::note(
                &plugin.line.at,
                "mosquitto_doorman has no source of accounts: who may enter is the broker's to say",
            ));
        }
        Ok(config) if config.sources.is_empty() => found.push(Finding::problem(
            &plugin.line.at,
            "mosquitto_doorman has no source of accounts; add plugin_opt_password_file or \
             plugin_opt_database",
        )),
        Ok(_) | Err(_) => {}
    }
    found
}

fn stray_options(conf: &Conf) -> Vec<Finding> {
    let owned: Vec<_> = conf
        .plugins()
        .into_iter()
        .flat_map(|plugin| plugin.options)
        .map(|option| option.at)
        .collect();
    conf.lines
        .iter()
        .filter(|line| line.option().is_some() && !owned.contains(&line.at))
        .map(|line| {
            Finding::problem(
                &line.at,
                "there is no plugin line before this option in the same file; the broker does not \
                 start",
            )
        })
        .collect()
}

/// Whether the plugin guards what it seems to guard.
fn place(conf: &Conf, plugin: &Plugin) -> Option<Finding> {
    let at = &plugin.line.at;
    let users = |name: &str| {
        conf.all("plugin_use")
            .filter(|line| line.value.trim() == name)
            .count()
    };
    match &plugin.name {
        Some(name) if users(name) == 0 => Some(Finding::problem(
            at,
            "no plugin_use line names this plugin_load; the broker exits without saying why",
        )),
        Some(_)
            if conf
                .all("password_file")
                .any(|line| line.listener.is_none()) =>
        {
            Some(Finding::problem(
                at,
                "the plugin is loaded for a listener and a password_file for the whole broker: the \
                 file refuses every username it does not know before doorman is asked",
            ))
        }
        None if per_listener(conf)
            && plugin.line.listener.is_none()
            && plugin.line.key != "global_plugin" =>
        {
            Some(Finding::problem(
                at,
                "per_listener_settings is true and the plugin stands before any listener: it guards \
                 nothing; move it below the listener it belongs to",
            ))
        }
        Some(_) | None => None,
    }
}

/// Plugins that are asked first.
fn order(plugins: &[Plugin], ours: &Plugin) -> Vec<Finding> {
    plugins
        .iter()
        .filter(|other| {
            !other.is_ours()
                && other.line.at < ours.line.at
                && other.line.listener == ours.line.listener
        })
        .map(|other| {
            let file = other.path.file_name().unwrap_or_default().to_string_lossy();
            Finding::note(
                &other.line.at,
                format!(
                    "{file} is asked before mosquitto_doorman; what it allows or refuses, doorman \
                     never sees"
                ),
            )
        })
        .collect()
}

/// The broker's own password file, which is asked last.
fn builtin(conf: &Conf, plugin: &Plugin) -> Option<Finding> {
    let line = conf.last("password_file")?;
    let config = config(plugin);
    let path = line.value.trim();
    let shared = config.sources.iter().any(|source| match source {
        SourceConfig::PasswordFile(own) => own.as_os_str() == path,
        SourceConfig::Database(_) | SourceConfig::Query(_) => false,
    });
    Some(match config.unknown_user {
        UnknownUser::Deny => Finding::note(
            &line.at,
            "plugin_opt_unknown_user is deny: this file is never asked",
        ),
        UnknownUser::Defer if shared => Finding::warning(
            &line.at,
            "doorman reads this file too: an account that is deleted from it is refused by doorman \
             at once, but the broker's own copy lets it in until SIGHUP; leave this line out, or \
             set plugin_opt_unknown_user deny",
        ),
        UnknownUser::Defer => Finding::note(
            &line.at,
            "usernames that doorman does not know are looked up here",
        ),
    })
}

/// How often the broker tells of itself, and how often doorman does.
fn pace(conf: &Conf, plugin: &Plugin) -> Option<Finding> {
    let line = conf.last("sys_interval")?;
    let config = config(plugin);
    let ours = config.sys_interval.map_or(0, |interval| interval.as_secs());
    let theirs = line.value.trim();
    (config.sys_topics && theirs.parse() != Ok(ours)).then(|| {
        Finding::note(
            &line.at,
            format!(
                "plugin_opt_sys_interval is {ours}: doorman's topics below $SYS have a pace of \
                 their own, a plugin cannot see this line; plugin_opt_sys_interval {theirs} makes \
                 it one"
            ),
        )
    })
}

/// The broker's own ACL file, which is asked only about what nobody has decided.
fn builtin_acl(conf: &Conf, plugin: &Plugin) -> Option<Finding> {
    let line = conf.last("acl_file")?;
    config(plugin).acl_file.map(|_| {
        Finding::warning(
            &line.at,
            "plugin_opt_acl_file decides every access: this file is never asked; leave one of them \
             out",
        )
    })
}
