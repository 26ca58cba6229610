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
    numbers: HashMap<ClientPtr, Numbered>,
    pointers: HashMap<ConnectionId, ClientPtr>,
    /// Those who have come, numbered or not.
    present: HashMap<ClientPtr, Presence>,
}

/// A number, and whether its client was let in. 2.1 does not tell of everybody who leaves before that, so that
/// until then the number may be one of somebody whose memory the client has.
#[derive(Clone, Copy)]
struct Numbered {
    connection: ConnectionId,
    is_in: bool,
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
        let is_in = false;
        self.numbers.insert(client, Numbered { connection, is_in });
        self.pointers.insert(connection, client);
        (connection, before)
    }

    /// The number of whoever was last asked about by this pointer.
    pub(super) fn number(&self, client: ClientPtr) -> Option<ConnectionId> {
        self.numbers.get(&client).map(|one| one.connection)
    }

    /// It is let in.
    pub(super) fn enters(&mut self, client: ClientPtr) {
        if let Some(one) = self.numbers.get_mut(&client) {
            one.is_in = true;
        }
    }

    /// The number of a client that was let in.
    pub(super) fn known(&self, client: ClientPtr) -> Option<ConnectionId> {
        let one = self.numbers.get(&client)?;
        one.is_in.then_some(one.connection)
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
        let Numbered { connection, .. } = self.numbers.remove(&client)?;
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
    fn whoever_was_not_let_in_leaves_no_number_that_counts_for_the_next() {
        let client: ClientPtr = NonNull::dangling();
        let mut connections = Connections::default();
        connections.enters(client);
        assert_eq!(connections.known(client), None);
        let (first, _) = connections.begin(client);
        assert_eq!(connections.number(client), Some(first));
        assert_eq!(connections.known(client), None);
        connections.enters(client);
        assert_eq!(connections.known(client), Some(first));
        connections.begin_as_it_is(client);
        assert_eq!(connections.known(client), None);
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
