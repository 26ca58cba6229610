//! Subscriptions that outlive the connection in which somebody was asked about them: of sessions that wait, that
//! were restored from disk, or that somebody else comes back to.
//!
//! Must not: believe that they are allowed. The broker looks at a session's subscriptions when it is told to, by
//! client id, and while its client is away; until then, and for as long as a client is in whose session was not
//! looked at, each message to it has to be one that it may subscribe to today.
#![forbid(unsafe_code)]

use std::sync::atomic::Ordering;

use super::sessions::Kept;
use super::standing::{Says, Standing};
use super::{Engine, lock};
use crate::model::AccountName;
use crate::policy::{Asker, Filter, Permission, Qos, Question, can_be_kept};
use crate::request::{Access, Action, ConnectionId, Occasion};
use crate::verdict::{Denial, Permit};

/// Whether somebody was asked about what a client is subscribed to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Subscribed {
    /// It was found that it may have all of them. If that changes its connection ends.
    Judged,
    /// Some may be from before it came.
    Inherited,
    /// It has not come: they wait for it.
    Waiting,
}

impl Engine {
    /// What is known of a session that begins now, or that waits already.
    pub(super) fn known_of(&self, occasion: Occasion) -> Kept {
        match occasion {
            Occasion::Again => Kept::Away,
            Occasion::Now | Occasion::Later if self.has_acl() => Kept::Unknown,
            Occasion::Now | Occasion::Later => Kept::Known,
        }
    }

    /// The broker has no subscriptions of this client from before it came.
    pub fn begins_anew(&self, connection: ConnectionId) {
        lock(&self.sessions).begins_anew(connection);
    }

    /// Whether this user may have all subscriptions of the session that it has come back to.
    #[must_use]
    pub fn has_judged(&self, username: Option<&str>, client_id: Option<&str>) -> bool {
        client_id.is_some_and(|id| lock(&self.sessions).has_judged(username, id))
    }

    /// Whether a client may be sent what its subscriptions bring. Where nobody knows of those of a session that
    /// waits, the broker is told to look at them.
    pub(super) fn is_sure_of(&self, subscriptions: Subscribed, access: &Access<'_>) -> bool {
        // A file that decides alone judges each message, whatever brings it.
        if !self.has_acl() || self.sole_file().is_some() {
            return true;
        }
        match (subscriptions, access.action) {
            (Subscribed::Judged, _) => true,
            (Subscribed::Inherited, _) => false,
            (Subscribed::Waiting, Action::Receive) => self.has_looked_at(access),
            // Its will, or a message that it has left.
            (Subscribed::Waiting, Action::Publish | Action::Subscribe | Action::Unsubscribe) => {
                false
            }
        }
    }

    fn has_looked_at(&self, access: &Access<'_>) -> bool {
        let (Some(client_id), Ok(owner)) = (
            access.client_id,
            access.username.map(AccountName::new).transpose(),
        ) else {
            return false;
        };
        let mut sessions = lock(&self.sessions);
        if sessions.has_judged(access.username, client_id) {
            return true;
        }
        sessions.is_found(owner, client_id);
        self.something_to_do.store(true, Ordering::Release);
        false
    }

    /// A message to somebody has to be one that it may read, and that it may subscribe to by some filter.
    pub(super) fn judge_kept(
        &self,
        standing: &Standing,
        access: &Access<'_>,
        asker: Asker<'_>,
        question: &Question<'_>,
    ) -> Permit {
        let (permit, _) = self.judge_access(standing, access, asker, question);
        let Question::Receive(topic, _) = *question else {
            return permit;
        };
        let rights = standing.says.rights();
        let allows = |filter: Filter<'_>| standing.says.lets_subscribe(asker, filter);
        match permit {
            Permit::Allow if !can_be_kept(&rights, asker, topic, allows) => {
                self.deny(access, Denial::NoRule)
            }
            Permit::Allow | Permit::Deny | Permit::Defer => permit,
        }
    }
}

impl Says {
    /// Whether roles let somebody subscribe, where they have a say: a file judges each message.
    fn lets_subscribe(&self, asker: Asker<'_>, filter: Filter<'_>) -> bool {
        let question = Question::Subscribe(filter, Qos::AtMostOnce);
        match self {
            Self::Granted { granted, .. } => {
                granted.rights.check(asker, &question).permission == Permission::Allow
            }
            Self::ByToken(token) => match token.decide(asker, &question) {
                Some((_, decision)) => decision.permission == Permission::Allow,
                None => token.then.lets_subscribe(asker, filter),
            },
            Self::File | Self::Refused(_) | Self::Nobody => true,
        }
    }
}
