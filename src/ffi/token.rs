//! A client that comes by a token has the name that is in it, from when it is asked about.
//!
//! Must not: use the names that were read from the event once the broker was told of another one: they are gone
//! then. Nor name a client later: whoever waits may leave without a word, and its memory with it.

use super::abi;
use super::broker::ClientPtr;
use super::event;
use super::plugin::{Main, Plugin};
use crate::verdict::{Reason, Reply, Verdict};

impl Plugin {
    /// The verdict that a reply is. Whoever cannot be given its name is not in, and waits for nothing.
    pub(super) fn named_by_token(
        &self,
        main: Option<&Main>,
        event: &abi::mosquitto_evt_basic_auth,
        client_id: Option<&str>,
        reply: &Reply,
    ) -> Verdict {
        let (username, verdict) = match reply {
            Reply::Allow { username, .. } => (username, Verdict::Allow),
            Reply::Wait { username } => (username, Verdict::Pending),
            Reply::Deny(reason) => return Verdict::Deny(*reason),
            Reply::Say(_) | Reply::Defer => return Verdict::Deny(Reason::BadRequest),
        };
        // Also for callers of the HTTP API, who are asked about on another thread: they have no other.
        let has_it = event::bytes(event, event.username) == Some(username.as_bytes());
        let is_given = || {
            let client = main.zip(ClientPtr::new(event.client));
            client.is_some_and(|(main, client)| self.is_named(main, client, username))
        };
        match has_it || is_given() {
            true => verdict,
            false => {
                log::warn!("a client cannot be given the name that its token has");
                if let Some(client_id) = client_id {
                    self.engine.supersede(client_id);
                }
                Verdict::Deny(Reason::WrongUsername)
            }
        }
    }
}
