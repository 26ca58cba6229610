//! How a client stands with the sources, asked as the plugin does it.
//!
//! Must not: have an order of its own: that is `store`'s. The account comes first, as in `engine::access`,
//! then the first source with something to say, and an ACL file last of all where nobody has. What a token
//! names goes before all of them but the account, as in `engine::token`: topics, then roles.
#![forbid(unsafe_code)]

use std::path::Path;
use std::sync::Arc;

use jiff::Timestamp;

use super::answer::Answered;
use super::request::Request;
use crate::admission::{self, Approach, Fact};
use crate::config::{Jwt, UnknownUser};
use crate::model::Account;
use crate::policy::acl_file::AclFile;
use crate::policy::{Compiler, Rights};
use crate::store::{self, Authorities, Error, Opinion, Source};
use crate::verdict::Reason;

/// Who is asked.
pub struct Asked<'a> {
    /// Who knows accounts.
    pub sources: &'a [Arc<dyn Source>],
    /// Who says who may do what.
    pub authorities: &'a Authorities,
    /// What becomes of whom nobody knows.
    pub unknown_user: UnknownUser,
    /// What becomes of tokens.
    pub tokens: TokenRules,
}

/// What becomes of tokens, as far as what they name is concerned.
#[derive(Clone, Copy, Debug)]
pub struct TokenRules {
    /// Whether they may name roles.
    pub name_roles: bool,
    /// Whether they may name topics.
    pub name_topics: bool,
    /// Whether their clients need an account.
    pub need_account: bool,
}

impl TokenRules {
    /// Where nobody said anything else: what they name counts, and there has to be an account.
    pub const USUAL: Self = Self {
        name_roles: true,
        name_topics: true,
        need_account: true,
    };

    /// Those of a configuration.
    #[must_use]
    pub fn of(jwt: &Jwt) -> Self {
        Self {
            name_roles: jwt.has_keys() && jwt.roles.is_some(),
            name_topics: jwt.has_keys() && jwt.acl.is_some(),
            need_account: jwt.needs_account,
        }
    }
}

/// Why there are no reasons.
#[derive(Debug, thiserror::Error)]
pub enum Trouble {
    /// No client can ask that.
    #[error("{0}")]
    Question(String),
    /// Somebody could not be asked.
    #[error(transparent)]
    Store(#[from] Error),
}

/// How somebody stands.
pub(super) struct Standing<'a> {
    pub(super) says: Says<'a>,
    /// What its token says before that, in the order it is asked.
    pub(super) token: Vec<ByToken<'a>>,
    pub(super) account: Option<Account>,
    /// Whether there are accounts, and none of this name.
    pub(super) is_unknown: bool,
}

/// What follows from topics or roles that a token names.
pub(super) struct ByToken<'a> {
    /// Where the roles are; topics are nowhere else.
    pub(super) path: Option<&'a Path>,
    pub(super) rights: Arc<Rights>,
    /// Those that are not there.
    pub(super) unknown: Vec<Box<str>>,
}

/// Who decides about somebody.
pub(super) enum Says<'a> {
    /// Nobody: the account cannot be used.
    Refused(Reason),
    /// Roles, or a query.
    Rights(&'a Path, Arc<Rights>),
    /// An ACL file.
    File(&'a Path, Arc<AclFile>),
    /// No source.
    Nobody(UnknownUser),
}

impl<'a> Asked<'a> {
    /// The answer with its reasons; none if there is no such account, and no rule for one of its name.
    ///
    /// # Errors
    /// When no client can ask that, or somebody cannot be asked.
    pub fn explain(&self, request: &Request, now: Timestamp) -> Result<Option<Answered>, Trouble> {
        let question = request.question().map_err(Trouble::Question)?;
        let is_idle = |names: bool, is_empty: bool| !(is_empty || names);
        let (topics, roles) = (&request.token_acl, &request.token_roles);
        for (what, option, is_idle) in [
            (
                "roles",
                "roles",
                is_idle(self.tokens.name_roles, roles.is_empty()),
            ),
            (
                "topics",
                "acl",
                is_idle(self.tokens.name_topics, topics.is_empty()),
            ),
        ] {
            if is_idle {
                return Err(Trouble::Question(format!(
                    "{what} that a token names do not count here: there is no plugin_opt_jwt_{option}_claim"
                )));
            }
        }
        let standing = self.stand(request, now)?;
        Ok(standing.map(|standing| Answered::new(&standing, request, &question, now)))
    }

    fn stand(&self, request: &Request, now: Timestamp) -> Result<Option<Standing<'a>>, Trouble> {
        let asker = request.asker();
        let needs_account = !request.has_token() || self.tokens.need_account;
        let Self {
            sources,
            authorities,
            ..
        } = *self;
        let account = match asker.username {
            Some(username) => store::known(sources, username, asker.client_id)?,
            None => None,
        };
        let account = account.map(|(account, _)| account);
        let is_unknown = asker.username.is_some() && account.is_none() && !sources.is_empty();
        // Where it comes from is looked at when it comes.
        let approach = Approach {
            client_id: Fact::Open,
            ip: Fact::Open,
        };
        let admitted = account
            .as_ref()
            .map(|account| admission::admit(account, approach, now));
        let says = match (admitted, authorities.opinion(asker, now)?) {
            (Some(Err(reason)), _) => Says::Refused(reason),
            (_, Some(opinion)) => opinion.into(),
            (_, None) if is_unknown && needs_account => return Ok(None),
            (_, None) => match authorities.last_resort() {
                Some(opinion) => opinion.into(),
                None => Says::Nobody(self.unknown_user),
            },
        };
        let token = match says {
            Says::Refused(_) => Vec::new(),
            Says::Rights(..) | Says::File(..) | Says::Nobody(_) => self.named(request, now)?,
        };
        Ok(Some(Standing {
            says,
            token,
            account,
            is_unknown,
        }))
    }

    fn named(&self, request: &Request, now: Timestamp) -> Result<Vec<ByToken<'a>>, Trouble> {
        let (topics, roles) = (&request.token_acl, &request.token_roles);
        let mut all = Vec::new();
        if !topics.is_empty() {
            let rights = Compiler::quick().listed(&topics.publish, &topics.subscribe, now);
            all.push(ByToken {
                path: None,
                rights: rights.map_err(|why| Trouble::Question(format!("the token: {why}")))?,
                unknown: Vec::new(),
            });
        }
        if !roles.is_empty() {
            let authorities = self.authorities;
            let (path, named) = authorities.named(roles, now)?.ok_or_else(|| {
                Trouble::Question("no source has roles that a token could name".to_owned())
            })?;
            all.push(ByToken {
                path: Some(path),
                rights: named.rights,
                unknown: named.unknown,
            });
        }
        Ok(all)
    }
}

impl<'a> From<Opinion<'a>> for Says<'a> {
    fn from(opinion: Opinion<'a>) -> Self {
        match opinion {
            Opinion::File(path, file) => Self::File(path, Arc::clone(&file.in_force())),
            Opinion::Granted { path, granted, .. } => Self::Rights(path, granted.rights),
        }
    }
}
