//! A real broker, started for one test and gone with it.
//!
//! It runs as the current user. Start it in the thread that uses it: the kernel ends it together
//! with the thread that started it (`Tree::broker_command`). When the test panics, its log is
//! printed.

use std::fs;
use std::net::{Ipv4Addr, TcpStream};
use std::path::Path;
use std::process::{Child, Command, ExitStatus};
use std::thread;
use std::time::Duration;

use super::conf;
use super::startup::Startup;
use super::tree::Tree;
use super::wait::{PATIENCE, eventually, until};

/// A running broker.
#[derive(Debug)]
pub struct Broker {
    startup: Startup,
    ports: Vec<u16>,
    child: Child,
    /// Where the log of the current run begins.
    log_start: usize,
}

impl Broker {
    /// The broker of one version, to be filled and started.
    pub fn version(version: &str) -> Startup {
        Startup::new(Tree::find(version))
    }

    /// Another broker of `tree`, to be filled and started.
    pub fn of(tree: &Tree) -> Startup {
        Startup::new(tree.clone())
    }

    pub fn tree(&self) -> &Tree {
        self.startup.tree()
    }

    pub fn dir(&self) -> &Path {
        self.startup.dir()
    }

    /// The port `{port}` stands for.
    pub fn port(&self) -> u16 {
        self.nth_port(1)
    }

    /// The port `{port2}` … stands for.
    pub fn nth_port(&self, number: usize) -> u16 {
        *self
            .ports
            .get(number - 1)
            .unwrap_or_else(|| panic!("the configuration has no listener {number}"))
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Everything the broker has logged, earlier runs of [`Self::restart`] included.
    pub fn log(&self) -> String {
        self.log_after(0)
    }

    /// What the broker has logged behind the place `start`, an earlier [`Self::log_end`].
    pub fn log_after(&self, start: usize) -> String {
        let log = fs::read(self.startup.log_path()).unwrap_or_default();
        String::from_utf8_lossy(log.get(start..).unwrap_or_default()).into_owned()
    }

    /// Where the log ends now, in bytes.
    pub fn log_end(&self) -> usize {
        let log = fs::metadata(self.startup.log_path());
        log.map_or(0, |log| log.len() as usize)
    }

    /// Waits until the log says `needle`.
    #[track_caller]
    pub fn wait_for_log(&self, needle: &str, deadline: Duration) {
        self.wait_for_log_after(0, needle, deadline);
    }

    /// Waits until the log says `needle` behind the place `start`, an earlier [`Self::log_end`].
    #[track_caller]
    pub fn wait_for_log_after(&self, start: usize, needle: &str, deadline: Duration) {
        let said = || self.log_after(start).contains(needle);
        assert!(
            eventually(deadline, said),
            "the broker's log does not say {needle:?}"
        );
    }

    /// Resident memory, in KiB.
    pub fn rss_kib(&self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.pid()));
        let status = status.expect("the broker runs");
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let words = line.and_then(|line| line.split_whitespace().next());
        words
            .and_then(|kib| kib.parse().ok())
            .expect("a VmRSS line")
    }

    /// Makes the broker read its files again. It does so at its next turn, not before this returns.
    pub fn sighup(&self) {
        self.signal("HUP");
    }

    /// Sends the signal `name` (`HUP`, `USR1`, …).
    pub fn signal(&self, name: &str) {
        let sent = Command::new("sh")
            .args(["-c", &format!("kill -{name} {}", self.pid())])
            .status();
        assert!(sent.is_ok_and(|status| status.success()), "no signal sent");
    }

    /// Whether the broker is still running.
    pub fn runs(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    /// How the broker ended, if it did before `deadline`.
    pub fn wait_for_exit(&mut self, deadline: Duration) -> Option<ExitStatus> {
        until(deadline, || self.child.try_wait().expect("a child"))
    }

    /// Ends the broker in order and returns how it ended. Log and directory stay readable.
    #[track_caller]
    pub fn stop(&mut self) -> ExitStatus {
        if self.runs() {
            self.signal("TERM");
        }
        let status = self.wait_for_exit(PATIENCE);
        status.unwrap_or_else(|| panic!("the broker does not stop"))
    }

    /// Stops the broker and starts it again with the same configuration, ports and directory.
    #[track_caller]
    pub fn restart(&mut self) {
        self.stop();
        self.start_child();
        assert!(self.comes_up(PATIENCE), "the broker did not start again");
    }

    pub(super) fn spawn(startup: Startup, text: &str) -> Self {
        let ports = conf::free_ports(text);
        startup.write_conf(text, &ports);
        let child = startup.spawn();
        Self {
            startup,
            ports,
            child,
            log_start: 0,
        }
    }

    pub(super) fn spawn_again(&mut self, text: &str) {
        self.ports = conf::free_ports(text);
        self.startup.write_conf(text, &self.ports);
        self.start_child();
    }

    fn start_child(&mut self) {
        self.log_start = self.log_end();
        self.child = self.startup.spawn();
    }

    /// Whether the broker answers: it says it runs, and its first port is open. The log alone would
    /// be early, the port alone may be somebody else's.
    pub(super) fn comes_up(&mut self, deadline: Duration) -> bool {
        let answered = until(deadline, || {
            if !self.runs() {
                return Some(false);
            }
            let running = format!("mosquitto version {} running", self.tree().version());
            let says_so = self.log_after(self.log_start).contains(&running);
            (says_so && self.first_port_is_open()).then_some(true)
        });
        answered == Some(true)
    }

    /// Whether the broker ended because somebody else had taken its port.
    pub(super) fn lost_its_port(&self) -> bool {
        let log = self.log_after(self.log_start);
        log.contains("Address already in use")
    }

    fn first_port_is_open(&self) -> bool {
        let port = self.ports.first();
        port.is_none_or(|port| TcpStream::connect((Ipv4Addr::LOCALHOST, *port)).is_ok())
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        // It may have ended already; then there is nothing to kill.
        self.child.kill().ok();
        self.child.wait().ok();
        if thread::panicking() {
            let version = self.tree().version();
            eprintln!("--- log of broker {version} ---\n{}---", self.log());
        }
    }
}
