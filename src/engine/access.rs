//! "May this client do that?": a look at how the client stands, and into the rules that go with it.
//!
//! Must not: wait, or write to the log. The broker asks for each message and each subscriber, on the
//! thread of its HTTP API too, and in the middle of whatever it is doing: where its log is published,
//! it asks while it writes a line of ours. Only how a client stands that nobody has seen is asked of
//! the sources here, once: whoever has a certificate comes in without being announced.
#![forbid(unsafe_code)]

use std::sync::Arc;
use std::sync::atomic::Ordering;

use jiff::Timestamp;

use super::standing::{Says, Standing, Whose};
use super::{Engine, Found, lock};
use crate::admission::{self, Approach, Fact};
use crate::config::UnknownUser;
use crate::model::Account;
use crate::policy::acl_file::{self, AclFile};
use crate::policy::{
    Again, Asker, Because, Decision, Filter, Message, Permission, Qos, Question, Rights, Topic,
};
use crate::request::{Access, Action};
use crate::store::acl_file::AclSource;
use crate::store::{self, Opinion};
use crate::verdict::{Denial, Permit, Reason};

/// How somebody stands that has not been looked at before.
pub(super) struct First {
    pub(super) standing: Arc<Standing>,
    /// Whether there was room for it; if not, nobody is told when it changes.
    pub(super) is_kept: bool,
}

impl Engine {
    /// "May this client do that?" Nothing is allocated for whoever may and has asked before.
    pub fn may(&self, access: &Access<'_>) -> Permit {
        if !self.has_acl() {
            // Not registered for; whoever asks nevertheless gets no grant from us.
            return self.deny(access, Denial::NoRule);
        }
        let Some(question) = question(access) else {
            return self.deny(access, Denial::BadRequest);
        };
        let asker = Asker {
            client_id: access.client_id,
            username: access.username,
        };
        if let Some(file) = self.sole_file() {
            return self.by_file(file, access, asker, &question).0;
        }
        let judge = |standing: &Standing| self.judge_access(standing, access, asker, &question).0;
        match self.standings.look(asker, judge) {
            Some(permit) => permit,
            None => judge(&self.stand_first(asker).standing),
        }
    }

    /// The file that decides about everybody, whoever they are: there is nobody else to ask, and no
    /// account that could be switched off.
    pub(super) fn sole_file(&self) -> Option<&AclSource> {
        match self.authorities.len() {
            1 if !self.has_states => self.authorities.file(),
            _ => None,
        }
    }

    /// The answer, and what of it may be told again.
    pub(super) fn judge_access(
        &self,
        standing: &Standing,
        access: &Access<'_>,
        asker: Asker<'_>,
        question: &Question<'_>,
    ) -> (Permit, Option<Again>) {
        self.judge_by(&standing.says, access, asker, question)
    }

    fn judge_by(
        &self,
        says: &Says,
        access: &Access<'_>,
        asker: Asker<'_>,
        question: &Question<'_>,
    ) -> (Permit, Option<Again>) {
        let permit = match says {
            Says::ByToken(token) => {
                if let (Some(reason), Action::Publish | Action::Receive) =
                    (token.over, access.action)
                {
                    return (self.deny(access, Denial::Account(reason)), None);
                }
                let permit = token.decide(asker, question).map(|decided| match decided {
                    (_, decision) if decision.permission == Permission::Allow => Permit::Allow,
                    (rights, decision) => self.deny(access, by_role(rights, decision)),
                });
                permit.unwrap_or_else(|| self.judge_by(&token.then, access, asker, question).0)
            }
            Says::Granted { granted, .. } => {
                let (decision, again) = granted.rights.decide(asker, question);
                let permit = match decision.permission {
                    Permission::Allow => Permit::Allow,
                    Permission::Deny => self.deny(access, by_role(&granted.rights, decision)),
                };
                return (permit, again);
            }
            Says::File => match self.authorities.file() {
                Some(file) => return self.by_file(file, access, asker, question),
                None => self.deny(access, Denial::NoRule),
            },
            Says::Refused(reason) => self.deny(access, Denial::Account(*reason)),
            // As with a login: who is not ours is left to whoever is asked next.
            Says::Nobody if asker.username.is_none() => Permit::Defer,
            Says::Nobody => match self.unknown_user {
                UnknownUser::Defer => Permit::Defer,
                UnknownUser::Deny => self.deny(access, Denial::Account(Reason::UnknownUser)),
            },
        };
        (permit, None)
    }

