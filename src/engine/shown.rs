//! Logins by token: somebody who may say so has signed who the client is.
//!
//! Must not: hash a password, wait for keys, or believe anything that a token says before it is known who signed
//! it. A token goes through the same rooms as a password: the throttle, the budget of the broker's thread or the
//! workers, the bounds, the record, the one line of [`Engine::settle`]; it is in none of them. What its client may
//! do follows from its [`Badge`].
#![forbid(unsafe_code)]

use jiff::Timestamp;

use super::badges::Badge;
use super::pending::{Handed, Question, Ticket};
use super::sessions::{Proof, Session, Token};
use super::token::Tokens;
use super::verification::Work;
use super::{Engine, Found, approach, lock};
use crate::admission;
use crate::config::TokenPlace;
use crate::model::{AccountName, CertificateName};
use crate::policy::Asker;
use crate::pool::{Pool, Step};
use crate::request::{Connect, Method, Now, Occasion};
use crate::secret::Secret;
use crate::throttle::{Admission, Standing, Who};
use crate::token::{Claims, Fault, Parsed, looks_like_one};
use crate::verdict::{Reason, Reply, Verdict};

/// What a client shows.
struct Shown<'a> {
    token: Result<&'a [u8], Fault>,
    /// The username beside it.
    username: Option<&'a str>,
}

/// What is known of a token once it was looked at.
enum Known {
    /// All of it: it is good.
    All(Claims),
    /// Nothing yet: workers look at it, and its client waits under this name.
    Nothing(Box<str>),
}

impl Tokens {
    /// The token that a client shows.
    fn shown<'a>(&self, connect: &Connect<'a>) -> Option<Shown<'a>> {
        let username = connect.username;
        let place = self.wanted.place;
        if let Some(name) = username.filter(|name| looks_like_one(name.as_bytes())) {
            let token = match place {
                TokenPlace::Username | TokenPlace::Both => Ok(name.as_bytes()),
                // Nobody has such a name, and it must not get about.
                TokenPlace::Password => Err(Fault::Place),
            };
            let username = None;
            return Some(Shown { token, username });
        }
        let token = connect.password.filter(|token| looks_like_one(token))?;
        match place {
            TokenPlace::Password | TokenPlace::Both => Some(Shown {
                token: Ok(token),
                username,
            }),
            TokenPlace::Username => None,
        }
    }
}

impl Engine {
    /// Lets a client in by a token, or refuses it; none where it shows no token, which makes it a login like
    /// any other.
    pub fn enter_by_token(&self, connect: &Connect<'_>, now: Now) -> Option<Reply> {
        let tokens = self.tokens.as_ref()?;
        let again = connect.occasion == Occasion::Again;
        if let Some(username) = connect.username.filter(|_| again)
            && (self.is_still_in(connect, username, now)
                || self.is_kept_by_token(tokens, connect, username, now.wall))
        {
            let connect = Connect {
                method: Method::Token,
                ..*connect
            };
            return Some(self.answered(&connect, Verdict::Allow, username, now));
        }
        let Shown { token, username } = tokens.shown(connect)?;
        let connect = Connect {
            username,
            password: None,
            method: Method::Token,
            ..*connect
        };
        if let (Some(client_id), Some(_), false) =
            (connect.client.id, connect.client.connection, again)
        {
            // As for any login: whoever waited under this id is gone.
            self.supersede(client_id);
        }
        self.asked_about(connect.client.connection);
        Some(match self.look_at_token(tokens, &connect, token, now) {
            Err(reason) => self.answered(&connect, Verdict::Deny(reason), "", now),
            Ok(Known::Nothing(name)) => self.answered(&connect, Verdict::Pending, &name, now),
            Ok(Known::All(claims)) => {
                let verdict = self.judge_claims(tokens, &connect, &claims, now);
                let name = claims.username.as_str();
                let connect = Connect {
                    username: Some(connect.username.unwrap_or(name)),
                    ..connect
                };
                self.answered(&connect, verdict, name, now)
            }
        })
    }

