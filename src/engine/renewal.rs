//! Credentials that are to be stored anew, since somebody has just shown the password.
//!
//! Must not: hash, or write. What is to be done waits here, bounded, for a thread that does it; and where
//! a credential has been replaced by another one of the same password, whoever came by the first is
//! known by the second.
#![forbid(unsafe_code)]

use std::collections::VecDeque;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use hashbrown::{HashMap, HashSet};

use super::{Engine, Found, lock};
use crate::config::Rehash;
use crate::credential::{Credential, Recipe};
use crate::model::{Account, AccountName, Fingerprint, StoredCredential};
use crate::request::{Connect, Occasion};
use crate::secret::Secret;

/// A credential to be stored anew.
#[derive(Debug)]
pub struct Renewal {
    /// Whose.
    pub name: AccountName,
    /// In which file.
    pub written_in: PathBuf,
    /// What is stored there.
    pub old: StoredCredential,
    /// How it is to be.
    pub recipe: Recipe,
    /// The password.
    pub password: Secret,
}

/// All of them.
#[derive(Default)]
pub(super) struct Renewals {
    waiting: VecDeque<Renewal>,
    /// Whose wait, or are being carried out.
    names: HashSet<AccountName>,
    /// What a credential was replaced by, and when.
    heirs: HashMap<Fingerprint, (Fingerprint, Instant)>,
}

impl Engine {
    /// A password was right. What is stored for it may not be what it should be.
    pub(super) fn offer(
        &self,
        connect: &Connect<'_>,
        found: &Found,
        account: &Account,
        fingerprint: Fingerprint,
    ) {
        let (Some(password), Some(written_in)) = (connect.password, &found.written_in) else {
            return;
        };
        // A reload shows all passwords at once.
        if connect.occasion == Occasion::Again {
            return;
        }
        let mut credentials = found.credentials();
        let Some((_, old)) = credentials.find(|(other, _)| *other == fingerprint) else {
            return;
        };
        let recipe = match Credential::parse(old, &self.limits) {
            Ok(known) => known.renewal(self.rehash, self.rehash_iterations),
            Err(_) => None,
        };
        let Some(recipe) = recipe else {
            return;
        };
        if self.rehash == Rehash::Weaker && looks_generated(password) {
            return;
        }
        let mut renewals = lock(&self.renewals);
        if renewals.names.len() >= MOST || !renewals.names.insert(account.name.clone()) {
            return;
        }
        renewals.waiting.push_back(Renewal {
            name: account.name.clone(),
            written_in: written_in.clone(),
            old: old.clone(),
            recipe,
            password: Secret::new(password.to_vec()),
        });
    }

    /// Whether there is anything to be stored anew.
    #[must_use]
    pub fn has_renewals(&self) -> bool {
        !lock(&self.renewals).waiting.is_empty()
    }

    /// Some of what there is to be stored anew. For a thread of its own.
    pub fn take_renewals(&self, most: usize) -> Vec<Renewal> {
        let mut renewals = lock(&self.renewals);
        let count = most.min(renewals.waiting.len());
        renewals.waiting.drain(..count).collect()
    }

    /// What is about to be stored is of the same password. Said before it is, so that nobody is ended by it.
    pub fn renews(&self, renewal: &Renewal, new: &StoredCredential) {
        let now = (self.clock)().mono;
        let mut verified = lock(&self.verified);
        let old = verified.fingerprint(&renewal.name, &renewal.old);
        let heir = verified.fingerprint(&renewal.name, new);
        let tags = verified.tags(heir, renewal.password.expose());
        verified.remember(&tags, now);
        drop(verified);
        lock(&self.renewals).heirs.insert(old, (heir, now));
    }

    /// It was stored, or will not be: the next login of its account is looked at again.
    pub fn renewed(&self, renewal: &Renewal) {
        lock(&self.renewals).names.remove(&renewal.name);
    }

    /// The credential of an account that is this one, or has taken its place.
    pub(super) fn current(&self, found: &Found, fingerprint: Fingerprint) -> Option<Fingerprint> {
        if found.has(fingerprint) {
            return Some(fingerprint);
        }
        let renewals = lock(&self.renewals);
        let (heir, _) = renewals.heirs.get(&fingerprint)?;
        found.has(*heir).then_some(*heir)
    }

    /// Everybody has been looked at again long ago.
    pub(super) fn forget_heirs(&self, now: Instant) {
        let is_new = |since: Instant| now.saturating_duration_since(since) < REMEMBERED;
        let mut renewals = lock(&self.renewals);
        renewals.heirs.retain(|_, (_, since)| is_new(*since));
    }
}

/// Whether nobody could guess it, however it is stored: doorman's own have 32 characters.
fn looks_generated(password: &[u8]) -> bool {
    let is_base64 = |byte: &u8| byte.is_ascii_alphanumeric() || b"+/-_=".contains(byte);
    let has = |test: fn(&u8) -> bool| password.iter().any(test);
    let is_mixed =
        has(u8::is_ascii_uppercase) && has(u8::is_ascii_lowercase) && has(u8::is_ascii_digit);
    password.len() >= 32 && password.iter().all(is_base64) && is_mixed
}

/// So many wait; whoever comes then is looked at again at its next login.
const MOST: usize = 1_000;

/// A login may have begun before its credential was replaced, and sources are looked at again and again.
const REMEMBERED: Duration = Duration::from_mins(10);