    pub(super) fn by_file(
        &self,
        file: &AclSource,
        access: &Access<'_>,
        asker: Asker<'_>,
        question: &Question<'_>,
    ) -> (Permit, Option<Again>) {
        let rules = file.in_force();
        let (decision, again) = rules.decide(asker, question);
        let permit = match decision.permission {
            Permission::Allow => Permit::Allow,
            Permission::Deny => self.deny(access, by_line(&rules, decision)),
        };
        (permit, again)
    }

    pub(super) fn deny(&self, access: &Access<'_>, why: Denial<'_>) -> Permit {
        self.denials.note(access, why);
        Permit::Deny
    }

    /// Somebody logs in: from here on it stands somehow, whether it ever asks or not.
    pub(super) fn stand_at_login(&self, client_id: &str, found: &Found, now: Timestamp) {
        let Some(account) = &found.account else {
            return;
        };
        if self.sole_file().is_some() || !self.has_acl() {
            return;
        }
        let asker = Asker {
            client_id: Some(client_id),
            username: Some(account.name.as_str()),
        };
        let is_asked = |standing: &Standing| match &standing.says {
            Says::Granted { authority, .. } => {
                let grantor = self.authorities.grantor(*authority);
                grantor.is_some_and(|grantor| grantor.is_asked_at_login())
            }
            // A token counts no more, or is another one; and whoever is let in is not refused any more.
            Says::ByToken(_) | Says::Refused(_) => true,
            Says::File | Says::Nobody => false,
        };
        if self.standings.look(asker, is_asked) == Some(false) {
            return;
        }
        let stands = self.stand_of(Some(account), asker, now);
        self.stand_from_now(asker, stands, found.revision);
    }

    /// How somebody stands who has not asked before, or not for long.
    pub(super) fn stand_first(&self, asker: Asker<'_>) -> First {
        let revision = self.revision.load(Ordering::Acquire);
        let found = self.stand(asker, (self.clock)().wall);
        self.stand_from_now(asker, found, revision)
    }

    pub(super) fn stand_from_now(
        &self,
        asker: Asker<'_>,
        found: Result<(Says, Whose), store::Error>,
        revision: u64,
    ) -> First {
        let key = self.standings.key(asker);
        let unannounced = match asker.username {
            Some(username) => !lock(&self.sessions).knows(username),
            None => true,
        };
        let is_sure = found.is_ok();
        let (says, whose) = found.unwrap_or_else(|error| {
            log::warn!("{error}");
            (Says::Refused(Reason::SourceUnavailable), Whose::Nobodys)
        });
        let is_rough = matches!(&says, Says::Granted { granted, .. } if granted.rights.is_rough());
        let is_kept = self.standings.has_room(&key, &says, whose);
        let standing = Arc::new(Standing::new(says, whose, unannounced));
        if !is_kept {
            return First { standing, is_kept };
        }
        self.standings.put(key.clone(), Arc::clone(&standing));
        // After it was put: whoever reports a change now finds it, and whoever did before has counted.
        if !is_sure || is_rough || self.revision.load(Ordering::Acquire) != revision {
            self.standings.doubt(key);
        }
        First { standing, is_kept }
    }

    /// How somebody stands now: the account first, then the first of the authorities that has something
    /// to say. And whose standing that is.
    pub(super) fn stand(
        &self,
        asker: Asker<'_>,
        now: Timestamp,
    ) -> Result<(Says, Whose), store::Error> {
        let account = match asker.username {
            Some(username) => self.known(username, asker.client_id)?,
            None => None,
        };
        let account = account.as_ref().map(|(account, _)| account);
        self.stand_of(account, asker, now)
    }

