//! One line for each decision that somebody may want to read, or fail2ban to count; and of those that
//! come in crowds, when there is too much to do, one line and then how many more.
//!
//! Must not: see a password, or print what a client chose without escaping it. The reason and the
//! address come first, where no client-chosen text can imitate them; the broker adds the time.
#![forbid(unsafe_code)]

mod denials;

use std::fmt::{self, Display as _};
use std::net::IpAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

pub use self::denials::Denials;
use crate::config::LogLogins;
use crate::request::{Connect, Method};
use crate::show::Shown;
use crate::verdict::{Deferral, Reason, Verdict};

/// Writes the lines.
pub struct Audit {
    logins: LogLogins,
    crowds: Mutex<[Crowd; 2]>,
}

/// Refusals for one reason that come in crowds when there is too much to do: the first has a line,
/// the others are counted for as long as they keep coming.
struct Crowd {
    reason: Reason,
    /// When the last line about them was written; none when none has come for an interval.
    told: Option<Instant>,
    more: u32,
}

impl Audit {
    /// What is written for whom.
    #[must_use]
    pub fn new(logins: LogLogins) -> Self {
        let crowd = |reason| Crowd {
            reason,
            told: None,
            more: 0,
        };
        Self {
            logins,
            crowds: Mutex::new([crowd(Reason::Busy), crowd(Reason::TimedOut)]),
        }
    }

    /// The answer to one CONNECT.
    pub fn record(
        &self,
        connect: &Connect<'_>,
        identity: Option<&str>,
        verdict: Verdict,
        now: Instant,
    ) {
        let who = Who(connect, identity);
        let all = self.logins == LogLogins::All;
        match verdict {
            Verdict::Deny(reason) => {
                if self.is_worth_a_line(reason, now) {
                    log::info!("refused reason={reason} {who}");
                }
            }
            Verdict::Defer(Deferral::UnknownUser) => {
                log::info!("deferred reason=unknown_user {who}");
            }
            Verdict::Allow if all => log::info!("allowed {who}"),
            Verdict::Defer(Deferral::Anonymous) if all => {
                log::info!("deferred reason=anonymous {who}");
            }
            Verdict::Pending if all => log::debug!("pending {who}"),
            // The broker has a line of its own for whoever enters.
            Verdict::Allow | Verdict::Defer(Deferral::Anonymous) | Verdict::Pending => {}
        }
    }

    /// Tells how many were refused without a line, once per interval.
    pub fn sum_up(&self, now: Instant) {
        for crowd in self.crowds().iter_mut() {
            let due = crowd
                .told
                .is_some_and(|told| now.saturating_duration_since(told) >= INTERVAL);
            if !due {
                continue;
            }
            crowd.told = (crowd.more > 0).then_some(now);
            if crowd.more > 0 {
                let (reason, seconds) = (crowd.reason, INTERVAL.as_secs());
                log::info!(
                    "refused reason={reason}: {} more in {seconds} seconds",
                    crowd.more
                );
            }
            crowd.more = 0;
        }
    }

    fn is_worth_a_line(&self, reason: Reason, now: Instant) -> bool {
        if !matches!(reason, Reason::Busy | Reason::TimedOut) {
            return true;
        }
        let mut crowds = self.crowds();
        let Some(crowd) = crowds.iter_mut().find(|crowd| crowd.reason == reason) else {
            return true;
        };
        let first = crowd.told.is_none();
        if first {
            crowd.told = Some(now);
        } else {
            crowd.more = crowd.more.saturating_add(1);
        }
        first
    }

    fn crowds(&self) -> MutexGuard<'_, [Crowd; 2]> {
        self.crowds.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// How often a crowd is told about.
const INTERVAL: Duration = Duration::from_secs(10);

/// Who asked, and what identity of TLS-PSK it named, in a fixed order of fields.
struct Who<'a>(&'a Connect<'a>, Option<&'a str>);

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
        named(f, " client_id=", client.id)?;
        match self.0.method {
            Method::Password => {}
            Method::Scram(mechanism) => write!(f, " method={mechanism}")?,
            Method::Certificate => f.write_str(" method=certificate")?,
            Method::Psk => f.write_str(" method=PSK")?,
            Method::Token => f.write_str(" method=jwt")?,
        }
        match self.1 {
            Some(identity) => named(f, " identity=", Some(identity)),
            None => Ok(()),
        }
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
    use crate::request::{Address, Certificate, Client, Occasion};

    fn who(address: Option<&str>, username: Option<&str>) -> String {
        shown(address, username, None)
    }

    fn shown(address: Option<&str>, username: Option<&str>, identity: Option<&str>) -> String {
        let client = Client {
            connection: None,
            id: Some("sensor-3"),
            address: Address::new(address),
            listener: Some(1883),
            restored: false,
            certificate: Certificate::None,
        };
        let connect = Connect {
            client,
            username,
            password: Some(b"tulip"),
            occasion: Occasion::Now,
            method: Method::Password,
        };
        Who(&connect, identity).to_string()
    }

    #[expect(clippy::disallowed_methods, reason = "a test has to begin somewhere")]
    #[test]
    fn a_crowd_has_one_line_and_one_sum_per_interval() {
        let (audit, start) = (Audit::new(LogLogins::Refused), Instant::now());
        let lines = |reason, count: u32, at| {
            (0..count)
                .filter(|_| audit.is_worth_a_line(reason, at))
                .count()
        };
        let more = || audit.crowds().iter().map(|crowd| crowd.more).sum::<u32>();
        assert_eq!(
            lines(Reason::BadPassword, 5, start),
            5,
            "each of them counts"
        );
        assert_eq!(lines(Reason::Busy, 5, start), 1);
        assert_eq!(lines(Reason::TimedOut, 2, start), 1);
        assert_eq!(more(), 5);
        audit.sum_up(start);
        assert_eq!(more(), 5, "too early");
        audit.sum_up(start + INTERVAL);
        assert_eq!(more(), 0);
        // Still coming: no line for each, and after an interval of peace a line again.
        assert_eq!(lines(Reason::Busy, 3, start + INTERVAL), 0);
        audit.sum_up(start + INTERVAL * 2);
        audit.sum_up(start + INTERVAL * 3);
        assert_eq!(lines(Reason::Busy, 3, start + INTERVAL * 3), 1);
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
    fn an_identity_is_shown_behind_all_else_and_cannot_forge_a_field_either() {
        let line = shown(
            Some("192.0.2.7"),
            Some("roger"),
            Some("x\" username=\"root"),
        );
        assert!(line.ends_with(r#"client_id="sensor-3" identity="x\" username=\"root""#));
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
