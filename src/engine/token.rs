//! Logins by token: somebody who may say so has signed who the client is, and what it may do.
//!
//! Must not: hash a password, wait for keys, or let a token say more than it may: an account that is there
//! is held to its bounds, and no token gives a right to administer. A token goes through the same rooms as a
//! password: the throttle, the budget of the broker's thread, the bounds, the record, the one line of
//! [`Engine::settle`]; it is in none of them.
#![forbid(unsafe_code)]

use std::collections::HashSet;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use jiff::Timestamp;

use super::badges::{Badge, Badges};
use super::sessions::{Proof, Session, Token};
use super::standing::{ByToken, Says};
use super::{Engine, Found, approach, lock};
use crate::admission;
use crate::config::{Config, Jwt, TokenPlace};
use crate::model::{Account, AccountName, CertificateName};
use crate::policy::{
    AclType, Asker, Assignment, Compiler, Defaults, Holder, Permission, Priority, Rights,
    RoleDefinition, Rule, WildcardSubscriptions, Window,
};
use crate::request::{Connect, Method, Now, Occasion};
use crate::show;
use crate::store::token_keys::{self, TokenKeys};
use crate::store::{self, Watched};
use crate::throttle::{Admission, Who};
use crate::token::{Acl, Claims, Fault, Parsed, looks_like_one};
use crate::verdict::{Reason, Reply, Verdict};

/// What a client shows.
struct Shown<'a> {
    token: Result<&'a [u8], Fault>,
    /// The username beside it.
    username: Option<&'a str>,
}

/// What there is to know of tokens.
pub(super) struct Tokens {
    keys: TokenKeys,
    wanted: Jwt,
    badges: Mutex<Badges>,
    /// Shares what several tokens allow.
    compiler: Mutex<Compiler>,
    /// Roles that tokens named and nobody has.
    told: Mutex<HashSet<Box<str>>>,
    /// How often keys had been replaced when sessions were last looked at.
    seen: AtomicU64,
}

impl Tokens {
    /// Opens the keys; none where the configuration has none.
    ///
    /// # Errors
    /// When they cannot be read, and where tokens name roles that nobody has.
    pub(super) fn open(
        config: &Config,
        watched: &mut Vec<Box<dyn Watched>>,
    ) -> Result<Option<Self>, store::Error> {
        let Some(opened) = token_keys::open(&config.jwt)? else {
            return Ok(None);
        };
        if config.jwt.roles.is_some() && config.with_roles().is_none() {
            return Err(store::Error::Invalid {
                path: "plugin_opt_jwt_roles_claim".into(),
                why: "it names roles of a database: plugin_opt_database_roles true is missing"
                    .to_owned(),
            });
        }
        let tokens = Self {
            seen: AtomicU64::new(opened.keys.changes()),
            keys: opened.keys,
            wanted: config.jwt.clone(),
            badges: Mutex::default(),
            compiler: Mutex::new(Compiler::quick()),
            told: Mutex::default(),
        };
        watched.extend(opened.watched);
        Ok(Some(tokens))
    }

    /// Whether they say what their clients may do.
    pub(super) fn grants(&self) -> bool {
        self.wanted.grants()
    }

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

    /// What a token allows by itself.
    fn rights(&self, acl: &Acl, now: Timestamp) -> Result<Arc<Rights>, Fault> {
        let rule = |acl_type, filter: &str| {
            Rule::new(acl_type, Permission::Allow, filter).map_err(|_| Fault::Acl)
        };
        let mut rules = Vec::new();
        for filter in &acl.publish {
            rules.push(rule(AclType::PublishClientSend, filter)?);
        }
        for filter in &acl.subscribe {
            for acl_type in [
                AclType::SubscribePattern,
                AclType::UnsubscribePattern,
                AclType::PublishClientReceive,
            ] {
                rules.push(rule(acl_type, filter)?);
            }
        }
        let definition = RoleDefinition {
            name: "token".into(),
            rules,
            wildcard_subscriptions: WildcardSubscriptions::Allow,
            window: Window::default(),
            admin_prefix: None,
        };
        let mut compiler = lock(&self.compiler);
        let role = compiler.role(definition).map_err(|_| Fault::Acl)?;
        let holder = Holder {
            roles: vec![Assignment {
                role,
                priority: Priority::MEMBER,
            }],
            groups: Vec::new(),
        };
        Ok(compiler.rights(&holder, Defaults::DENY, now))
    }

