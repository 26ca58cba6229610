//! Doorman's own database as it is asked what somebody may do.
//!
//! Must not: read rules while it is asked. The roles and groups there are, compiled, are swapped in whole
//! by the watcher; asking looks up by number who holds what.
#![forbid(unsafe_code)]

use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::ArcSwap;
use jiff::Timestamp;

use super::connection::Slot;
use super::query::grants::{self, Held};
use crate::policy::{Asker, Book, Compiler, Defaults, GroupId, Holding, Priority, RoleId, TooNew};
use crate::store::{Error, Granted, Grantor, Named};

/// The roles of a database.
pub(super) struct RoleGrantor {
    slot: Arc<Slot>,
    book: ArcSwap<Book>,
    /// For whoever waits, and for the watcher: neither waits for the other.
    quick: Mutex<Compiler>,
    thorough: Mutex<Compiler>,
}

impl RoleGrantor {
    pub(super) fn new(slot: Arc<Slot>, book: Book) -> Self {
        Self {
            slot,
            book: ArcSwap::from_pointee(book),
            quick: Mutex::new(Compiler::quick()),
            thorough: Mutex::new(Compiler::thorough()),
        }
    }

    /// Puts other roles and groups in force. Those before are the caller's to take apart, once nobody
    /// asks them any more.
    pub(super) fn replace(&self, book: Book) -> Arc<Book> {
        self.book.swap(Arc::new(book))
    }

    fn compile(
        &self,
        compiler: &Mutex<Compiler>,
        book: &Book,
        defaults: Defaults,
        holding: Holding,
        now: Timestamp,
    ) -> Result<Granted, Error> {
        let unknown = |error: TooNew| Error::Unavailable {
            path: self.slot.path().to_owned(),
            why: error.to_string(),
        };
        let holder = book.holder(&holding).map_err(unknown)?;
        // A panic elsewhere leaves what it shares whole.
        let mut compiler = compiler.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(Granted {
            rights: compiler.rights(&holder, defaults, now),
            holding,
        })
    }
}

impl Grantor for RoleGrantor {
    fn grant(&self, asker: Asker<'_>, now: Timestamp) -> Result<Option<Granted>, Error> {
        // Read before the database is: what is held then may be too new, never too old.
        let book = self.book.load();
        let holding = match asker.username {
            None => book.anonymous(),
            Some(username) => {
                let held = self
                    .slot
                    .ask(|connection| grants::held(connection, username))?;
                if held.is_empty() {
                    return Ok(None);
                }
                holding(&held)
            }
        };
        self.compile(&self.quick, &book, book.defaults, holding, now)
            .map(Some)
    }

    fn renew(&self, granted: &Granted, now: Timestamp) -> Result<Granted, Error> {
        let book = self.book.load();
        let holding = granted.holding.clone();
        self.compile(&self.thorough, &book, book.defaults, holding, now)
    }

    fn named(&self, roles: &[Box<str>], now: Timestamp) -> Result<Option<Named>, Error> {
        let book = self.book.load();
        let (mut holding, mut unknown) = (Holding::default(), Vec::new());
        for name in roles {
            match self.slot.ask(|connection| grants::role(connection, name))? {
                Some(id) => holding.roles.push((RoleId(id), Priority::MEMBER)),
                None => unknown.push(name.clone()),
            }
        }
        let granted = self.compile(&self.quick, &book, Defaults::DENY, holding, now)?;
        let rights = granted.rights;
        Ok(Some(Named { rights, unknown }))
    }

    fn asks_client_id(&self) -> bool {
        false
    }

    fn is_asked_at_login(&self) -> bool {
        false
    }
}

fn holding(held: &[Held]) -> Holding {
    let of = |kind| held.iter().filter(move |held| held.kind == kind);
    let priority = |held: &Held| Priority::clamped(held.priority);
    Holding {
        roles: of(grants::ROLE)
            .map(|held| (RoleId(held.id), priority(held)))
            .collect(),
        groups: of(grants::GROUP)
            .map(|held| (GroupId(held.id), priority(held)))
            .collect(),
    }
}
