//! How a client stands with the sources, asked as the plugin does it.
//!
//! Must not: have an order of its own: that is `store`'s. The account comes first, as in `engine::access`,
//! then the first source with something to say, and an ACL file last of all where nobody has.
#![forbid(unsafe_code)]

use std::path::Path;
use std::sync::Arc;

use jiff::Timestamp;

use super::answer::Answered;
use super::request::Request;
use crate::admission::{self, Approach, Fact};
use crate::config::UnknownUser;
use crate::model::Account;
use crate::policy::acl_file::AclFile;
use crate::policy::{Asker, Rights};
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
    pub(super) account: Option<Account>,
    /// Whether there are accounts, and none of this name.
    pub(super) is_unknown: bool,
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
        let standing = self.stand(request.asker(), now)?;
        Ok(standing.map(|standing| Answered::new(&standing, request, &question, now)))
    }

    fn stand(&self, asker: Asker<'_>, now: Timestamp) -> Result<Option<Standing<'a>>, Error> {
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
            (_, None) if is_unknown => return Ok(None),
            (_, None) => match authorities.last_resort() {
                Some(opinion) => opinion.into(),
                None => Says::Nobody(self.unknown_user),
            },
        };
        Ok(Some(Standing {
            says,
            account,
            is_unknown,
        }))
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