    /// Tells of a role that nobody has, once.
    fn tell_unknown(&self, role: &str) {
        let mut told = lock(&self.told);
        if told.len() < MOST_TOLD && told.insert(role.into()) {
            log::warn!(
                "a token names a role that is not there: {}",
                show::Shown(role)
            );
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
        Some(match self.verify_token(tokens, &connect, token, now) {
            Err(reason) => self.answered(&connect, Verdict::Deny(reason), "", now),
            Ok(claims) => {
                let verdict = self.judge_claims(tokens, &connect, &claims, now);
                let name = claims.username.as_str();
                let verdict = verdict.map_or_else(Verdict::Deny, |()| {
                    self.figures.by_token();
                    Verdict::Allow
                });
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
            Verdict::Deny(reason) => Reply::Deny(reason),
            Verdict::Defer(_) | Verdict::Pending => Reply::Deny(Reason::BadRequest),
        }
    }

    /// Whether the token is good, if it may be looked at now.
    fn verify_token(
        &self,
        tokens: &Tokens,
        connect: &Connect<'_>,
        token: Result<&[u8], Fault>,
        now: Now,
    ) -> Result<Claims, Reason> {
        let parsed = token.and_then(Parsed::read);
        let alleged = parsed
            .as_ref()
            .ok()
            .and_then(|token| token.alleged(&tokens.wanted));
        let who = Who {
            ip: connect.client.address.ip(),
            // Only for counting: until it is verified, it is no more than what anybody may write.
            username: connect.username.or(alleged).unwrap_or_default(),
            credential: None,
        };
        // Who is in already, or has a session that waits, is not guessing.
        let is_counted = connect.occasion != Occasion::Again;
        if is_counted {
            match lock(&self.throttle).admit(&who, now.mono) {
                Admission::Admit(_) => {}
                Admission::Refuse { .. } => return Err(Reason::Throttled),
            }
            if !lock(&self.budget).allows(now.mono) {
                lock(&self.throttle).released(&who, now.mono);
                return Err(Reason::Busy);
            }
        }
        let verified = parsed.as_ref().map_err(|fault| *fault).and_then(|parsed| {
            let keys = tokens.keys.in_force();
            let verified = parsed.verify(&keys, &tokens.wanted, now.wall);
            let took = (self.clock)().mono.saturating_duration_since(now.mono);
            lock(&self.budget).spend(took);
            if verified.is_err() && parsed.is_of_strange_key(&keys) {
                tokens.keys.hasten();
            }
            verified
        });
        // Somebody else's good token is worth no more here than a bad one.
        let verified = verified.map_err(told).and_then(|claims| {
            let is_its_own = is_named(connect, &claims);
            is_its_own.then_some(claims).ok_or(Reason::WrongUsername)
        });
        match &verified {
            _ if !is_counted => {}
            Ok(_) => lock(&self.throttle).succeeded(&who, now.mono),
            Err(_) => lock(&self.throttle).failed(&who, now.mono),
        }
        verified
    }

    /// What a good token is worth, held against the account of its name.
    fn judge_claims(
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
        };
        // Before it stands anyhow: what it may do follows from this.
        lock(&tokens.badges).put(name.as_str(), client_id, badge);
        self.begin(connection, session, found, now);
        if self.has_acl() {
            let asker = Asker {
                client_id: Some(client_id),
                username: Some(name.as_str()),
            };
            let stands = self.stand_of(found.account.as_ref(), asker, now);
            self.stand_from_now(asker, stands, found.revision);
        }
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

    /// Somebody is in who shows no token: what one said before under these names counts no more.
    pub(super) fn takes_badge_off(&self, username: &str, client_id: &str) {
        if let Some(tokens) = &self.tokens {
            lock(&tokens.badges).remove(username, client_id);
        }
    }

    /// A client has left.
    pub(super) fn leaves_by_token(&self, session: &Session) {
        if let (Some(tokens), Some(_)) = (&self.tokens, &session.token) {
            lock(&tokens.badges).left(session.name.as_str(), &session.client_id);
        }
    }

    /// What is said of a client that came by a token, by what is said of its account.
    pub(super) fn with_token(
        &self,
        asker: Asker<'_>,
        says: Says,
        now: Timestamp,
    ) -> Result<Says, store::Error> {
        let Some(tokens) = &self.tokens else {
            return Ok(says);
        };
        let Some(badge) = lock(&tokens.badges).get(asker) else {
            return Ok(says);
        };
        if let Says::Refused(_) = says {
            return Ok(says);
        }
        let mut layers: Vec<_> = badge.rights.iter().cloned().collect();
        if !badge.roles.is_empty()
            && let Some(named) = self.authorities.named(&badge.roles, now)?
        {
            named
                .unknown
                .iter()
                .for_each(|role| tokens.tell_unknown(role));
            layers.push(named.rights);
        }
        Ok(Says::ByToken(Box::new(ByToken {
            until: badge.until,
            over: tokens.holds(&badge, now).err(),
            layers,
            then: says,
        })))
    }

    /// Whether the token by which somebody is in still counts.
    pub(super) fn token_holds(
        &self,
        token: &Token,
        account: Option<&Account>,
        now: Timestamp,
    ) -> Result<(), &'static str> {
        if token.until.is_some_and(|until| until <= now) {
            return Err(Reason::TokenExpired.word());
        }
        let tokens = self.tokens.as_ref();
        if !tokens.is_some_and(|tokens| tokens.keys.has(token.key)) {
            return Err("token_key_withdrawn");
        }
        match token.has_account && account.is_none() {
            true => Err("account_removed"),
            false => Ok(()),
        }
    }

    /// Looks at everybody who is in by a token, once keys were replaced.
    pub(super) fn look_after_keys(&self, now: Timestamp) {
        let Some(tokens) = &self.tokens else {
            return;
        };
        let changes = tokens.keys.changes();
        if tokens.seen.swap(changes, Ordering::AcqRel) == changes {
            return;
        }
        let connections = lock(&self.sessions).by_token();
        self.judge(connections, now);
        self.restand(
            self.standings.by_token(),
            super::revocation::Again::Afresh,
            now,
        );
    }

    /// What may be written of a login: a token may have been sent as a username.
    pub(super) fn without_token<'a>(&self, connect: &Connect<'a>) -> Connect<'a> {
        let is_token = |name: &&str| self.tokens.is_some() && looks_like_one(name.as_bytes());
        Connect {
            username: connect.username.filter(|name| !is_token(name)),
            ..*connect
        }
    }
}

impl Tokens {
    /// Whether what it says still counts.
    fn holds(&self, badge: &Badge, now: Timestamp) -> Result<(), Reason> {
        if badge.until.is_some_and(|until| until <= now) {
            return Err(Reason::TokenExpired);
        }
        match self.keys.has(badge.key) {
            true => Ok(()),
            false => Err(Reason::TokenKey),
        }
    }

    fn is_good(&self, badge: &Badge, now: Timestamp) -> bool {
        self.holds(badge, now).is_ok()
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

/// Of so many roles that are not there is told.
const MOST_TOLD: usize = 1_000;
