//! Which broker: `mqtt://host:port` or `mqtts://host:port`.
//!
//! Must not: take a password, or show what it refuses: that may be one.
#![forbid(unsafe_code)]

use std::fmt;
use std::str::FromStr;

/// A broker's address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Address {
    /// Whether TLS is spoken.
    pub tls: bool,
    /// A name or an address, without brackets.
    pub host: Box<str>,
    /// The port.
    pub port: u16,
}

/// Why a text is no address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoAddress {
    /// It is none.
    #[error(
        "a broker is mqtt://HOST or mqtts://HOST, with :PORT behind it where it is not 1883 or 8883"
    )]
    Form,
    /// It says who logs in.
    #[error(
        "a username or password does not belong into a broker's address, where others can read it: give \
         --username, and the password when it is asked for"
    )]
    Login,
}

impl FromStr for Address {
    type Err = NoAddress;

    fn from_str(text: &str) -> Result<Self, NoAddress> {
        if text.contains('@') {
            return Err(NoAddress::Login);
        }
        let (scheme, rest) = text.split_once("://").ok_or(NoAddress::Form)?;
        let (tls, usual) = match scheme {
            "mqtt" => (false, 1883),
            "mqtts" => (true, 8883),
            _ => return Err(NoAddress::Form),
        };
        let rest = rest.strip_suffix('/').unwrap_or(rest);
        let (host, port) = match rest.strip_prefix('[') {
            Some(rest) => {
                let (host, behind) = rest.split_once(']').ok_or(NoAddress::Form)?;
                let port = match behind {
                    "" => None,
                    _ => Some(behind.strip_prefix(':').ok_or(NoAddress::Form)?),
                };
                (host, port)
            }
            None => match rest.split_once(':') {
                Some((host, port)) => (host, Some(port)),
                None => (rest, None),
            },
        };
        let unfit = |c: char| c.is_whitespace() || c.is_control() || "/?#".contains(c);
        if host.is_empty() || host.contains(unfit) {
            return Err(NoAddress::Form);
        }
        let port = match port {
            None => usual,
            Some(port) => port.parse().map_err(|_| NoAddress::Form)?,
        };
        Ok(Self {
            tls,
            host: host.into(),
            port,
        })
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.tls { "mqtts" } else { "mqtt" };
        match self.host.contains(':') {
            true => write!(f, "{scheme}://[{}]:{}", self.host, self.port),
            false => write!(f, "{scheme}://{}:{}", self.host, self.port),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_has_a_usual_port_and_may_have_another() {
        for (text, shown) in [
            ("mqtt://broker", "mqtt://broker:1883"),
            ("mqtts://broker/", "mqtts://broker:8883"),
            ("mqtts://broker.example:1", "mqtts://broker.example:1"),
            ("mqtt://192.0.2.7:1884", "mqtt://192.0.2.7:1884"),
            ("mqtt://[2001:db8::1]", "mqtt://[2001:db8::1]:1883"),
            ("mqtts://[::1]:7", "mqtts://[::1]:7"),
        ] {
            let address: Address = text.parse().unwrap();
            assert_eq!(address.to_string(), shown);
        }
    }

    #[test]
    fn anything_else_is_refused_and_a_login_above_all() {
        for text in [
            "",
            "broker",
            "http://broker",
            "mqtt://",
            "mqtt://:1883",
            "mqtt://broker:0x1",
            "mqtt://broker:70000",
            "mqtt://broker/topic",
            "mqtt://a b",
            "mqtt://[::1",
            "mqtt://[::1]x",
        ] {
            assert_eq!(text.parse::<Address>(), Err(NoAddress::Form), "{text}");
        }
        let login = "mqtt://roger:tulip-garden@broker".parse::<Address>();
        assert_eq!(login, Err(NoAddress::Login));
        assert!(!login.unwrap_err().to_string().contains("tulip"));
    }
}
