//! Effects, carried out on the broker.
//!
//! Must not: hold a borrow of the plugin's own while the broker is called, or take a client's memory for the client.

use std::ffi::{CStr, CString};

use super::broker::ClientPtr;
use super::event;
use super::leavings::Leavings;
use super::plugin::{Main, Plugin};
use crate::request::ConnectionId;
use crate::show::Shown;
use crate::verdict::{Effect, Verdict};

/// What a busy fifth of a second brings, of all plugin lines.
static DONE: Leavings<Effect> = Leavings::up_to(10_000, 8 << 20);

/// Frees what was carried out. For another thread than the broker's.
pub(super) fn clear() {
    DONE.clear();
}

impl Plugin {
    /// Carries out effects, and leaves them to be freed elsewhere.
    pub(super) fn perform_all(&self, main: &Main, effects: Vec<Effect>) {
        for effect in &effects {
            self.perform(main, effect);
        }
        if !effects.is_empty() {
            let bytes = effects.iter().map(length).sum();
            DONE.leave(effects, bytes);
        }
    }

    fn perform(&self, main: &Main, effect: &Effect) {
        // Checked on the way in: no name and no id holds a NUL.
        let in_c = |text: &str| CString::new(text.as_bytes()).ok();
        let pointer = |connection| main.connections.borrow().pointer(connection);
        match effect {
            Effect::Kick {
                connection,
                client_id,
                username,
                why,
            } => {
                self.end(main, *connection, (client_id, username), *why);
            }
            Effect::KickKeyed { connection } => self.end_keyed(main, *connection),
            // 2.1 tells who is in.
            Effect::KickUnseen { .. } if self.api.since_2_1() => {}
            Effect::KickUnseen { identity } => {
                if let Some(identity) = in_c(identity) {
                    main.broker().kick_username(Some(&identity));
                }
            }
            Effect::KickUsername(None) => main.broker().kick_username(None),
            Effect::KickUsername(Some(username)) => {
                if let Some(username) = in_c(username) {
                    main.broker().kick_username(Some(&username));
                }
            }
            Effect::Publish {
                topic,
                payload,
                retain,
            } => {
                if let Some(topic) = in_c(topic) {
                    main.broker().publish(None, &topic, payload, *retain);
                }
            }
            Effect::Tell { to, topic, payload } => {
                if let Some((topic, id)) = in_c(topic).zip(in_c(&to.client_id)) {
                    let is_still_it = to.connection.is_none_or(|connection| {
                        pointer(connection)
                            .is_some_and(|client| main.broker().is_current(&id, client))
                    });
                    if is_still_it {
                        main.broker().publish(Some(&id), &topic, payload, false);
                    }
                }
            }
            Effect::Recheck { client_id } => {
                if let Some(id) = in_c(client_id) {
                    main.broker().recheck(&id);
                }
            }
            Effect::Complete {
                connection,
                client_id,
                verdict,
            } => {
                if let Some((client, id)) = pointer(*connection).zip(in_c(client_id)) {
                    self.complete(main, client, &id, *verdict);
                }
            }
        }
    }

    /// Ends a connection, and says why.
    fn end(
        &self,
        main: &Main,
        connection: ConnectionId,
        (client_id, username): (&str, &str),
        why: Option<&str>,
    ) {
        let in_c = |text: &str| CString::new(text.as_bytes()).ok();
        let pointer = || main.connections.borrow().pointer(connection);
        let Some((client, id)) = pointer().zip(in_c(client_id)) else {
            return;
        };
        if let Some(why) = why {
            log::info!(
                "ending reason={why} username={} client_id={}",
                Shown(username),
                Shown(client_id)
            );
        }
        if main.broker().is_current(&id, client) {
            main.broker().kick(&id);
        }
        // Its end has been reported, or the broker has lost it or another one under this id: 2.0.11 does
        // where an exchange under the same id was broken off.
        if !self.api.since_2_1()
            && pointer() == Some(client)
            && let Some(username) = in_c(username)
        {
            main.broker().kick_username(Some(&username));
        }
    }

    /// Tells a client that was left waiting.
    fn complete(&self, main: &Main, client: ClientPtr, id: &CStr, verdict: Verdict) {
        if verdict == Verdict::Allow {
            // The broker comes back with CONNECT meanwhile.
            main.connections.borrow_mut().enters(client);
        }
        main.broker().complete(id, event::code(self.api, verdict));
        if main.broker().is_current(id, client) {
            return;
        }
        if verdict == Verdict::Allow {
            // The broker tells nobody when a waiting client leaves.
            log::info!(
                "gone before the answer client_id={}: it left, or sent something before \
                 it was let in (plugin_opt_hashing inline answers at once)",
                Shown(&id.to_string_lossy())
            );
        }
        self.forget(main, client);
    }
}

/// How many bytes were to be published.
fn length(effect: &Effect) -> usize {
    match effect {
        Effect::Publish { payload, .. } | Effect::Tell { payload, .. } => payload.len(),
        Effect::Kick { .. }
        | Effect::KickKeyed { .. }
        | Effect::KickUnseen { .. }
        | Effect::KickUsername(_)
        | Effect::Recheck { .. }
        | Effect::Complete { .. } => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_published_counts_by_its_bytes_and_nothing_else_does() {
        let message = |bytes: usize| Effect::Publish {
            topic: "a".into(),
            payload: vec![0; bytes].into(),
            retain: false,
        };
        assert_eq!(length(&message(95_000)), 95_000);
        assert_eq!(length(&Effect::KickUsername(None)), 0);
    }
}
