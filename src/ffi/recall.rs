//! What the broker's thread remembers of accesses, by the broker's client pointers.
//!
//! Must not: believe a pointer. A client's memory is used again and its name can be changed, so names and
//! topic are compared byte for byte with what was found to be text; only then they are known.

use std::ffi::c_int;

use hashbrown::HashMap;

use super::abi;
use super::broker::{Api, ClientPtr};
use super::entrance::Met;
use super::event;
use crate::engine::{Engine, Memory, Seat, Subscribed};
use crate::policy::Asker;
use crate::request::{Access, Passage, Passing};
use crate::verdict::Permit;

/// What is remembered.
#[derive(Default)]
pub(super) struct Recall {
    seats: HashMap<ClientPtr, Seat>,
    memory: Memory,
}

impl Recall {
    /// The answer about a message; none where a name or the topic is no text. Whoever is not remembered is
    /// met first, and may have to go; and it is looked at what is known of its subscriptions.
    pub(super) fn ask(
        &mut self,
        api: &Api,
        engine: &Engine,
        event: &abi::mosquitto_evt_acl_check,
        to: Passing,
        meet: impl FnOnce(ClientPtr) -> Met,
        has: impl FnOnce(ClientPtr, &Access<'_>) -> Subscribed,
    ) -> Option<Permit> {
        let client = ClientPtr::new(event.client)?;
        let topic = event::bytes(event, Some(event.topic))?;
        self.memory.turn_to(topic).ok()?;
        let client_id = event::bytes(event, Some(event::client_id(api, client)));
        let username = event::bytes(event, Some(event::username(api, client)));
        let passage = Passage {
            to,
            qos: event.qos,
            retain: event.retain,
            payload: event.payloadlen,
        };
        if let Some(seat) = self.seats.get_mut(&client)
            && seat.is_of(client_id, username)
        {
            return Some(engine.may_again(passage, seat, &mut self.memory));
        }
        self.meet(api, engine, (event, client), passage, meet, has)
    }

    /// The same of whoever is not remembered.
    #[cold]
    fn meet(
        &mut self,
        api: &Api,
        engine: &Engine,
        (event, client): (&abi::mosquitto_evt_acl_check, ClientPtr),
        passage: Passage,
        meet: impl FnOnce(ClientPtr) -> Met,
        has: impl FnOnce(ClientPtr, &Access<'_>) -> Subscribed,
    ) -> Option<Permit> {
        let access = event::acl_check(api, event)?;
        let stays = match meet(client) {
            Met::In => true,
            Met::Gone => false,
            Met::Out(reason) => return Some(engine.turned_out(&access, reason)),
        };
        let asker = Asker {
            client_id: access.client_id,
            username: access.username,
        };
        let mut seat = Seat::of(asker, has(client, &access));
        let permit = engine.may_again(passage, &mut seat, &mut self.memory);
        if !stays {
            return Some(permit);
        }
        // The broker does not tell of every session's end.
        if self.seats.len() >= MOST
            && let Some(some) = self.seats.keys().next().copied()
        {
            self.seats.remove(&some);
        }
        self.seats.insert(client, seat);
        Some(permit)
    }

    /// The client is gone.
    pub(super) fn forget(&mut self, client: ClientPtr) {
        self.seats.remove(&client);
    }
}

/// Where a message goes that is asked about; none where it is no message.
pub(super) fn passing(access: c_int) -> Option<Passing> {
    match access {
        abi::MOSQ_ACL_READ => Some(Passing::ToClient),
        abi::MOSQ_ACL_WRITE => Some(Passing::FromClient),
        _ => None,
    }
}

/// So many clients are remembered, at a few hundred bytes each; of others it is found out each time how they
/// stand.
const MOST: usize = 200_000;
