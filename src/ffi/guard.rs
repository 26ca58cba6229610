//! The one gate that every callback passes: panic, re-entry and a wrong thread end in the code that
//! the event's rule writes out.
//!
//! Must not: have a default. `MOSQ_ERR_SUCCESS` is 0 and means "granted".

use std::any::Any;
use std::cell::Cell;
use std::ffi::{c_int, c_void};
use std::panic::{AssertUnwindSafe, catch_unwind};

use super::plugin::{Main, Plugin};
use super::{abi, logger};

/// What holds for one event.
#[derive(Debug)]
pub(super) struct Rule {
    /// Its number.
    pub(super) event: c_int,
    /// Its name in the log.
    pub(super) name: &'static str,
    /// What to answer when the callback cannot: one code for 2.0, one since 2.1.
    pub(super) denied: Denied,
    /// Whether it may come while another callback of ours is running.
    pub(super) nested: Nested,
    /// Whether it may come on another thread than the broker's own.
    pub(super) elsewhere: Elsewhere,
    /// What becomes of log lines meanwhile.
    pub(super) lines: Lines,
}

/// The answer of a callback that failed.
#[derive(Clone, Copy, Debug)]
pub(super) struct Denied {
    /// For 2.0.
    pub(super) before_2_1: c_int,
    /// For 2.1.
    pub(super) since_2_1: c_int,
}

/// Whether an event may come while another callback of ours is running.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Nested {
    /// Kicking a client reports its end, and asks about its subscriptions, before the kick returns; a
    /// log line that the broker publishes asks who may read it.
    Answer,
    /// Nothing we do can cause it.
    Refuse,
}

/// What becomes of the log lines that are written while an event is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Lines {
    /// The broker has them at once.
    Written,
    /// They wait for the next tick: the broker would come with this very event for each of them.
    Kept,
}

/// Whether an event may come on another thread.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Elsewhere {
    /// The HTTP API of 2.1 asks on a thread of its own.
    Answer,
    /// Never seen.
    Refuse,
}

impl Denied {
    const fn always(code: c_int) -> Self {
        Self {
            before_2_1: code,
            since_2_1: code,
        }
    }
}

/// BASIC_AUTH: refused. Never DEFER, IGNORE or 0.
pub(super) const BASIC_AUTH: Rule = Rule {
    event: abi::MOSQ_EVT_BASIC_AUTH,
    name: "BASIC_AUTH",
    denied: Denied::always(abi::MOSQ_ERR_AUTH),
    nested: Nested::Refuse,
    elsewhere: Elsewhere::Answer,
    lines: Lines::Written,
};

/// EXT_AUTH_START: refused. Never DEFER, IGNORE or 0.
pub(super) const EXT_AUTH_START: Rule = Rule {
    event: abi::MOSQ_EVT_EXT_AUTH_START,
    name: "EXT_AUTH_START",
    denied: Denied::always(abi::MOSQ_ERR_AUTH),
    nested: Nested::Refuse,
    elsewhere: Elsewhere::Refuse,
    lines: Lines::Written,
};

/// EXT_AUTH_CONTINUE: refused as well, whoever's exchange it is.
pub(super) const EXT_AUTH_CONTINUE: Rule = Rule {
    event: abi::MOSQ_EVT_EXT_AUTH_CONTINUE,
    name: "EXT_AUTH_CONTINUE",
    denied: Denied::always(abi::MOSQ_ERR_AUTH),
    nested: Nested::Refuse,
    elsewhere: Elsewhere::Refuse,
    lines: Lines::Written,
};

/// PSK_KEY: no key. Never DEFER or 0, with which an empty one would be taken.
pub(super) const PSK_KEY: Rule = Rule {
    event: abi::MOSQ_EVT_PSK_KEY,
    name: "PSK_KEY",
    denied: Denied::always(abi::MOSQ_ERR_AUTH),
    nested: Nested::Refuse,
    elsewhere: Elsewhere::Refuse,
    lines: Lines::Written,
};

