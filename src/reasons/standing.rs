//! How a client stands with the sources, asked as the plugin does it.
//!
//! Must not: have an order of its own: that is `store`'s. The account comes first, as in `engine::access`,
//! then the first source with something to say, and an ACL file last of all where nobody has. Roles that a token
//! names go before all of them but the account, as in `engine::token`.
#![forbid(unsafe_code)]

use std::path::Path;
use std::sync::Arc;

use jiff::Timestamp;

use super::answer::Answered;
use super::request::Request;
use crate::admission::{self, Approach, Fact};
use crate::config::{Jwt, UnknownUser};
use crate::model::Account;
use crate::policy::Rights;
use crate::policy::acl_file::AclFile;
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

/// What becomes of tokens, as far as their roles are concerned.
#[derive(Clone, Copy, Debug)]
pub struct TokenRules {
    /// Whether they may name any.
    pub name_roles: bool,
    /// Whether their clients need an account.
    pub need_account: bool,
}

impl TokenRules {
    /// Where nobody said anything else: names of roles count, and there has to be an account.
    pub const USUAL: Self = Self {
        name_roles: true,
        need_account: true,
    };

    /// Those of a configuration.
    #[must_use]
    pub fn of(jwt: &Jwt) -> Self {
        Self {
            name_roles: jwt.has_keys() && jwt.roles.is_some(),
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
    /// What its token says before that.
    pub(super) token: Option<ByToken<'a>>,
    pub(super) account: Option<Account>,
    /// Whether there are accounts, and none of this name.
    pub(super) is_unknown: bool,
}

/// What follows from the roles that a token names.
pub(super) struct ByToken<'a> {
    /// Where they are.
    pub(super) path: &'a Path,
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
        if !(request.token_roles.is_empty() || self.tokens.name_roles) {
            let why = "roles that a token names do not count here: there is no plugin_opt_jwt_roles_claim";
            return Err(Trouble::Question(why.to_owned()));
        }
        let standing = self.stand(request, now)?;
        Ok(standing.map(|standing| Answered::new(&standing, request, &question, now)))
    }

    fn stand(&self, request: &Request, now: Timestamp) -> Result<Option<Standing<'a>>, Trouble> {
        let asker = request.asker();
        let roles = &request.token_roles;
        let needs_account = roles.is_empty() || self.tokens.need_account;
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
            Says::Rights(..) | Says::File(..) | Says::Nobody(_) if !roles.is_empty() => {
                Some(self.named(roles, now)?)
            }
            Says::Refused(_) | Says::Rights(..) | Says::File(..) | Says::Nobody(_) => None,
        };
        Ok(Some(Standing {
            says,
            token,
            account,
            is_unknown,
        }))
    }

    fn named(&self, roles: &[Box<str>], now: Timestamp) -> Result<ByToken<'a>, Trouble> {
        let authorities = self.authorities;
        let (path, named) = authorities.named(roles, now)?.ok_or_else(|| {
            Trouble::Question("no source has roles that a token could name".to_owned())
        })?;
        Ok(ByToken {
            path,
            rights: named.rights,
            unknown: named.unknown,
        })
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
