//! PSK_KEY, and the clients that were given a key, until it is known how they go on.
//!
//! Must not: take a client's memory for the client. 2.1 does not tell of a handshake that failed, so what was
//! given is taken for a client's only where it comes from the same address to the same listener.

use std::ffi::c_int;

use super::broker::ClientPtr;
use super::plugin::{Main, Plugin};
use super::{abi, clock, event, logger};
use crate::request::{Certificate, ConnectionId};
use crate::verdict::KeyReply;

impl Plugin {
    /// PSK_KEY: a client names an identity, and the broker wants the key that it should have.
    pub(super) fn psk_key(
        &self,
        main: &Main,
        event: &mut abi::mosquitto_evt_psk_key,
    ) -> Option<c_int> {
        let client = ClientPtr::new(event.client)?;
        let known = main.connections.borrow().number(client);
        if known.is_some_and(|connection| self.engine.is_in(connection)) {
            // Nobody who is in shakes hands again.
            return None;
        }
        let (connection, before) = main.connections.borrow_mut().begin(client);
        if let Some(before) = before {
            self.engine.disconnected(before);
        }
        let reply = {
            let asked = event::key_asked(self.api, event, client, connection)?;
            self.engine.key(&asked, clock::now())
        };
        let code = match &reply {
            KeyReply::Key(key) if event::hand_over(event, key.to_hex().as_bytes()) => {
                abi::MOSQ_ERR_SUCCESS
            }
            KeyReply::Key(_) | KeyReply::Deny(_) => abi::MOSQ_ERR_AUTH,
            KeyReply::Defer => abi::MOSQ_ERR_PLUGIN_DEFER,
        };
        if code != abi::MOSQ_ERR_SUCCESS {
            self.forget(main, client);
        }
        // 2.0.11 with per_listener_settings never ticks.
        logger::flush(main.broker(), logger::FEW_LINES);
        Some(code)
    }

    /// The number of a client that was given a key, of which nobody has heard since.
    pub(super) fn waiting_by_key(&self, main: &Main, client: ClientPtr) -> Option<ConnectionId> {
        let connection = main.connections.borrow().number(client)?;
        let waits = event::with_client(self.api, client, connection, |client| {
            self.engine.waits_by_key(connection, client)
        });
        waits.unwrap_or(false).then_some(connection)
    }

    /// 2.0 tells of nobody who has entered without being asked about: it is met when it first wants something.
    /// Outside of its own events its memory may be gone, of which 2.0.11 does not tell either.
    pub(super) fn meet_keyed(&self, main: &Main, client: *mut abi::mosquitto) {
        // Nested, whoever is asked may be in the middle of an answer of ours.
        if self.api.since_2_1() || !self.engine.has_keys_waiting() || main.callbacks().is_nested() {
            return;
        }
        if let Some(client) = ClientPtr::new(client)
            && let Some(connection) = self.waiting_by_key(main, client)
        {
            self.met(main, connection, client);
        }
    }

    /// Somebody may be in by a key alone; whether it is.
    pub(super) fn met(&self, main: &Main, connection: ConnectionId, client: ClientPtr) -> bool {
        let entrant = event::entrant(self.api, &client, Certificate::None);
        let entered = entrant.and_then(|entrant| {
            self.engine
                .entered_by_key(connection, &entrant, clock::now())
        });
        if entered.is_some() {
            main.connections.borrow_mut().enters(client);
        }
        if let Some(Err(reason)) = entered {
            self.turn_out(main, client, reason);
        }
        entered.is_some()
    }

    /// Ends a connection that was given a key and was heard of: its end will be told.
    pub(super) fn end_keyed(&self, main: &Main, connection: ConnectionId) {
        let client = main.connections.borrow().pointer(connection);
        let Some(client) = client else {
            return;
        };
        let id = event::bytes(&client, Some(event::client_id(self.api, client)));
        let id = id.and_then(|id| std::ffi::CString::new(id).ok());
        if let Some(id) = id
            && main.broker().is_current(&id, client)
        {
            main.broker().kick(&id);
        }
    }
}
