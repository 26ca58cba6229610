//! The thread that fetches what an issuer publishes.
//!
//! Must not: understand it, follow a redirect, send anything of ours but the request, or take more bytes
//! or time than any issuer needs. It waits between two fetches, however many want another one.
#![forbid(unsafe_code)]

use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use rustls::pki_types::CertificateDer;
use ureq::Agent;
use ureq::tls::{Certificate, RootCerts, TlsConfig, TlsProvider};

use super::trust::authorities;
use crate::config::KeyUrl;

/// What was fetched, or why nothing was.
pub(super) type Fetched = Result<Vec<u8>, String>;

/// What the thread, the watcher and the engine say to each other.
pub(super) struct Fetching {
    url: KeyUrl,
    /// Who may vouch for that server, if it is not the system's to say.
    ca: Option<PathBuf>,
    interval: Duration,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    fetched: Option<Fetched>,
    is_hastened: bool,
    is_stopped: bool,
    is_over: bool,
}

/// The running thread; dropped, it ends.
pub(super) struct Fetcher {
    fetching: Arc<Fetching>,
    thread: Option<JoinHandle<()>>,
}

impl Fetching {
    pub(super) fn new(url: KeyUrl, ca: Option<PathBuf>, interval: Duration) -> Self {
        Self {
            url,
            ca,
            interval,
            state: Mutex::default(),
            changed: Condvar::new(),
        }
    }

    /// From where.
    pub(super) fn url(&self) -> &KeyUrl {
        &self.url
    }

    /// The result of the last fetch, once.
    pub(super) fn take(&self) -> Option<Fetched> {
        self.state().fetched.take()
    }

    /// Somebody wants another fetch soon.
    pub(super) fn hasten(&self) {
        self.state().is_hastened = true;
        self.changed.notify_all();
    }

    fn run(&self, fetch: impl Fn(&Self) -> Fetched) {
        loop {
            self.state().is_hastened = false;
            let fetched = fetch(self);
            let next = match fetched {
                Ok(_) => self.interval,
                Err(_) => self.interval.min(AFTER_TROUBLE),
            };
            self.state().fetched = Some(fetched);
            // However many want another one.
            if self.waits(PAUSE.min(next), |state| state.is_stopped) {
                break;
            }
            let rest = next.saturating_sub(PAUSE);
            self.waits(rest, |state| state.is_stopped || state.is_hastened);
            if self.state().is_stopped {
                break;
            }
        }
        self.state().is_over = true;
        self.changed.notify_all();
    }

