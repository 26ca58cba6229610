//! Logins with certificates, and those whom BASIC_AUTH was not asked about: met at the first event that
//! names them.
//!
//! Must not: end a connection. Whoever may not stay is denied everything until the tick has ended it.

use std::cell::{Cell, RefCell};
use std::ffi::{CString, c_int};

use hashbrown::HashMap;

use super::broker::{Api, ClientPtr};
use super::callback::Purpose;
use super::certificate::{self, Shows};
use super::event::{self, BasicAuth};
use super::plugin::{Main, Plugin};
use super::{abi, clock};
use crate::engine::Named;
use crate::model::AccountName;
use crate::request::{Connect, ConnectionId};
use crate::verdict::{Reason, Verdict};

/// Those who are in by a certificate and may not be, and those who have just gone.
#[derive(Default)]
pub(super) struct Entrance {
    turned_out: RefCell<HashMap<ClientPtr, Reason>>,
    /// For the rest of a round the broker still asks about the will of whoever has gone, and about its
    /// subscriptions, and may still have its TLS connection then. Whoever might not be in stays here, for a
    /// will that waits, until its memory is somebody else's.
    gone: RefCell<HashMap<ClientPtr, Gone>>,
    /// 2.0.11 with per_listener_settings never comes to the end of a round.
    has_rounds: Cell<bool>,
    /// The broker tells what they want meanwhile.
    is_watched: Cell<bool>,
}

/// Who wants something.
pub(super) enum Met {
    /// Somebody who may be in.
    In,
    /// Somebody who has gone, and might be in. Its memory is another's next.
    Gone,
    /// Somebody who may not, or might not have been.
    Out(Reason),
}

/// Whoever has gone, by what it was judged by: its memory may be another's by now.
struct Gone {
    looks: Looks,
    was: Was,
    /// A client has one will, and nothing else to say.
    has_spoken: bool,
    /// The round is over.
    is_late: bool,
}

/// What there is to be seen of a client.
#[derive(PartialEq, Eq)]
struct Looks {
    client_id: Option<CString>,
    username: Option<CString>,
    address: Option<CString>,
    shows: Shows,
}

/// What was known of somebody who has gone.
#[derive(Clone, Copy)]
enum Was {
    /// It was met, and this is why it had to go, if it had to.
    Met(Option<Reason>),
    /// Nothing: 2.0 told of it nowhere, and it wanted nothing.
    Unmet,
}

impl Looks {
    fn of(api: &Api, client: ClientPtr, shows: Shows) -> Self {
        Self {
            client_id: event::owned(event::client_id(api, client)),
            username: event::owned(event::username(api, client)),
            address: event::owned(event::address_of(api, client)),
            shows,
        }
    }
}

impl Gone {
    /// Whether somebody who looks like this, and wants this, may still be it. 2.0.11 takes the TLS connection
    /// away before it asks about the will.
    fn may_be(&mut self, mut looks: Looks, access: c_int, is_nested: bool) -> bool {
        if looks.shows == Shows::Nothing {
            looks.shows.clone_from(&self.looks.shows);
        } else if self.is_late {
            return false;
        }
        let may_want = match access {
            abi::MOSQ_ACL_WRITE => !std::mem::replace(&mut self.has_spoken, true),
            abi::MOSQ_ACL_READ => true,
            // Looked at again while it is ended.
            _ => is_nested,
        };
        may_want && self.looks == looks
    }

    fn might_be_in(&self) -> bool {
        matches!(self.was, Was::Met(None))
    }
}

impl Entrance {
    /// A round begins.
    pub(super) fn round(&self) {
        self.has_rounds.set(true);
        self.gone.borrow_mut().retain(|_, gone| {
            gone.is_late = true;
            !gone.might_be_in()
        });
    }

    /// The client has gone, or is another one.
    pub(super) fn forget(&self, client: ClientPtr) {
        self.turned_out.borrow_mut().remove(&client);
    }

    /// Whether the broker was asked to tell what they want meanwhile.
    pub(super) fn is_watched(&self) -> bool {
        self.is_watched.get()
    }

    /// Somebody wants something, and nothing is decided about access: not whoever may not be in.
    pub(super) fn held_up(&self, client: *mut abi::mosquitto) -> c_int {
        match ClientPtr::new(client).and_then(|client| self.reason(client)) {
            Some(_) => abi::MOSQ_ERR_ACL_DENIED,
            None => abi::MOSQ_ERR_SUCCESS,
        }
    }

    fn reason(&self, client: ClientPtr) -> Option<Reason> {
        self.turned_out.borrow().get(&client).copied()
    }
}

impl Plugin {
    /// What a client that wants to log in has shown, where that counts. The HTTP API's clients, on a thread of
    /// their own, have nothing to show.
    pub(super) fn shows(&self, main: Option<&Main>, client: Option<ClientPtr>) -> Shows {
        match main.and(client) {
            Some(client) if self.engine.reads_certificates() => {
                certificate::of(self.api, client, true)
            }
            Some(_) | None => Shows::Nothing,
        }
    }

    /// The verdict on a login. Whoever is let in by a certificate has the name of its account.
    pub(super) fn login(
        &self,
        place: Option<(&Main, ClientPtr)>,
        request: &BasicAuth<'_>,
    ) -> Verdict {
        let (connect, now) = (&request.connect, clock::now());
        if let Some(reason) = request.fault {
            return self.engine.refuse(connect, reason, now);
        }
        let (name, method) = match self.engine.named(connect) {
            Named::AsItSays => return self.engine.connect(connect, now),
            Named::Refused(reason) => return self.engine.refuse(connect, reason, now),
            Named::As(name, method) => (name, method),
        };
        let verdict = self.engine.connect(
            &Connect {
                username: Some(name.as_str()),
                method,
                ..*connect
            },
            now,
        );
        let is_in = matches!(verdict, Verdict::Allow | Verdict::Pending);
        // One that sent another name was refused, so nothing is taken from under the event.
        let is_named =
            || place.is_some_and(|(main, client)| self.is_named(main, client, name.as_str()));
        if is_in && !is_named() {
            return Verdict::Deny(Reason::BadRequest);
        }
        verdict
    }

