//! What there is to know of tokens, and what holds for those who are in by one.
//!
//! Must not: verify one, or let a token say more than it may: an account that is there is held to its bounds,
//! and no token gives a right to administer.
#![forbid(unsafe_code)]

use std::collections::HashSet;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use jiff::Timestamp;

use super::badges::{Badge, Badges};
use super::sessions::{Session, Token};
use super::standing::{ByToken, Says};
use super::{Engine, lock};
use crate::config::{Config, Jwt};
use crate::model::Account;
use crate::policy::{Asker, Compiler, Rights};
use crate::request::Connect;
use crate::show;
use crate::store::token_keys::{self, TokenKeys};
use crate::store::{self, Watched};
use crate::token::{Acl, Fault, looks_like_one};
use crate::verdict::Reason;

/// What there is to know of tokens.
pub(super) struct Tokens {
    pub(super) keys: TokenKeys,
    pub(super) wanted: Jwt,
    pub(super) badges: Mutex<Badges>,
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

    /// What a token allows by itself.
    pub(super) fn rights(&self, acl: &Acl, now: Timestamp) -> Result<Arc<Rights>, Fault> {
        let mut compiler = lock(&self.compiler);
        let rights = compiler.listed(&acl.publish, &acl.subscribe, now);
        rights.map_err(|_| Fault::Acl)
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
            && let Some((_, named)) = self.authorities.named(&badge.roles, now)?
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

    pub(super) fn is_good(&self, badge: &Badge, now: Timestamp) -> bool {
        self.holds(badge, now).is_ok()
    }
}

/// Of so many roles that are not there is told.
const MOST_TOLD: usize = 1_000;