    pub(super) fn stand_of(
        &self,
        account: Option<&Account>,
        asker: Asker<'_>,
        now: Timestamp,
    ) -> Result<(Says, Whose), store::Error> {
        let (says, whose) = self.stand_by_account(account, asker, now)?;
        Ok((self.with_token(asker, says, now)?, whose))
    }

    fn stand_by_account(
        &self,
        account: Option<&Account>,
        asker: Asker<'_>,
        now: Timestamp,
    ) -> Result<(Says, Whose), store::Error> {
        let Some(account) = account else {
            return Ok((self.granted(asker, now)?, Whose::Nobodys));
        };
        let ends = [account.valid_from, account.valid_until];
        let changes_at = ends.into_iter().flatten().filter(|end| now < *end).min();
        let whose = Whose::Accounts { changes_at };
        // Where it comes from was looked at when it came.
        let approach = Approach {
            client_id: Fact::Open,
            ip: Fact::Open,
        };
        match admission::admit(account, approach, now) {
            Err(reason) => Ok((Says::Refused(reason), whose)),
            Ok(()) => Ok((self.granted(asker, now)?, whose)),
        }
    }

    fn granted(&self, asker: Asker<'_>, now: Timestamp) -> Result<Says, store::Error> {
        let opinion = self.authorities.opinion(asker, now)?;
        Ok(match opinion.or_else(|| self.authorities.last_resort()) {
            Some(Opinion::File(..)) => Says::File,
            Some(Opinion::Granted {
                authority, granted, ..
            }) => Says::Granted { authority, granted },
            None => Says::Nobody,
        })
    }
}

/// What is asked, if it can be: a topic or a filter that no client can send is not judged.
pub(super) fn question<'a>(access: &Access<'a>) -> Option<Question<'a>> {
    let filter = || Filter::new(access.topic).ok();
    match access.action {
        Action::Publish | Action::Receive => passage(access, Topic::new(access.topic).ok()?),
        Action::Subscribe => Some(Question::Subscribe(filter()?, Qos::of(access.qos)?)),
        Action::Unsubscribe => {
            Qos::of(access.qos)?;
            Some(Question::Unsubscribe(filter()?))
        }
    }
}

/// What is asked about a message to this topic.
pub(super) fn passage<'a>(access: &Access<'_>, topic: Topic<'a>) -> Option<Question<'a>> {
    let message = Message {
        qos: Qos::of(access.qos)?,
        retain: access.retain,
        payload: access.payload,
    };
    match access.action {
        Action::Publish => Some(Question::Send(topic, message)),
        Action::Receive => Some(Question::Receive(topic, message)),
        Action::Subscribe | Action::Unsubscribe => None,
    }
}

fn by_role(rights: &Rights, decision: Decision) -> Denial<'_> {
    let role = |grant: usize| rights.grants().get(grant).map(|grant| &grant.role);
    match decision.because {
        Because::Rule { grant, rule } => {
            let rule = role(grant).and_then(|role| Some((role, role.rules().get(rule)?)));
            rule.map_or(Denial::NoRule, |(role, rule)| Denial::Role {
                role: role.name(),
                acl_type: rule.acl_type().as_str(),
                topic: rule.template().as_str(),
            })
        }
        Because::WildcardSubscription { grant } => role(grant).map_or(Denial::NoRule, |role| {
            Denial::WildcardSubscription(role.name())
        }),
        Because::Default | Because::Control => Denial::NoRule,
    }
}

fn by_line(rules: &AclFile, decision: acl_file::Decision) -> Denial<'static> {
    match decision.because {
        acl_file::Because::Rule(index) => match rules.rules().get(index) {
            Some(rule) => Denial::Line(rule.line),
            None => Denial::NoRule,
        },
        acl_file::Because::UnsafeName => Denial::UnsafeName,
        acl_file::Because::NoRule | acl_file::Because::AlwaysGranted => Denial::NoRule,
    }
}
