//! Finding out whether a password fits: remembered, on a worker, or here and now; and what workers find out
//! of tokens.
//!
//! Must not: let the way decide the answer. Whatever found it out, [`Engine::conclude`] judges, and
//! what a worker found is held against the account as it is then, not as it was.
#![forbid(unsafe_code)]

use std::collections::HashMap;
use std::time::Duration;

use super::pending::{Claim, Fitting, Outcome, Question, Stub, Ticket};
use super::{Engine, Found, Shows, approach, lock};
use crate::admission;
use crate::config::{Hashing, Rehash, UnknownUser};
use crate::credential::{Cost, Credential, Match, Scratch};
use crate::model::{Account, AccountName, Fingerprint, StoredCredential};
use crate::pool::{Answer, Pool, Rank, Step, Task};
use crate::request::{Connect, Now, Occasion};
use crate::secret::Secret;
use crate::show::Shown;
use crate::throttle::{Admission, Standing, Who};
use crate::verdict::{Deferral, Effect, Reason, Verdict};
use crate::verified::Tags;

/// What there is to do for one password; never empty.
struct Plan {
    steps: Vec<Step>,
    question: Fitting,
    slow: bool,
}

/// What there is to do for a worker.
pub(super) struct Work {
    /// What it is about.
    pub(super) question: Question,
    /// What is done, one after another.
    pub(super) steps: Vec<Step>,
    /// With what.
    pub(super) password: Secret,
}

/// What a password fits, and how that is known.
#[derive(Clone, Copy, Debug)]
pub(super) enum Fits {
    /// The credential of this step, just now.
    Step(usize),
    /// The only one asked about: it did when it was last looked at.
    Remembered,
    /// Nothing.
    Nothing,
}

impl Fits {
    fn of(step: Option<usize>) -> Self {
        step.map_or(Self::Nothing, Self::Step)
    }
}

impl Engine {
    /// The credential that the password is known to fit.
    pub(super) fn remembered(
        &self,
        connect: &Connect<'_>,
        found: &Found,
        password: &[u8],
        now: Now,
    ) -> Option<Tags> {
        let mut verified = lock(&self.verified);
        found.credentials().find_map(|(fingerprint, _)| {
            let tags = verified.tags(fingerprint, password);
            let holds = match connect.occasion {
                // The broker shows the password of somebody who is in already, or whose session it
                // keeps: nobody is guessing, and however long ago it was found right, it is.
                Occasion::Again => verified.held(&tags),
                Occasion::Now | Occasion::Later => verified.holds(&tags, now.mono),
            };
            holds.then_some(tags)
        })
    }

    /// Verifies a password that is not known to fit.
    pub(super) fn verify(
        &self,
        connect: &Connect<'_>,
        username: &str,
        found: &Found,
        password: &[u8],
        now: Now,
    ) -> Verdict {
        let plan = self.plan(username, found, password, now);
        let pool = self
            .pool
            .get()
            .filter(|_| self.is_for_workers(connect, plan.slow, now));
        let is_left = found.account.is_none() && self.unknown_user == UnknownUser::Defer;
        if is_left && pool.is_some() {
            // Whoever is asked next can only be asked now.
            return self.unknown_now();
        }
        let rank = match self.standing(connect, found, now) {
            Some(standing) => standing,
            // Nothing is spent on it here, and whether it may enter is not ours to say.
            None if is_left => return self.unknown_now(),
            None => return Verdict::Deny(Reason::Throttled),
        };
        let refused = self.was_refused(&plan, now);
        let verdict = match pool {
            Some(_) if refused => self.hold(connect, plan, found, now),
            Some(pool) => {
                let password = Secret::new(password.to_vec());
                let question = Question::Password(Fitting {
                    password: self.kept(&password),
                    ..plan.question
                });
                let work = Work {
                    question,
                    steps: plan.steps,
                    password,
                };
                self.submit(pool, connect, work, rank, now)
            }
            None if refused => {
                self.conclude(connect, found, &plan.question.tags, Fits::Nothing, now)
            }
            None => self.verify_here(connect, found, &plan, password, now),
        };
        if verdict == Verdict::Deny(Reason::Busy) {
            lock(&self.throttle).released(&who(connect, found), now.mono);
        }
        verdict
    }

    /// Whether this attempt may have a hash, and before whom. Who is in already is not guessing.
    fn standing(&self, connect: &Connect<'_>, found: &Found, now: Now) -> Option<Standing> {
        if connect.occasion == Occasion::Again {
            return Some(Standing::Known);
        }
        let who = who(connect, found);
        match lock(&self.throttle).admit(&who, now.mono) {
            Admission::Admit(standing) => Some(standing),
            Admission::Refuse { .. } => None,
        }
    }