    /// Waits for something, so long at most; whether it came.
    fn waits(&self, time: Duration, for_what: impl Fn(&State) -> bool) -> bool {
        let state = self.state();
        let waited = self
            .changed
            .wait_timeout_while(state, time, |state| !for_what(state));
        let (state, _) = waited.unwrap_or_else(PoisonError::into_inner);
        for_what(&state)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Fetcher {
    /// Starts the thread.
    ///
    /// # Errors
    /// When the system gives none.
    pub(super) fn start(fetching: Arc<Fetching>) -> io::Result<Self> {
        let its = Arc::clone(&fetching);
        let thread = std::thread::Builder::new()
            .name("doorman-fetch".to_owned())
            .spawn(move || its.run(fetch))?;
        Ok(Self {
            fetching,
            thread: Some(thread),
        })
    }

    /// Whether it has ended, which it does in a panic only.
    pub(super) fn is_over(&self) -> bool {
        self.thread.as_ref().is_none_or(JoinHandle::is_finished)
    }
}

impl Drop for Fetcher {
    /// An issuer that does not answer does not hold up the broker's end: the thread is left to itself then,
    /// touches nothing of the broker's, and ends with the process.
    fn drop(&mut self) {
        self.fetching.state().is_stopped = true;
        self.fetching.changed.notify_all();
        let is_over = self.fetching.waits(AT_THE_END, |state| state.is_over);
        if let Some(thread) = self.thread.take().filter(|_| is_over) {
            // A panic has been told of.
            thread.join().ok();
        }
    }
}

fn fetch(from: &Fetching) -> Fetched {
    let url = &from.url;
    let authorities = match &from.ca {
        Some(path) => authorities(path).map_err(|error| error.to_string())?,
        None => rustls_native_certs::load_native_certs().certs,
    };
    let mut response = agent(&authorities)
        .get(url.as_str())
        .call()
        .map_err(|error| told(url, &error))?;
    let status = response.status();
    if status != 200 {
        return Err(format!("it answers {status}"));
    }
    let body = response.body_mut().with_config().limit(MOST_BYTES);
    body.read_to_vec().map_err(|error| told(url, &error))
}

fn agent(authorities: &[CertificateDer<'_>]) -> Agent {
    let certificates = authorities.iter();
    let certificates = certificates.map(|one| Certificate::from_der(one).to_owned());
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let tls = TlsConfig::builder()
        .provider(TlsProvider::Rustls)
        .root_certs(RootCerts::Specific(Arc::new(certificates.collect())))
        .unversioned_rustls_crypto_provider(provider)
        .build();
    let config = Agent::config_builder()
        .tls_config(tls)
        .timeout_global(Some(LONGEST))
        .max_redirects(0)
        .http_status_as_error(false)
        .proxy(None)
        .user_agent("mosquitto-doorman")
        .build();
    config.into()
}

/// An error may have the whole URL in it.
fn told(url: &KeyUrl, error: &ureq::Error) -> String {
    error.to_string().replace(url.as_str(), url.shown())
}

/// An issuer that has not answered by then is not there.
const LONGEST: Duration = Duration::from_secs(10);

/// Between two fetches.
const PAUSE: Duration = Duration::from_secs(5);

/// Where the last fetch failed, the next one comes no later.
const AFTER_TROUBLE: Duration = Duration::from_secs(15);

/// A fetch that is under way may take so long at the end.
const AT_THE_END: Duration = Duration::from_millis(200);

/// Keys take a few hundred bytes each.
const MOST_BYTES: u64 = 256 * 1024;

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};
    use std::sync::mpsc::channel;

    use super::*;

    fn fetching() -> Arc<Fetching> {
        let url = KeyUrl::parse("http://127.0.0.1:1/keys").unwrap();
        Arc::new(Fetching::new(url, None, Duration::from_hours(1)))
    }

    #[test]
    fn however_many_want_another_fetch_there_is_a_pause() {
        let (shared, count) = (fetching(), Arc::new(AtomicU32::new(0)));
        let (counted, its) = (Arc::clone(&count), Arc::clone(&shared));
        let (tell, told) = channel();
        let thread = std::thread::spawn(move || {
            its.run(|_| {
                counted.fetch_add(1, Ordering::Relaxed);
                tell.send(()).unwrap();
                Ok(Vec::new())
            });
        });
        told.recv().unwrap();
        for _ in 0..100 {
            shared.hasten();
        }
        let early = told.recv_timeout(Duration::from_millis(300));
        assert!(early.is_err(), "five seconds are not over");
        told.recv_timeout(PAUSE * 4).expect("another fetch");
        shared.state().is_stopped = true;
        shared.changed.notify_all();
        thread.join().unwrap();
        assert_eq!(count.load(Ordering::Relaxed), 2);
    }

    #[test]
    fn an_issuer_that_does_not_answer_does_not_hold_up_the_end() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let url = KeyUrl::parse(&format!("http://127.0.0.1:{port}/keys")).unwrap();
        let fetching = Arc::new(Fetching::new(url, None, Duration::from_hours(1)));
        let fetcher = Fetcher::start(fetching).unwrap();
        // It is connected, and hears nothing.
        let _silent = listener.accept().unwrap();
        let (tell, told) = channel();
        std::thread::spawn(move || {
            drop(fetcher);
            tell.send(()).unwrap();
        });
        told.recv_timeout(Duration::from_secs(5)).expect("at once");
    }
}
