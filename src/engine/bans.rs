//! Who is held up by the throttle, for whoever administers; and the reasons of accesses.
//!
//! Must not: keep the throttle from those who log in: of a long list one entry at a time is looked at.
#![forbid(unsafe_code)]

use jiff::Timestamp;

use super::{Engine, lock};
use crate::config::{CostLimits, Jwt};
use crate::policy::Prefixes;
use crate::reasons::{Answered, Asked, Request, TokenRules, Trouble};
use crate::throttle::{Ban, Entry, Whom};

/// Whose failures are forgotten.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pardon {
    /// Whose.
    pub whom: Whom,
    /// Only of names that begin so.
    pub prefixes: Option<Prefixes>,
}

impl Engine {
    /// What time it is.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        (self.clock)().wall
    }

    /// What a stored password may cost.
    #[must_use]
    pub fn limits(&self) -> &CostLimits {
        &self.limits
    }

    /// How many have failed or have to wait, and some of them.
    #[must_use]
    pub fn bans(
        &self,
        whom: &Whom,
        prefixes: Option<&Prefixes>,
        offset: usize,
        count: usize,
    ) -> (usize, Vec<Ban>) {
        let now = (self.clock)().mono;
        let entries = self.banned(whom, prefixes);
        let page = entries.iter().skip(offset).take(count);
        let page = page.filter_map(|entry| lock(&self.throttle).ban(*entry, now));
        (entries.len(), page.collect())
    }

    /// Forgets failures.
    pub fn pardon(&self, pardons: &[Pardon]) {
        let now = (self.clock)().mono;
        for Pardon { whom, prefixes } in pardons {
            for entry in self.banned(whom, prefixes.as_ref()) {
                lock(&self.throttle).let_off(entry, now);
            }
        }
    }

    fn banned(&self, whom: &Whom, prefixes: Option<&Prefixes>) -> Vec<Entry> {
        let now = (self.clock)().mono;
        let sees = |name: &str| prefixes.is_none_or(|prefixes| prefixes.covers(name));
        lock(&self.throttle).bans(whom, &sees, now)
    }

    /// Whether a client may do something, and why; none if there is no such account, and no rule for one of
    /// its name.
    ///
    /// # Errors
    /// When no client can ask that, or somebody cannot be asked.
    pub fn explain(&self, request: &Request) -> Result<Option<Answered>, Trouble> {
        let none = Jwt::standard();
        let asked = Asked {
            sources: &self.sources,
            authorities: &self.authorities,
            unknown_user: self.unknown_user,
            tokens: TokenRules::of(self.tokens.as_ref().map_or(&none, |tokens| &tokens.wanted)),
        };
        asked.explain(request, self.now())
    }
}
