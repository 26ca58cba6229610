//! Keys that an issuer publishes, as the watcher puts them in force.
//!
//! Must not: wait for the issuer. A thread of its own fetches; here is only looked at what it has.
#![forbid(unsafe_code)]

use std::path::PathBuf;
use std::sync::Arc;

use super::fetch::{Fetched, Fetcher, Fetching};
use super::{KeySet, damaged};
use crate::store::{Error, Hurry, Login, News, Watched};
use crate::token::published_keys;

struct Published {
    set: Arc<KeySet>,
    fetching: Arc<Fetching>,
    fetcher: Option<Fetcher>,
    /// What the keys in force were made of.
    taken: Vec<u8>,
    trouble: Option<Error>,
}

/// To be kept fresh. Fetching begins with the first look, on the watcher's thread and so with all signals
/// blocked.
pub(super) fn watched(set: Arc<KeySet>, fetching: Arc<Fetching>) -> Box<dyn Watched> {
    Box::new(Published {
        set,
        fetching,
        fetcher: None,
        taken: Vec::new(),
        trouble: None,
    })
}

impl Watched for Published {
    fn refresh(&mut self, _: Hurry) -> Result<News, Error> {
        if self.fetcher.as_ref().is_none_or(Fetcher::is_over) {
            let fetcher = Fetcher::start(Arc::clone(&self.fetching));
            self.fetcher = Some(fetcher.map_err(|error| self.unavailable(error.to_string()))?);
        }
        if let Some(fetched) = self.fetching.take() {
            self.trouble = self.take_over(fetched).err();
        }
        match &self.trouble {
            Some(error) => Err(error.clone()),
            None => Ok(News::Nothing),
        }
    }

    fn record_logins(&mut self, _: &[Login]) -> Result<(), Error> {
        Ok(())
    }
}

impl Published {
    fn take_over(&mut self, fetched: Fetched) -> Result<(), Error> {
        let bytes = fetched.map_err(|why| self.unavailable(why))?;
        if bytes == self.taken {
            return Ok(());
        }
        let keys = published_keys(&bytes).map_err(|error| damaged(&self.place(), error))?;
        let shown = self.fetching.url().shown();
        log::info!("{shown}: {} keys for tokens", keys.len());
        self.set.replace(keys);
        self.taken = bytes;
        Ok(())
    }

    fn unavailable(&self, why: String) -> Error {
        Error::Unavailable {
            path: self.place(),
            why,
        }
    }

    fn place(&self) -> PathBuf {
        self.fetching.url().shown().into()
    }
}