    fn was_refused(&self, plan: &Plan, now: Now) -> bool {
        let mut verified = lock(&self.verified);
        plan.question
            .tags
            .iter()
            .all(|tags| verified.refuses(tags, now.mono))
    }

    /// Whether workers are to do what can be done here as well.
    pub(super) fn is_for_workers(&self, connect: &Connect<'_>, slow: bool, now: Now) -> bool {
        connect.occasion == Occasion::Later
            && match self.hashing {
                Hashing::Auto => slow || !lock(&self.quick).allows(now.mono),
                Hashing::Worker => true,
                Hashing::Inline => false,
            }
    }

    fn plan(&self, username: &str, found: &Found, password: &[u8], now: Now) -> Plan {
        let mut steps = Vec::new();
        let mut tags = Vec::new();
        let mut costs = Vec::new();
        let [credential, _] = found.fingerprints;
        let verified = lock(&self.verified);
        for (fingerprint, stored) in found.credentials() {
            match Credential::parse(stored, &self.limits) {
                Ok(credential) => {
                    costs.push(credential.cost());
                    steps.push(Step::Verify(credential));
                    tags.push(verified.tags(fingerprint, password));
                }
                Err(error) => {
                    let name = Shown(username);
                    log::warn!("the credential of {name} cannot be used: {error}");
                }
            }
        }
        let decoy = self.decoys.cost(username);
        if steps.is_empty() {
            costs.push(decoy);
            steps.push(Step::Burn(decoy));
            tags.extend(AccountName::new(username).map(|name| {
                let nothing = verified.fingerprint(&name, &StoredCredential::marked(""));
                verified.tags(nothing, password)
            }));
        }
        let slow = costs.iter().any(Cost::is_slow);
        let cost = costs.first().copied().unwrap_or(decoy);
        Plan {
            steps,
            question: Fitting {
                tags,
                credential,
                cost,
                begun: now.mono,
                password: None,
            },
            slow,
        }
    }

    /// Has a worker do it. Pending, or busy where there is no room for it.
    pub(super) fn submit(
        &self,
        pool: &Pool,
        connect: &Connect<'_>,
        work: Work,
        standing: Standing,
        now: Now,
    ) -> Verdict {
        let rank = match standing {
            Standing::Known => Rank::Known,
            Standing::New => Rank::New,
            Standing::Suspect => Rank::Suspect,
        };
        let deadline = now
            .mono
            .checked_add(self.pending_timeout)
            .unwrap_or(now.mono);
        let issued = lock(&self.pending).issue(connect, work.question, Outcome::Open, deadline);
        let Some(Stub { id, interest }) = issued else {
            return Verdict::Deny(Reason::Busy);
        };
        let task = Task {
            ticket: id,
            rank,
            steps: work.steps,
            password: work.password,
            interest,
        };
        let Err(full) = pool.submit(task) else {
            return Verdict::Pending;
        };
        // The task that found no place may be another one, of a worse rank.
        let refused = lock(&self.pending).claim(full.0.ticket);
        if full.0.ticket == id {
            return Verdict::Deny(Reason::Busy);
        }
        match refused {
            Some(Claim::Live(ticket)) => self.complete(&ticket, Verdict::Deny(Reason::Busy), now),
            Some(Claim::Dead(ticket)) => lock(&self.throttle).released(&ticket.who(), now.mono),
            None => {}
        }
        Verdict::Pending
    }

    /// A password is kept beside what is asked about it only where it may be stored anew.
    fn kept(&self, password: &Secret) -> Option<Secret> {
        match self.rehash {
            Rehash::Off => None,
            Rehash::Weaker | Rehash::Keys(_) => Some(Secret::new(password.expose().to_vec())),
        }
    }

    /// A password that was refused a moment ago is refused again, after as long as it took then, or
    /// longer for whoever fails a lot: nobody else waits for it. Never longer than any other answer
    /// may take, because a client that waits keeps its client id from others.
    fn hold(&self, connect: &Connect<'_>, plan: Plan, found: &Found, now: Now) -> Verdict {
        let who = who(connect, found);
        let delay = lock(&self.throttle).delay(&who, now.mono);
        let pace = lock(&self.paces).of(plan.question.cost);
        let time = pace.max(delay).min(self.pending_timeout);
        let until = now.mono.checked_add(time).unwrap_or(now.mono);
        let question = Question::Password(plan.question);
        match lock(&self.pending).issue(connect, question, Outcome::Refused, until) {
            Some(_) => Verdict::Pending,
            None => Verdict::Deny(Reason::Busy),
        }
    }