    /// The verdict is written down, and becomes a reply.
    fn answered(&self, connect: &Connect<'_>, verdict: Verdict, name: &str, now: Now) -> Reply {
        match self.settle(connect, verdict, now) {
            Verdict::Allow => Reply::Allow {
                username: name.into(),
                data: Vec::new(),
            },
            Verdict::Pending => Reply::Wait {
                username: name.into(),
            },
            Verdict::Deny(reason) => Reply::Deny(reason),
            Verdict::Defer(_) => Reply::Deny(Reason::BadRequest),
        }
    }

    /// Whether the token is good, if it may be looked at now: here, or by workers.
    fn look_at_token(
        &self,
        tokens: &Tokens,
        connect: &Connect<'_>,
        token: Result<&[u8], Fault>,
        now: Now,
    ) -> Result<Known, Reason> {
        let parsed = token.and_then(Parsed::read);
        let alleged = parsed.as_ref().ok();
        let alleged = alleged.and_then(|token| token.alleged(&tokens.wanted));
        // Only for counting, and to be waited under: until it is verified, it is no more than what anybody may
        // write.
        let name: Box<str> = connect.username.or(alleged).unwrap_or_default().into();
        let who = Who {
            ip: connect.client.address.ip(),
            username: &name,
            credential: None,
        };
        // Who is in already, or has a session that waits, is not guessing.
        let is_counted = connect.occasion != Occasion::Again;
        let standing = match is_counted.then(|| lock(&self.throttle).admit(&who, now.mono)) {
            None => Standing::Known,
            Some(Admission::Admit(standing)) => standing,
            Some(Admission::Refuse { .. }) => return Err(Reason::Throttled),
        };
        let keys = tokens.keys.in_force();
        let read = parsed.as_ref();
        let is_of_strange_key = read.is_ok_and(|parsed| parsed.is_of_strange_key(&keys));
        let pool = read
            .is_ok_and(Parsed::is_worth_a_thread)
            .then(|| self.workers_for(connect, &name, now))
            .flatten();
        let verified = match (pool, token, parsed) {
            (Some(pool), Ok(token), Ok(parsed)) => match parsed.divide(&keys, &tokens.wanted) {
                Err(fault) => Err(fault),
                Ok((unproven, signers)) => {
                    let work = Work {
                        question: Question::Token(Handed {
                            token: unproven,
                            is_of_strange_key,
                            is_named: connect.username.is_some(),
                        }),
                        steps: signers.into_iter().map(Step::Signed).collect(),
                        password: Secret::new(token.to_vec()),
                    };
                    return self.hand_over(pool, connect, name, work, standing, now);
                }
            },
            (_, _, parsed) => {
                if is_counted && !lock(&self.budget).allows(now.mono) {
                    lock(&self.throttle).released(&who, now.mono);
                    return Err(Reason::Busy);
                }
                parsed.and_then(|parsed| {
                    let verified = parsed.verify(&keys, &tokens.wanted, now.wall);
                    let took = (self.clock)().mono.saturating_duration_since(now.mono);
                    lock(&self.budget).spend(took);
                    lock(&self.quick).spend(took);
                    verified
                })
            }
        };
        let claims = self.learn_of_token(tokens, connect, &who, verified, is_of_strange_key, now);
        claims.map(Known::All)
    }

    /// The workers, where they are to verify a client's signature: no signature takes so long that it has to be
    /// them, but many do. The client is given its name before it waits, since afterwards nobody knows whether it
    /// is still there.
    fn workers_for(&self, connect: &Connect<'_>, name: &str, now: Now) -> Option<&Pool> {
        let can_be_named = connect.username.is_some() || AccountName::new(name).is_ok();
        let is_slow = false;
        let pool = self.pool.get().filter(|_| can_be_named);
        pool.filter(|_| self.is_for_workers(connect, is_slow, now))
    }

    fn hand_over(
        &self,
        pool: &Pool,
        connect: &Connect<'_>,
        name: Box<str>,
        work: Work,
        standing: Standing,
        now: Now,
    ) -> Result<Known, Reason> {
        let named = Connect {
            username: Some(&name),
            ..*connect
        };
        match self.submit(pool, &named, work, standing, now) {
            Verdict::Deny(reason) => {
                let who = Who {
                    ip: connect.client.address.ip(),
                    username: &name,
                    credential: None,
                };
                lock(&self.throttle).released(&who, now.mono);
                Err(reason)
            }
            Verdict::Pending | Verdict::Allow | Verdict::Defer(_) => Ok(Known::Nothing(name)),
        }
    }

