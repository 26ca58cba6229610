//! The sources, opened to be asked; or a broker that has them open.
//!
//! Must not: make anything that is not there.
#![forbid(unsafe_code)]

use std::io::{self, Write};

use jiff::Timestamp;
use serde::Serialize;

use crate::cli::exit::Failure;
use crate::cli::place::Place;
use crate::cli::print::Answer;
use crate::config::{Config, SourceConfig, UnknownUser};
use crate::courier::Courier;
use crate::reasons::{Answered, Asked, Outcome, Request, TokenRules, Told, Trouble};
use crate::store::{self, Ordered};

/// The sources, open.
pub(super) enum Sources {
    /// Here.
    Here {
        /// In the order they are asked.
        all: Ordered,
        /// What becomes of a name that none of them knows.
        unknown_user: UnknownUser,
        /// What becomes of tokens.
        tokens: TokenRules,
    },
    /// A running broker's.
    Far(Box<Courier>),
}

/// An answer, from here or from far away.
#[derive(Serialize)]
#[serde(untagged)]
pub(super) enum Reply {
    Here(Box<Answered>),
    Far(Told),
}

impl Reply {
    pub(super) fn decision(&self) -> Outcome {
        match self {
            Self::Here(answered) => answered.decision,
            Self::Far(told) => told.decision,
        }
    }

    pub(super) fn write_reasons(&self, out: &mut dyn Write) -> io::Result<()> {
        match self {
            Self::Here(answered) => answered.write_reasons(out),
            Self::Far(told) => out.write_all(told.reasons().as_bytes()),
        }
    }
}

impl Answer for Reply {
    fn write(&self, out: &mut dyn Write) -> io::Result<()> {
        match self {
            Self::Here(answered) => answered.write(out),
            Self::Far(told) => out.write_all(told.words().as_bytes()),
        }
    }
}

impl Sources {
    /// Opens what a configuration names.
    pub(super) fn open(config: &Config, tokens: TokenRules) -> Result<Self, Failure> {
        for source in &config.sources {
            if let SourceConfig::Database(database) = source {
                // The plugin would make it; whoever asks makes nothing.
                Place::Database(database.path.clone()).exists()?;
            }
        }
        Ok(Self::Here {
            all: store::open_all(config)?,
            unknown_user: config.unknown_user,
            tokens,
        })
    }

    /// The answer with its reasons; none if there is no such account, and no rule for one of its name.
    pub(super) fn explain(
        &mut self,
        request: &Request,
        now: Timestamp,
    ) -> Result<Option<Reply>, Failure> {
        let asked = match self {
            Self::Here {
                all,
                unknown_user,
                tokens,
            } => Asked {
                sources: &all.sources,
                authorities: &all.authorities,
                unknown_user: *unknown_user,
                tokens: *tokens,
            },
            Self::Far(courier) => return Ok(courier.explain(request)?.map(Reply::Far)),
        };
        match asked.explain(request, now) {
            Ok(answered) => Ok(answered.map(|answered| Reply::Here(Box::new(answered)))),
            Err(Trouble::Question(why)) => Err(Failure::usage(why)),
            Err(Trouble::Store(error)) => Err(error.into()),
        }
    }
}
