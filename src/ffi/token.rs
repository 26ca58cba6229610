//! A client that came in by a token has the name that is in it.
//!
//! Must not: use what was read from the event once the broker was told of another name: it is gone then.

use super::abi;
use super::broker::ClientPtr;
use super::event;
use super::plugin::{Main, Plugin};
use crate::verdict::{Reason, Reply, Verdict};

impl Plugin {
    /// The verdict that a reply is. Whoever cannot be given its name is not in.
    pub(super) fn named_by_token(
        &self,
        main: Option<&Main>,
        event: &abi::mosquitto_evt_basic_auth,
        reply: &Reply,
    ) -> Verdict {
        let Reply::Allow { username, .. } = reply else {
            return match reply {
                Reply::Deny(reason) => Verdict::Deny(*reason),
                Reply::Allow { .. } | Reply::Say(_) | Reply::Defer => {
                    Verdict::Deny(Reason::BadRequest)
                }
            };
        };
        // Also for callers of the HTTP API, who are asked about on another thread: they have no other.
        let has_it = event::bytes(event, event.username) == Some(username.as_bytes());
        let is_given = || {
            let client = main.zip(ClientPtr::new(event.client));
            client.is_some_and(|(main, client)| self.is_named(main, client, username))
        };
        match has_it || is_given() {
            true => Verdict::Allow,
            false => {
                log::warn!("a client cannot be given the name that its token has");
                Verdict::Deny(Reason::WrongUsername)
            }
        }
    }
}