    fn verify_here(
        &self,
        connect: &Connect<'_>,
        found: &Found,
        plan: &Plan,
        password: &[u8],
        now: Now,
    ) -> Verdict {
        if !lock(&self.budget).allows(now.mono) {
            // "Come again" for everybody alike: another word for the unknown would tell who exists.
            return match (&found.account, self.unknown_user) {
                (None, UnknownUser::Defer) => self.unknown_now(),
                (None, UnknownUser::Deny) | (Some(_), _) => Verdict::Deny(Reason::Busy),
            };
        }
        let mut scratch = Scratch::default();
        let fits = plan
            .steps
            .iter()
            .position(|step| step.carry_out(password, &mut scratch) == Match::Yes);
        let after = (self.clock)();
        let took = after.mono.saturating_duration_since(now.mono);
        lock(&self.budget).spend(took);
        lock(&self.quick).spend(took);
        self.conclude(connect, found, &plan.question.tags, Fits::of(fits), now)
    }

    /// Takes the workers' answers and the tickets that are due, each to be told to its client.
    pub(super) fn settle_pending(&self, answers: Vec<Answer>, now: Now) {
        for answer in answers {
            let claim = lock(&self.pending).claim(answer.ticket);
            match claim {
                Some(Claim::Live(mut ticket)) => {
                    if let Question::Password(Fitting { cost, begun, .. }) = ticket.question {
                        let took = now.mono.saturating_duration_since(begun);
                        self.figures
                            .hashed(took.as_millis().try_into().unwrap_or(u64::MAX));
                        lock(&self.paces).took(cost, took);
                    }
                    let verdict = self.judge_ticket(&mut ticket, answer.fits, now);
                    self.complete(&ticket, verdict, now);
                }
                Some(Claim::Dead(ticket)) => self.learn_late(&ticket, answer.fits, now),
                None => {}
            }
        }
        let due = lock(&self.pending).due(now.mono);
        for claim in due {
            match claim {
                Claim::Live(mut ticket) => {
                    let verdict = match ticket.outcome() {
                        Outcome::Open => Verdict::Deny(Reason::TimedOut),
                        Outcome::Refused => self.judge_ticket(&mut ticket, None, now),
                    };
                    self.complete(&ticket, verdict, now);
                }
                // Nobody began with it, or it would have been answered.
                Claim::Dead(ticket) => lock(&self.throttle).released(&ticket.who(), now.mono),
            }
        }
    }

    /// The client has gone and may have come again under the same id, impatient or cut off by the
    /// broker for not waiting. Nobody is told, but its next attempt need not be hashed again.
    fn learn_late(&self, ticket: &Ticket, fits: Option<usize>, now: Now) {
        match &ticket.question {
            Question::Password(fitting) => {
                if let Ok(found) = self.find(&ticket.username, Some(&ticket.client_id)) {
                    self.learn(&ticket.who(), &found, &fitting.tags, Fits::of(fits), now);
                }
            }
            Question::Token(_) => {
                self.learn_late_of_token(ticket, fits, now).ok();
            }
        }
    }

    /// What was found out is held against the account as it is now.
    fn judge_ticket(&self, ticket: &mut Ticket, fits: Option<usize>, now: Now) -> Verdict {
        match &ticket.question {
            Question::Password(fitting) => {
                self.judge_password(ticket, fitting, Fits::of(fits), now)
            }
            Question::Token(_) => self.judge_token(ticket, fits, now),
        }
    }

    fn judge_password(&self, ticket: &Ticket, fitting: &Fitting, fits: Fits, now: Now) -> Verdict {
        if let Some(reason) = self.refused_by_key(&ticket.connect(), Some(&ticket.username)) {
            return Verdict::Deny(reason);
        }
        match self.find(&ticket.username, Some(&ticket.client_id)) {
            Ok(found) => self.conclude(&ticket.connect(), &found, &fitting.tags, fits, now),
            Err(error) => {
                log::warn!("{error}");
                Verdict::Deny(Reason::SourceUnavailable)
            }
        }
    }