    /// CONNECT: the client is in. Whoever BASIC_AUTH did not ask about is met here.
    pub(super) fn connected(&self, main: &Main, client: *mut abi::mosquitto) -> c_int {
        let Some(client) = ClientPtr::new(client) else {
            return abi::MOSQ_ERR_SUCCESS;
        };
        let is_known = match self.waiting_by_key(main, client) {
            // If not, its memory was another one's, which never came so far.
            Some(connection) => self.met(main, connection, client),
            None => self.is_known(main, client),
        };
        if !is_known {
            let shows = certificate::of(self.api, client, self.engine.reads_certificates());
            self.enter(main, client, &shows);
            // Without a username it is nobody's account, and at a listener of ours.
            if !self.is_known(main, client) {
                self.begins(main, client);
            }
        }
        abi::MOSQ_ERR_SUCCESS
    }

    /// Whoever has a certificate and is not known wants something: 2.0 told of it nowhere, and 2.1 shows it
    /// what has been kept for it before it tells.
    pub(super) fn meet(&self, main: &Main, client: ClientPtr, access: c_int) -> Met {
        let entrance = &main.entrance;
        if !self.is_known(main, client) {
            if let Some(met) = self.meet_gone(main, client, access) {
                return met;
            }
            let shows = certificate::of(self.api, client, self.engine.reads_certificates());
            if !matches!(shows, Shows::Nothing) {
                self.enter(main, client, &shows);
            }
        }
        entrance.reason(client).map_or(Met::In, Met::Out)
    }

    /// The same of whoever has just gone, which is judged now if nobody has.
    fn meet_gone(&self, main: &Main, client: ClientPtr, access: c_int) -> Option<Met> {
        let entrance = &main.entrance;
        let mut gone = entrance.gone.borrow_mut().remove(&client)?;
        let shows = certificate::of(self.api, client, self.engine.reads_certificates());
        let looks = Looks::of(self.api, client, shows);
        if !gone.may_be(looks, access, main.callbacks().is_nested()) {
            return None;
        }
        let reason = match gone.was {
            Was::Met(reason) => reason,
            Was::Unmet => {
                self.enter(main, client, &gone.looks.shows);
                let reason = entrance.reason(client);
                self.forget(main, client);
                reason
            }
        };
        gone.was = Was::Met(reason);
        entrance.gone.borrow_mut().insert(client, gone);
        Some(reason.map_or(Met::Gone, Met::Out))
    }

    /// The client goes: what is asked about it from now on is about nobody who is in.
    pub(super) fn leaves(&self, main: &Main, client: ClientPtr) {
        // Nobody can look for whoever came by a key when its key is forgotten.
        self.meet_keyed(main, client.as_ptr());
        let entrance = &main.entrance;
        let reason = entrance.reason(client);
        let shows = certificate::of(self.api, client, self.engine.reads_certificates());
        let is_known = self.is_known(main, client);
        let mut gone = entrance.gone.borrow_mut();
        if !entrance.has_rounds.get() {
            gone.retain(|_, gone| !gone.might_be_in());
        }
        if reason.is_some() || shows != Shows::Nothing {
            let one = Gone {
                looks: Looks::of(self.api, client, shows),
                was: if is_known {
                    Was::Met(reason)
                } else {
                    Was::Unmet
                },
                has_spoken: false,
                is_late: false,
            };
            gone.insert(client, one);
        } else if is_known {
            gone.remove(&client);
        }
    }

    fn enter(&self, main: &Main, client: ClientPtr, shows: &Shows) {
        let Some(entrant) = event::entrant(self.api, &client, shows.as_request()) else {
            return;
        };
        main.entrance.gone.borrow_mut().remove(&client);
        let connection = self.begins(main, client);
        if let Err(reason) = self.engine.entered(connection, &entrant, clock::now()) {
            self.turn_out(main, client, reason);
        }
    }

    /// Whether a client was let in. Since 2.1 nobody tells of whoever the broker itself refuses after that, where
    /// there are too many or the keepalive is too long: another name is another client.
    fn is_known(&self, main: &Main, client: ClientPtr) -> bool {
        let Some(known) = main.connections.borrow().known(client) else {
            return false;
        };
        let is_it = |name: AccountName| event::has_name(self.api, client, name.as_str());
        !self.api.since_2_1() || self.engine.account_of(known).is_none_or(is_it)
    }

    /// Somebody is in, whoever had its memory before.
    fn begins(&self, main: &Main, client: ClientPtr) -> ConnectionId {
        let mut connections = main.connections.borrow_mut();
        let (connection, before) = connections.begin(client);
        connections.enters(client);
        drop(connections);
        if let Some(before) = before {
            self.engine.disconnected(before);
        }
        connection
    }

    /// The client is in and may not be. Where the broker asks nobody about access it tells what clients want
    /// from the first of them on; 2.0 told of none there.
    pub(super) fn turn_out(&self, main: &Main, client: ClientPtr, reason: Reason) {
        let Entrance {
            turned_out,
            is_watched,
            ..
        } = &main.entrance;
        turned_out.borrow_mut().insert(client, reason);
        if self.api.since_2_1() && !self.engine.has_acl() && !is_watched.replace(true) {
            super::register_later(self, main, Purpose::Unwelcome);
        }
    }
}
