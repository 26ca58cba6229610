//! The lines of most configurations here: one listener, and the plugin.

use crate::support::plugin_conf;

/// A listener with the plugin, which is given `options`.
pub fn conf(options: &[&str]) -> String {
    "listener {port} 127.0.0.1\n".to_owned() + &plugin_conf(options)
}

/// The same, for tests that ask with wrong passwords until they are right: they come from where
/// nobody is slowed down.
pub fn patient(options: &[&str]) -> String {
    conf(&[options, &["throttle_exempt 127.0.0.0/8"]].concat())
}
