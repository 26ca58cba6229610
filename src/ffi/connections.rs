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
}

impl Connections {
    /// A client that is being asked about: its number, and the one its memory had before.
    pub(super) fn begin(&mut self, client: ClientPtr) -> (ConnectionId, Option<ConnectionId>) {
        let before = self.end(client);
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

    /// The client is gone: the number it had.
    pub(super) fn end(&mut self, client: ClientPtr) -> Option<ConnectionId> {
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
    fn an_end_is_reported_once() {
        let client: ClientPtr = NonNull::dangling();
        let mut connections = Connections::default();
        let (first, _) = connections.begin(client);
        assert_eq!(connections.end(client), Some(first));
        assert_eq!(connections.end(client), None);
        assert!(connections.numbers.is_empty() && connections.pointers.is_empty());
    }
}