/// ACL_CHECK: denied. Any other failure ends the connection, of the publisher where a subscriber is
/// asked about.
pub(super) const ACL_CHECK: Rule = Rule {
    event: abi::MOSQ_EVT_ACL_CHECK,
    name: "ACL_CHECK",
    denied: Denied::always(abi::MOSQ_ERR_ACL_DENIED),
    nested: Nested::Answer,
    elsewhere: Elsewhere::Answer,
    lines: Lines::Kept,
};

/// RELOAD: the last good state stays. 2.0 goes on to the next plugin on DEFER only, and loses its
/// own password file on an error; 2.1 ends on anything but 0.
pub(super) const RELOAD: Rule = Rule {
    event: abi::MOSQ_EVT_RELOAD,
    name: "RELOAD",
    denied: Denied {
        before_2_1: abi::MOSQ_ERR_PLUGIN_DEFER,
        since_2_1: abi::MOSQ_ERR_SUCCESS,
    },
    nested: Nested::Refuse,
    elsewhere: Elsewhere::Refuse,
    lines: Lines::Written,
};

/// TICK grants nothing; 0 says that the round is over.
pub(super) const TICK: Rule = Rule {
    event: abi::MOSQ_EVT_TICK,
    name: "TICK",
    denied: Denied::always(abi::MOSQ_ERR_SUCCESS),
    nested: Nested::Refuse,
    elsewhere: Elsewhere::Refuse,
    lines: Lines::Written,
};

/// CONNECT reports and asks nothing. Telling a client that waited makes 2.1 report it at once.
pub(super) const CONNECT: Rule = Rule {
    event: abi::MOSQ_EVT_CONNECT,
    name: "CONNECT",
    denied: Denied::always(abi::MOSQ_ERR_SUCCESS),
    nested: Nested::Answer,
    elsewhere: Elsewhere::Refuse,
    lines: Lines::Written,
};

/// CONTROL: heard, and nothing done. Anything but 0 ends the connection of whoever sent it.
pub(super) const CONTROL: Rule = Rule {
    event: abi::MOSQ_EVT_CONTROL,
    name: "CONTROL",
    denied: Denied::always(abi::MOSQ_ERR_SUCCESS),
    nested: Nested::Refuse,
    elsewhere: Elsewhere::Refuse,
    lines: Lines::Written,
};

/// DISCONNECT reports and asks nothing.
pub(super) const DISCONNECT: Rule = Rule {
    event: abi::MOSQ_EVT_DISCONNECT,
    name: "DISCONNECT",
    denied: Denied::always(abi::MOSQ_ERR_SUCCESS),
    nested: Nested::Answer,
    elsewhere: Elsewhere::Refuse,
    lines: Lines::Written,
};

/// MESSAGE_IN: the message goes to nobody.
pub(super) const MESSAGE_IN: Rule = Rule {
    event: abi::MOSQ_EVT_MESSAGE,
    name: "MESSAGE_IN",
    denied: Denied::always(abi::MOSQ_ERR_ACL_DENIED),
    nested: Nested::Refuse,
    elsewhere: Elsewhere::Refuse,
    lines: Lines::Written,
};

/// SUBSCRIBE: not subscribed to. Anything but 0 ends the connection.
pub(super) const SUBSCRIBE: Rule = Rule {
    event: abi::MOSQ_EVT_SUBSCRIBE,
    name: "SUBSCRIBE",
    denied: Denied::always(abi::MOSQ_ERR_ACL_DENIED),
    nested: Nested::Refuse,
    elsewhere: Elsewhere::Refuse,
    lines: Lines::Written,
};

