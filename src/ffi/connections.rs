//! The broker's client pointers, numbered.
//!
//! Must not: let a pointer out of `ffi`. The broker's allocator uses a client's memory for the next
//! one at once, so a pointer alone names nobody: every login gets a number that is never used again.

use hashbrown::HashMap;

use super::broker::ClientPtr;
use crate::request::ConnectionId;

/// Which pointer is which connection now.
#[derive(Default)]
pub(super) struct Connections {
    last: u64,
    numbers: HashMap<ClientPtr, ConnectionId>,
    pointers: HashMap<ConnectionId, ClientPtr>,
    /// Those who have come, numbered or not.
    present: HashMap<ClientPtr, Presence>,
}

/// Whether a client has come, or the broker has its session only.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Presence {
    /// It has not.
    Away,
    /// It has, and may have come back to subscriptions.
    Came,
    /// It has, and may have all that it is subscribed to.
    Judged,
}

impl Connections {
    /// A client that is being asked about: its number, and the one its memory had before.
    pub(super) fn begin(&mut self, client: ClientPtr) -> (ConnectionId, Option<ConnectionId>) {
        self.present.insert(client, Presence::Came);
        self.begin_as_it_is(client)
    }

    /// The same of one that is asked about once more, and may be away.
    pub(super) fn begin_as_it_is(
        &mut self,
        client: ClientPtr,
    ) -> (ConnectionId, Option<ConnectionId>) {
        let presence = self.presence(client);
        let before = self.end(client);
        self.stays(client, presence);
        self.last = self.last.wrapping_add(1);
        let connection = ConnectionId(self.last);
        self.numbers.insert(client, connection);
        self.pointers.insert(connection, client);
        (connection, before)
    }

    /// The number of a client that is known.
    pub(super) fn number(&self, client: ClientPtr) -> Option<ConnectionId> {
        self.numbers.get(&client).copied()
    }

    /// Whether it has come.
    pub(super) fn presence(&self, client: ClientPtr) -> Presence {
        let present = self.present.get(&client).copied();
        present.unwrap_or(Presence::Away)
    }

    /// It may have all that it is subscribed to. The number it has, if it has one.
    pub(super) fn is_judged(&mut self, client: ClientPtr) -> Option<ConnectionId> {
        self.present.insert(client, Presence::Judged);
        self.number(client)
    }

    /// It has no number, and is as present as it was.
    pub(super) fn stays(&mut self, client: ClientPtr, presence: Presence) {
        if presence != Presence::Away {
            self.present.insert(client, presence);
        }
    }

    /// The client is gone: the number it had.
    pub(super) fn end(&mut self, client: ClientPtr) -> Option<ConnectionId> {
        self.present.remove(&client);
        let connection = self.numbers.remove(&client)?;
        self.pointers.remove(&connection);
        Some(connection)
    }

    /// The pointer of a connection that has not ended.
    pub(super) fn pointer(&self, connection: ConnectionId) -> Option<ClientPtr> {
        self.pointers.get(&connection).copied()
    }
}

#[cfg(test)]
mod tests {
    use std::ptr::NonNull;

    use super::*;

    #[test]
    fn memory_used_again_is_another_connection() {
        let client: ClientPtr = NonNull::dangling();
        let mut connections = Connections::default();
        let (first, none) = connections.begin(client);
        let (second, before) = connections.begin(client);
        assert_eq!((none, before), (None, Some(first)));
        assert_eq!(connections.pointer(first), None);
        assert_eq!(connections.pointer(second), Some(client));
    }

    #[test]
    fn whoever_is_asked_about_again_is_as_present_as_it_was() {
        let client: ClientPtr = NonNull::dangling();
        let mut connections = Connections::default();
        connections.begin_as_it_is(client);
        assert_eq!(connections.presence(client), Presence::Away);
        connections.begin(client);
        assert_eq!(connections.presence(client), Presence::Came);
        let number = connections.is_judged(client);
        assert!(number.is_some());
        connections.begin_as_it_is(client);
        assert_eq!(connections.presence(client), Presence::Judged);
        connections.end(client);
        assert_eq!(connections.presence(client), Presence::Away);
    }

    #[test]
    fn an_end_is_reported_once() {
        let client: ClientPtr = NonNull::dangling();
        let mut connections = Connections::default();
        let (first, _) = connections.begin(client);
        assert_eq!(connections.end(client), Some(first));
        assert_eq!(connections.end(client), None);
        assert!(connections.numbers.is_empty() && connections.pointers.is_empty());
        assert!(connections.present.is_empty());
    }
}