    /// What workers found out of a token is held against its keys, its times and its account as they are now.
    pub(super) fn judge_token(
        &self,
        ticket: &mut Ticket,
        signer: Option<usize>,
        now: Now,
    ) -> Verdict {
        let claims = self.learn_late_of_token(ticket, signer, now);
        match (&self.tokens, &mut ticket.question, claims) {
            (Some(tokens), Question::Token(handed), Ok(claims)) => {
                handed.is_named = true;
                self.judge_claims(tokens, &ticket.connect(), &claims, now)
            }
            (_, _, Err(reason)) => Verdict::Deny(reason),
            (_, _, Ok(_)) => Verdict::Deny(Reason::BadRequest),
        }
    }

    /// The same as far as it concerns nobody but the token, for a client that may be gone.
    ///
    /// # Errors
    /// With the reason for which it is refused.
    pub(super) fn learn_late_of_token(
        &self,
        ticket: &Ticket,
        signer: Option<usize>,
        now: Now,
    ) -> Result<Claims, Reason> {
        let (Some(tokens), Question::Token(handed)) = (&self.tokens, &ticket.question) else {
            return Err(Reason::BadRequest);
        };
        let keys = tokens.keys.in_force();
        let verified = handed
            .token
            .verified(signer, &keys, &tokens.wanted, now.wall);
        // It has this name by now.
        let named = Connect {
            username: Some(&ticket.username),
            ..ticket.connect()
        };
        let is_of_strange_key = handed.is_of_strange_key;
        self.learn_of_token(
            tokens,
            &named,
            &ticket.who(),
            verified,
            is_of_strange_key,
            now,
        )
    }

    /// Everything that follows from what a token is found to be, whoever is still there to be told.
    fn learn_of_token(
        &self,
        tokens: &Tokens,
        connect: &Connect<'_>,
        who: &Who<'_>,
        verified: Result<Claims, Fault>,
        is_of_strange_key: bool,
        now: Now,
    ) -> Result<Claims, Reason> {
        if verified.is_err() && is_of_strange_key {
            tokens.keys.hasten();
        }
        // Somebody else's good token is worth no more here than a bad one.
        let verified = verified.map_err(told).and_then(|claims| {
            let is_its_own = is_named(connect, &claims);
            is_its_own.then_some(claims).ok_or(Reason::WrongUsername)
        });
        match &verified {
            _ if connect.occasion == Occasion::Again => {}
            Ok(_) => lock(&self.throttle).succeeded(who, now.mono),
            Err(_) => lock(&self.throttle).failed(who, now.mono),
        }
        verified
    }

    /// The verdict on a client whose token is good.
    fn judge_claims(
        &self,
        tokens: &Tokens,
        connect: &Connect<'_>,
        claims: &Claims,
        now: Now,
    ) -> Verdict {
        match self.admit_by_claims(tokens, connect, claims, now) {
            Err(reason) => Verdict::Deny(reason),
            Ok(()) => {
                self.figures.by_token();
                Verdict::Allow
            }
        }
    }

    /// What a good token is worth, held against the account of its name.
    fn admit_by_claims(
        &self,
        tokens: &Tokens,
        connect: &Connect<'_>,
        claims: &Claims,
        now: Now,
    ) -> Result<(), Reason> {
        let name = claims.username.as_str();
        // What it has shown before its CONNECT may be somebody else's.
        if let Some(reason) = self.refused_by_key(connect, Some(name)) {
            return Err(reason);
        }
        if (self.holder(connect.client.certificate)?).is_some_and(|holder| holder.as_str() != name)
        {
            return Err(Reason::WrongUsername);
        }
        let found = self.find(name, connect.client.id).map_err(|error| {
            log::warn!("{error}");
            Reason::SourceUnavailable
        })?;
        let certificate = match &found.account {
            Some(account) => {
                admission::admit(account, approach(connect), now.wall)?;
                self.second_factor(connect, account)?
            }
            None if tokens.wanted.needs_account => return Err(Reason::UnknownUser),
            None => None,
        };
        let rights = claims.acl.as_ref().map(|acl| tokens.rights(acl, now.wall));
        let badge = Badge {
            until: claims.until,
            key: claims.key,
            roles: claims.roles.clone().into(),
            rights: rights.transpose().map_err(told)?,
            has_account: found.account.is_some(),
        };
        self.begin_by_token(
            connect,
            &claims.username,
            &found,
            (badge, certificate),
            now.wall,
        );
        Ok(())
    }

