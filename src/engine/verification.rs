//! Finding out whether a password fits: remembered, on a worker, or here and now.
//!
//! Must not: let the way decide the answer. Whatever found it out, [`Engine::conclude`] judges, and
//! what a worker found is held against the account as it is then, not as it was.
#![forbid(unsafe_code)]

use std::time::Duration;

use super::pending::{Outcome, Stub, Tags, Ticket};
use super::{Engine, approach, lock, settle};
use crate::admission;
use crate::config::{Hashing, UnknownUser};
use crate::credential::{Credential, Match, Scratch};
use crate::model::{Account, AccountName, StoredCredential};
use crate::pool::{Answer, Pool, Rank, Step, Task};
use crate::request::{Connect, Now, Occasion};
use crate::secret::Secret;
use crate::show::Shown;
use crate::verdict::{Deferral, Effect, Reason, Verdict};
use crate::verified::Tag;

/// What there is to do for one password.
struct Plan {
    steps: Vec<Step>,
    /// What each step is about.
    tags: Vec<Tags>,
    slow: bool,
}

/// Whether the password fitted, and what.
#[derive(Clone, Copy)]
pub(super) enum Fit {
    /// This stored credential of the account.
    Credential(Tag),
    /// None that can be used.
    None,
}

impl Engine {
    /// What is already known about this password: it fits, or it was refused a moment ago.
    pub(super) fn remembered(&self, account: &Account, password: &[u8], now: Now) -> Option<Fit> {
        let mut verified = lock(&self.verified);
        account.credentials().find_map(|stored| {
            let tags = verified.tags(&account.name, stored, password);
            verified.holds(&tags, now.mono).then_some(Fit::Credential(tags.credential))
        })
    }

    /// Verifies a password that nothing is known about.
    pub(super) fn verify(
        &self,
        connect: &Connect<'_>,
        username: &str,
        account: Option<&Account>,
        password: &[u8],
        now: Now,
    ) -> Verdict {
        let plan = self.plan(username, account, password);
        let refused = plan.tags.iter().all(|tags| lock(&self.verified).refuses(tags, now.mono));
        match &*lock_read(&self.pool) {
            Some(pool) if self.is_for_workers(connect, &plan) => {
                if account.is_none() && self.unknown_user == UnknownUser::Defer {
                    // Whoever is asked next can only be asked now.
                    return Verdict::Defer(Deferral::UnknownUser);
                }
                if refused { self.hold(connect, plan, now) } else { self.submit(pool, connect, plan, password, now) }
            }
            Some(_) | None if refused => self.conclude(connect, account, &plan.tags, Fit::None, now),
            Some(_) | None => self.verify_here(connect, account, &plan, password, now),
        }
    }

    fn is_for_workers(&self, connect: &Connect<'_>, plan: &Plan) -> bool {
        connect.occasion == Occasion::Later
            && connect.client.id.is_some()
            && match self.hashing {
                Hashing::Auto => plan.slow,
                Hashing::Worker => true,
                Hashing::Inline => false,
            }
    }

    fn plan(&self, username: &str, account: Option<&Account>, password: &[u8]) -> Plan {
        let mut plan = Plan { steps: Vec::new(), tags: Vec::new(), slow: false };
        let verified = lock(&self.verified);
        for (account, stored) in
            account.into_iter().flat_map(|a| a.credentials().map(move |stored| (a, stored)))
        {
            match Credential::parse(stored, &self.limits) {
                Ok(credential) => {
                    plan.slow |= credential.cost().is_slow();
                    plan.steps.push(Step::Verify(credential));
                    plan.tags.push(verified.tags(&account.name, stored, password));
                }
                Err(error) => {
                    let name = Shown(username);
                    log::warn!("the credential of {name} cannot be used: {error}");
                }
            }
        }
        if plan.steps.is_empty()
            && let Ok(name) = AccountName::new(username)
        {
            let cost = self.decoys.cost(username);
            plan.slow = cost.is_slow();
            plan.steps.push(Step::Burn(cost));
            plan.tags.push(verified.tags(&name, &StoredCredential::marked(""), password));
        }
        plan
    }

    fn submit(
        &self,
        pool: &Pool,
        connect: &Connect<'_>,
        plan: Plan,
        password: &[u8],
        now: Now,
    ) -> Verdict {
        let Some(deadline) = now.mono.checked_add(self.pending_timeout) else {
            return Verdict::Deny(Reason::Busy);
        };
        let issued = lock(&self.pending).issue(connect, plan.tags, Outcome::Open, deadline);
        let Some(Stub { id, wanted }) = issued else { return Verdict::Deny(Reason::Busy) };
        let task = Task {
            ticket: id,
            rank: Rank::New,
            steps: plan.steps,
            password: Secret::new(password.to_vec()),
            wanted,
        };
        match pool.submit(task) {
            Ok(()) => Verdict::Pending,
            Err(full) => {
                // The task that is out of place may be another's; whose it is is refused.
                let refused = lock(&self.pending).claim(full.0.ticket);
                if full.0.ticket == id {
                    return Verdict::Deny(Reason::Busy);
                }
                if let Some(ticket) = refused {
                    self.complete(&ticket, Verdict::Deny(Reason::Busy));
                }
                Verdict::Pending
            }
        }
    }

