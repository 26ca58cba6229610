//! The sources, opened to be asked.
//!
//! Must not: make anything that is not there.
#![forbid(unsafe_code)]

use jiff::Timestamp;

use crate::cli::exit::Failure;
use crate::cli::place::Place;
use crate::config::{Config, SourceConfig, UnknownUser};
use crate::reasons::{Answered, Asked, Request, Trouble};
use crate::store::{self, Ordered};

/// The sources, open.
pub(super) struct Sources {
    all: Ordered,
    unknown_user: UnknownUser,
}

impl Sources {
    /// Opens what a configuration names.
    pub(super) fn open(config: &Config) -> Result<Self, Failure> {
        for source in &config.sources {
            if let SourceConfig::Database(database) = source {
                // The plugin would make it; whoever asks makes nothing.
                Place::Database(database.path.clone()).exists()?;
            }
        }
        Ok(Self {
            all: store::open_all(config)?,
            unknown_user: config.unknown_user,
        })
    }

    /// The answer with its reasons; none if there is no such account, and no rule for one of its name.
    pub(super) fn explain(
        &self,
        request: &Request,
        now: Timestamp,
    ) -> Result<Option<Answered>, Failure> {
        let asked = Asked {
            sources: &self.all.sources,
            authorities: &self.all.authorities,
            unknown_user: self.unknown_user,
        };
        asked
            .explain(request, now)
            .map_err(|trouble| match trouble {
                Trouble::Question(why) => Failure::usage(why),
                Trouble::Store(error) => error.into(),
            })
    }
}
