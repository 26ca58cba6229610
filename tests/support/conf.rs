//! The text of a `mosquitto.conf`: placeholders, and what the harness adds in front.
//!
//! Placeholders: `{port}`, `{port2}` … `{port9}` (free ports), `{dir}` (the broker's own directory),
//! `{plugin}` (the plugin of this build). Added unless the text says otherwise: `user root` when the
//! tests run as root (a broker would drop to a user that cannot read the test's files),
//! `log_dest stderr` and `log_type all`.

use std::env;
use std::fs;
use std::net::{Ipv4Addr, TcpListener};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// One listener, and the log that a broker writes when nothing is said about it.
pub const LISTENER: &str = "log_type error
log_type warning
log_type notice
log_type information
listener {port} 127.0.0.1
";

/// The lines that load the plugin with `options`, each `name value` without `plugin_opt_`.
pub fn plugin_conf(options: &[&str]) -> String {
    let mut conf = "plugin {plugin}\n".to_owned();
    for option in options {
        conf.push_str(&format!("plugin_opt_{option}\n"));
    }
    conf
}

/// The plugin `cargo test` built: beside the test binary. The copy in the profile directory may be
/// older.
pub fn plugin_path() -> PathBuf {
    env::current_exe()
        .expect("the test binary has a path")
        .with_file_name("libmosquitto_doorman.so")
}

/// Replaces the placeholders of `text`.
pub fn fill(text: &str, dir: &Path, ports: &[u16]) -> String {
    let mut conf = text
        .replace("{dir}", &dir.display().to_string())
        .replace("{plugin}", &plugin_path().display().to_string());
    for (index, port) in ports.iter().enumerate() {
        conf = conf.replace(&port_placeholder(index), &port.to_string());
    }
    conf
}

/// Puts the lines the harness needs in front of `text`.
pub fn complete(text: &str) -> String {
    let says = |name: &str| {
        text.lines()
            .any(|line| line.split_whitespace().next() == Some(name))
    };
    let mut added = String::new();
    if runs_as_root() && !says("user") {
        added.push_str("user root\n");
    }
    if !says("log_dest") {
        added.push_str("log_dest stderr\n");
    }
    if !says("log_type") {
        added.push_str("log_type all\n");
    }
    added + text
}

/// As many free ports as `text` has placeholders for. They are free now; a broker may still lose
/// the race for one, see `Startup::start`.
pub fn free_ports(text: &str) -> Vec<u16> {
    let wanted = (0..9)
        .rev()
        .find(|index| text.contains(&port_placeholder(*index)))
        .map_or(0, |highest| highest + 1);
    let sockets: Vec<TcpListener> = (0..wanted)
        .map(|_| TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port"))
        .collect();
    sockets
        .iter()
        .map(|socket| socket.local_addr().expect("a bound socket").port())
        .collect()
}

fn port_placeholder(index: usize) -> String {
    match index {
        0 => "{port}".to_owned(),
        _ => format!("{{port{}}}", index + 1),
    }
}

fn runs_as_root() -> bool {
    fs::metadata("/proc/self").is_ok_and(|process| process.uid() == 0)
}