    /// A password that was refused a moment ago is refused again, after as long as it took then.
    fn hold(&self, connect: &Connect<'_>, plan: Plan, now: Now) -> Verdict {
        let until = now.mono.checked_add(HELD).unwrap_or(now.mono);
        match lock(&self.pending).issue(connect, plan.tags, Outcome::Refused, until) {
            Some(_) => Verdict::Pending,
            None => Verdict::Deny(Reason::Busy),
        }
    }

    fn verify_here(
        &self,
        connect: &Connect<'_>,
        account: Option<&Account>,
        plan: &Plan,
        password: &[u8],
        now: Now,
    ) -> Verdict {
        if !lock(&self.budget).allows(now.mono) {
            return match account {
                None => self.unknown_now(),
                Some(_) => Verdict::Deny(Reason::Busy),
            };
        }
        let mut scratch = Scratch::default();
        let fits = plan.steps.iter().position(|step| match step {
            Step::Verify(credential) => credential.verify_with(password, &mut scratch) == Match::Yes,
            Step::Burn(cost) => {
                cost.burn_with(password, &mut scratch);
                false
            }
        });
        let after = (self.clock)();
        lock(&self.budget).spend(after.mono.saturating_duration_since(now.mono));
        let fit = fit(&plan.tags, fits);
        self.conclude(connect, account, &plan.tags, fit, now)
    }

    /// A worker's answers and the tickets that are due, each told to its client.
    pub(super) fn settle_pending(&self, answers: Vec<Answer>, now: Now) {
        for answer in answers {
            // A ticket that is dead is nobody's any more.
            let Some(ticket) = lock(&self.pending).claim(answer.ticket) else { continue };
            let fit = fit(&ticket.tags, answer.fits);
            let verdict = match self.account(&ticket.username, Some(&ticket.client_id)) {
                Ok(account) => {
                    self.conclude(&ticket.connect(), account.as_ref(), &ticket.tags, fit, now)
                }
                Err(error) => {
                    log::warn!("{error}");
                    Verdict::Deny(Reason::SourceUnavailable)
                }
            };
            self.complete(&ticket, verdict);
        }
        let due = lock(&self.pending).due(now.mono);
        for ticket in due {
            let reason = match ticket.outcome() {
                Outcome::Open => Reason::TimedOut,
                Outcome::Refused => Reason::BadPassword,
            };
            self.complete(&ticket, Verdict::Deny(reason));
        }
    }

    fn complete(&self, ticket: &Ticket, verdict: Verdict) {
        // Nobody is asked after this: what is left open is refused.
        let verdict = match verdict {
            Verdict::Allow | Verdict::Deny(_) => verdict,
            Verdict::Defer(_) | Verdict::Pending => Verdict::Deny(Reason::UnknownUser),
        };
        let verdict = settle(&ticket.connect(), verdict);
        let connection = ticket.connection;
        self.push(Effect::Complete { connection, client_id: ticket.client_id.clone(), verdict });
    }

    /// The verdict once it is known what the password fits; everything that follows from it is
    /// written down here and nowhere else.
    pub(super) fn conclude(
        &self,
        connect: &Connect<'_>,
        account: Option<&Account>,
        tags: &[Tags],
        fit: Fit,
        now: Now,
    ) -> Verdict {
        let Some(account) = account else {
            self.remember_refusal(tags, now);
            return self.unknown_now();
        };
        // A worker may have been at it while the account changed.
        let fits = match fit {
            Fit::Credential(tag) => {
                let verified = lock(&self.verified);
                let mut own = account.credentials();
                own.any(|stored| verified.fingerprint(&account.name, stored) == tag).then_some(tag)
            }
            Fit::None => None,
        };
        let Some(tag) = fits else {
            self.remember_refusal(tags, now);
            return Verdict::Deny(self.misfit(account, connect, now));
        };
        if let Some(tags) = tags.iter().find(|tags| tags.credential == tag) {
            lock(&self.verified).remember(tags, now.mono);
        }
        match admission::admit(account, approach(connect), now.wall) {
            Err(reason) => Verdict::Deny(reason),
            Ok(()) => {
                self.admitted(connect, account, Some(tag), now.wall);
                Verdict::Allow
            }
        }
    }

    /// Why a password that fits nothing is refused: the account's own obstacle first.
    fn misfit(&self, account: &Account, connect: &Connect<'_>, now: Now) -> Reason {
        let usable = account.credentials().any(|c| Credential::parse(c, &self.limits).is_ok());
        match admission::admit(account, approach(connect), now.wall) {
            Err(reason) => reason,
            Ok(()) if usable => Reason::BadPassword,
            Ok(()) => Reason::UnusableCredential,
        }
    }

    fn unknown_now(&self) -> Verdict {
        match self.unknown_user {
            UnknownUser::Defer => Verdict::Defer(Deferral::UnknownUser),
            UnknownUser::Deny => Verdict::Deny(Reason::UnknownUser),
        }
    }

    fn remember_refusal(&self, tags: &[Tags], now: Now) {
        let mut verified = lock(&self.verified);
        for tags in tags {
            verified.remember_refusal(tags, now.mono);
        }
    }
}

fn fit(tags: &[Tags], fits: Option<usize>) -> Fit {
    fits.and_then(|index| tags.get(index)).map_or(Fit::None, |tags| Fit::Credential(tags.credential))
}

/// How long the answer to a password that was just refused is held back.
const HELD: Duration = Duration::from_millis(50);