    fn complete(&self, ticket: &Ticket, verdict: Verdict, now: Now) {
        // Nobody is asked after this: what was left open is refused.
        let verdict = match verdict {
            Verdict::Allow | Verdict::Deny(_) => verdict,
            Verdict::Defer(_) | Verdict::Pending => Verdict::Deny(Reason::UnknownUser),
        };
        if matches!(verdict, Verdict::Deny(Reason::Busy | Reason::TimedOut)) {
            lock(&self.throttle).released(&ticket.who(), now.mono);
        }
        let verdict = self.settle(&ticket.connect(), verdict, now);
        let (connection, client_id) = (ticket.connection, ticket.client_id.clone());
        lock(&self.completions).push(Effect::Complete {
            connection,
            client_id,
            verdict,
        });
    }

    /// The verdict once it is known which step the password fits.
    pub(super) fn conclude(
        &self,
        connect: &Connect<'_>,
        found: &Found,
        tags: &[Tags],
        fits: Fits,
        now: Now,
    ) -> Verdict {
        let fitting = self.learn(&who(connect, found), found, tags, fits, now);
        match &found.account {
            None => self.unknown_now(),
            Some(account) => {
                let fitting = fitting.ok_or_else(|| self.none_fits(account));
                self.judge_account(connect, found, account, fitting, now)
            }
        }
    }

    /// The verdict on an account, of whose credentials one was found to fit, or why none does.
    pub(super) fn judge_account(
        &self,
        connect: &Connect<'_>,
        found: &Found,
        account: &Account,
        fitting: Result<Fingerprint, Reason>,
        now: Now,
    ) -> Verdict {
        let judged = admission::admit(account, approach(connect), now.wall)
            .and(fitting)
            .and_then(|fingerprint| Ok((fingerprint, self.second_factor(connect, account)?)));
        match judged {
            Err(reason) => Verdict::Deny(reason),
            Ok((fingerprint, certificate)) => {
                let shows = Shows {
                    fingerprint: Some(fingerprint),
                    certificate,
                };
                self.offer(connect, found, account, fingerprint);
                self.admitted(connect, found, account, shows, now.wall);
                Verdict::Allow
            }
        }
    }

    /// Why a password fits none of an account's credentials.
    fn none_fits(&self, account: &Account) -> Reason {
        let is_usable = |stored| Credential::parse(stored, &self.limits).is_ok();
        match account.credentials().any(is_usable) {
            true => Reason::BadPassword,
            false => Reason::UnusableCredential,
        }
    }

    /// Everything that follows from what a password fits, whoever is still there to be told, is
    /// written down here and nowhere else. Returns the account's credential that it fits.
    fn learn(
        &self,
        who: &Who<'_>,
        found: &Found,
        tags: &[Tags],
        fits: Fits,
        now: Now,
    ) -> Option<Fingerprint> {
        let fitting = match fits {
            // It took no token, and gets none back.
            Fits::Remembered => {
                lock(&self.throttle).recognised(who, now.mono);
                return tags.first().map(|tags| tags.credential);
            }
            // A worker may have been at it while the account changed.
            Fits::Step(index) => tags
                .get(index)
                .filter(|tags| self.current(found, tags.credential).is_some()),
            Fits::Nothing => None,
        };
        if let Some(tags) = fitting {
            lock(&self.verified).remember(tags, now.mono);
            lock(&self.throttle).succeeded(who, now.mono);
            return self.current(found, tags.credential);
        }
        self.remember_refusal(tags, now);
        // Left to somebody else, it is not known to be a failure.
        if found.account.is_some() || self.unknown_user == UnknownUser::Deny {
            lock(&self.throttle).failed(who, now.mono);
        }
        None
    }

    pub(super) fn unknown_now(&self) -> Verdict {
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

/// As whom attempts are counted.
pub(super) fn who<'a>(connect: &Connect<'a>, found: &Found) -> Who<'a> {
    let [credential, _] = found.fingerprints;
    Who {
        ip: connect.client.address.ip(),
        username: connect.username.unwrap_or_default(),
        credential,
    }
}

/// How long verifying took of late, by cost.
#[derive(Default)]
pub(super) struct Paces(HashMap<Cost, Duration>);

impl Paces {
    /// More costs than these are not told apart.
    const MOST: usize = 64;

    fn of(&self, cost: Cost) -> Duration {
        self.0.get(&cost).copied().unwrap_or_default()
    }

    /// The middle between this time and what was usual.
    fn took(&mut self, cost: Cost, time: Duration) {
        if let Some(usual) = self.0.get_mut(&cost) {
            *usual = usual.saturating_add(time).checked_div(2).unwrap_or(time);
        } else if self.0.len() < Self::MOST {
            self.0.insert(cost, time);
        }
    }
}
