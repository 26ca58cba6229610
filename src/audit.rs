//! One line for each decision that somebody may want to read, or fail2ban to count.
//!
//! Must not: see a password, or print what a client chose without escaping it. The reason and the
//! address come first, where no client-chosen text can imitate them; the broker adds the time.
#![forbid(unsafe_code)]

use std::fmt::{self, Display as _};
use std::net::IpAddr;

use crate::request::Connect;
use crate::show::Shown;
use crate::verdict::{Deferral, Verdict};

/// Writes the line for the answer to one CONNECT.
pub fn record(connect: &Connect<'_>, verdict: Verdict) {
    match verdict {
        Verdict::Allow => log::debug!("allowed {}", Who(connect)),
        Verdict::Deny(reason) => log::info!("refused reason={reason} {}", Who(connect)),
        Verdict::Defer(Deferral::UnknownUser) => {
            log::info!("deferred reason=unknown_user {}", Who(connect));
        }
        Verdict::Pending => log::debug!("pending {}", Who(connect)),
        Verdict::Defer(Deferral::Anonymous) => {
            log::debug!("deferred reason=anonymous {}", Who(connect));
        }
    }
}

/// Who asked, in a fixed order of fields.
struct Who<'a>(&'a Connect<'a>);

impl fmt::Display for Who<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let client = &self.0.client;
        f.write_str("address=")?;
        match (client.address.ip(), client.address.text()) {
            // As the broker wrote it, but for one of IPv4 written as IPv6.
            (Some(IpAddr::V4(_)), Some(text)) if !text.contains(':') => f.write_str(text)?,
            (Some(ip), _) => ip.fmt(f)?,
            (None, Some(path)) => Shown(path).fmt(f)?,
            (None, None) => f.write_str("-")?,
        }
        f.write_str(" listener=")?;
        match client.listener {
            Some(port) => port.fmt(f)?,
            None => f.write_str("-")?,
        }
        named(f, " username=", self.0.username)?;
        named(f, " client_id=", client.id)
    }
}

fn named(f: &mut fmt::Formatter<'_>, key: &str, text: Option<&str>) -> fmt::Result {
    f.write_str(key)?;
    match text {
        Some(text) => Shown(text).fmt(f),
        None => f.write_str("-"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::request::{Address, Client, Occasion};

    fn who(address: Option<&str>, username: Option<&str>) -> String {
        let client = Client {
            connection: None,
            id: Some("sensor-3"),
            address: Address::new(address),
            listener: Some(1883),
            restored: false,
        };
        Who(&Connect {
            client,
            username,
            password: Some(b"tulip"),
            occasion: Occasion::Now,
        })
        .to_string()
    }

    #[test]
    fn a_line_names_address_listener_username_and_client_id() {
        assert_eq!(
            who(Some("::ffff:192.0.2.7"), Some("roger")),
            r#"address=192.0.2.7 listener=1883 username="roger" client_id="sensor-3""#
        );
    }

    #[test]
    fn what_is_not_known_is_a_dash() {
        assert!(who(None, None).starts_with("address=- listener=1883 username=- client_id="));
    }

    #[test]
    fn a_username_cannot_forge_a_second_entry() {
        let line = who(Some("192.0.2.7"), Some("x\" \naddress=192.0.2.8"));
        assert!(!line.contains('\n') && line.contains(r#"username="x\" \naddress="#));
    }

    #[test]
    fn the_password_is_not_in_the_line() {
        assert!(!who(Some("192.0.2.7"), Some("roger")).contains("tulip"));
    }
}