/// CLIENT_OFFLINE reports and asks nothing. 2.1 sends it instead of DISCONNECT for a session that
/// outlives its connection.
pub(super) const CLIENT_OFFLINE: Rule = Rule {
    event: abi::MOSQ_EVT_CLIENT_OFFLINE,
    name: "CLIENT_OFFLINE",
    denied: Denied::always(abi::MOSQ_ERR_SUCCESS),
    nested: Nested::Answer,
    elsewhere: Elsewhere::Refuse,
    lines: Lines::Written,
};

/// Runs a callback's body, or answers as its rule says.
///
/// # Safety
/// `user_data` is NULL or points to the [`Plugin`] that was registered with it, which lives until
/// cleanup has unregistered the callback.
pub(super) unsafe fn guard(
    rule: &Rule,
    user_data: *mut c_void,
    body: impl FnOnce(&Plugin, Option<&Main>) -> c_int,
) -> c_int {
    // SAFETY: promised by the caller. Shared: every field of Plugin may be used from any thread.
    let Some(plugin) = (unsafe { user_data.cast::<Plugin>().as_ref() }) else {
        return rule.denied.before_2_1;
    };
    let denied = plugin.denied(rule.denied);
    let main = plugin.main();
    let _kept = (main.is_some() && rule.lines == Lines::Kept).then(logger::keep);
    let answer = catching(|| {
        let Some(main) = main else {
            return match rule.elsewhere {
                Elsewhere::Answer => body(plugin, None),
                Elsewhere::Refuse => refused(rule, "came on another thread", denied),
            };
        };
        let Some(_inside) = main.callbacks().enter(rule.nested) else {
            return refused(rule, "came within another callback", denied);
        };
        body(plugin, Some(main))
    });
    answer.unwrap_or_else(|_| refused(rule, "failed", denied))
}

/// Runs `body`; a panic comes back as an error. The only `catch_unwind` in the house.
pub(super) fn catching<T>(body: impl FnOnce() -> T) -> Result<T, Box<dyn Any + Send>> {
    // What a panic may leave half done is behind locks or in cells that change in one step.
    catch_unwind(AssertUnwindSafe(body))
}

fn refused(rule: &Rule, why: &str, denied: c_int) -> c_int {
    log::error!("{} {why}; answered {denied}", rule.name);
    denied
}

/// Which callbacks are running.
#[derive(Default)]
pub(super) struct Callbacks {
    depth: Cell<u32>,
}

/// A callback is running while this lives.
pub(super) struct Inside<'a>(&'a Callbacks);

impl Callbacks {
    /// Whether more than one is running.
    pub(super) fn is_nested(&self) -> bool {
        self.depth.get() > 1
    }

    /// Enters a callback, unless it may not be nested and would be.
    fn enter(&self, nested: Nested) -> Option<Inside<'_>> {
        let depth = self.depth.get();
        if depth > 0 && nested == Nested::Refuse {
            return None;
        }
        self.depth.set(depth.saturating_add(1));
        Some(Inside(self))
    }
}

impl Drop for Inside<'_> {
    fn drop(&mut self) {
        self.0.depth.set(self.0.depth.get().saturating_sub(1));
    }
}

/// A value that only the thread that made it can reach.
pub(super) struct OwnThread<T> {
    owner: usize,
    value: T,
}

thread_local! {
    /// Its address tells threads that live at the same time from one another, and the broker's lives
    /// longest. A `ThreadId` costs a handle that is counted, for each message.
    static HERE: u8 = const { 0 };
}

fn here() -> usize {
    HERE.with(|mark| std::ptr::from_ref(mark).addr())
}

// SAFETY: `get` hands the value out on the owner's thread only, and the broker drops the plugin in
// cleanup, which it calls on that thread.
unsafe impl<T> Sync for OwnThread<T> {}

impl<T> OwnThread<T> {
    /// For the thread that calls this.
    pub(super) fn new(value: T) -> Self {
        Self {
            owner: here(),
            value,
        }
    }

    /// The value, on its own thread.
    pub(super) fn get(&self) -> Option<&T> {
        (here() == self.owner).then_some(&self.value)
    }
}