    fn begin_by_token(
        &self,
        connect: &Connect<'_>,
        name: &AccountName,
        found: &Found,
        (badge, certificate): (Badge, Option<CertificateName>),
        now: Timestamp,
    ) {
        let Some(tokens) = &self.tokens else {
            return;
        };
        if let Some(account) = &found.account {
            self.note_login(connect, found, account, now);
        }
        let (Some(connection), Some(client_id)) = (connect.client.connection, connect.client.id)
        else {
            return;
        };
        let valid_until = found
            .account
            .as_ref()
            .and_then(|account| account.valid_until);
        let session = Session {
            name: name.clone(),
            client_id: client_id.into(),
            ip: approach(connect).ip,
            fingerprint: None,
            certificate,
            ends: badge.until.into_iter().chain(valid_until).min(),
            since: now,
            by: Proof::Token,
            token: Some(Token {
                until: badge.until,
                key: badge.key,
                has_account: badge.has_account,
            }),
            kept: self.known_of(connect.occasion),
        };
        // Before it stands anyhow: what it may do follows from this.
        let key = badge.key;
        lock(&tokens.badges).put(name.as_str(), client_id, badge);
        self.begin(connection, session, found, now);
        if !tokens.keys.has(key) {
            // It was withdrawn just now, and who was in by it is looked at already.
            lock(&self.sessions).doubt(connection);
        }
        if self.has_acl() {
            let asker = Asker {
                client_id: Some(client_id),
                username: Some(name.as_str()),
            };
            let stands = self.stand_of(found.account.as_ref(), asker, now);
            self.stand_from_now(asker, stands, found.revision);
        }
    }

    /// Whether whoever has a token needs no account.
    pub(super) fn lets_in_without_account(&self) -> bool {
        let tokens = self.tokens.as_ref();
        tokens.is_some_and(|tokens| !tokens.wanted.needs_account)
    }

    /// Whether the broker asks again for a client that is in by a token which still counts.
    fn is_still_in(&self, connect: &Connect<'_>, username: &str, now: Now) -> bool {
        let connection = connect.client.connection;
        let session = connection.and_then(|connection| lock(&self.sessions).find(connection));
        session.is_some_and(|session| session.token.is_some())
            && self.again(connect, username, now) == Some(Verdict::Allow)
    }

    /// Whether the broker asks for a session that it keeps for a client that came by a token and has left:
    /// its token, where it was the username, is not there any more.
    fn is_kept_by_token(
        &self,
        tokens: &Tokens,
        connect: &Connect<'_>,
        username: &str,
        now: Timestamp,
    ) -> bool {
        let Some(client_id) = connect.client.id else {
            return false;
        };
        let asker = Asker {
            client_id: Some(client_id),
            username: Some(username),
        };
        let Some(badge) = lock(&tokens.badges).get(asker) else {
            return false;
        };
        let (Ok(name), true) = (
            AccountName::new(username),
            lock(&self.sessions).has_left(username, client_id),
        ) else {
            return false;
        };
        let Ok(found) = self.find(username, Some(client_id)) else {
            return false;
        };
        let is_good = tokens.is_good(&badge, now) && badge.has_account == found.account.is_some();
        let account = found.account.as_ref();
        let is_admitted =
            account.is_none_or(|account| admission::admit(account, approach(connect), now).is_ok());
        if is_good && is_admitted {
            self.begin_by_token(connect, &name, &found, (badge, None), now);
        }
        is_good && is_admitted
    }
}

/// Whether the client has the name that is in a token, or can be given it: a caller without a connection
/// cannot.
fn is_named(connect: &Connect<'_>, claims: &Claims) -> bool {
    match connect.username {
        Some(name) => name == claims.username.as_str(),
        None => connect.client.connection.is_some(),
    }
}

fn told(fault: Fault) -> Reason {
    log::debug!("a token is refused: {fault}");
    fault.reason()
}
