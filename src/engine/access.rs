//! "May this client do that?": a look into the rules that are in force.
//!
//! Must not: wait, or write to the log. The broker asks for each message and each subscriber, on the
//! thread of its HTTP API too, and in the middle of whatever it is doing: where its log is published,
//! it asks while it writes a line of ours.
#![forbid(unsafe_code)]

use super::Engine;
use crate::policy::acl_file::{AclFile, Because, Decision};
use crate::policy::{Asker, Filter, Message, Permission, Qos, Question, Topic};
use crate::request::{Access, Action};
use crate::verdict::{Denial, Permit};

impl Engine {
    /// "May this client do that?" Nothing is allocated for whoever may.
    pub fn may(&self, access: &Access<'_>) -> Permit {
        let Some(acl) = &self.acl else {
            // Not registered for; whoever asks nevertheless gets no grant from us.
            return self.deny(access, Denial::NoRule);
        };
        let Some(question) = question(access) else {
            return self.deny(access, Denial::BadRequest);
        };
        let asker = Asker {
            client_id: access.client_id,
            username: access.username,
        };
        let rules = acl.in_force();
        let decision = rules.check(asker, &question);
        match decision.permission {
            Permission::Allow => Permit::Allow,
            Permission::Deny => self.deny(access, denial(&rules, decision)),
        }
    }

    fn deny(&self, access: &Access<'_>, why: Denial) -> Permit {
        self.denials.note(access, why);
        Permit::Deny(why)
    }
}

/// What is asked, if it can be: a topic or a filter that no client can send is not judged.
fn question<'a>(access: &Access<'a>) -> Option<Question<'a>> {
    let qos = Qos::of(access.qos)?;
    let message = Message {
        qos,
        retain: access.retain,
        payload: access.payload,
    };
    let topic = || Topic::new(access.topic).ok();
    let filter = || Filter::new(access.topic).ok();
    Some(match access.action {
        Action::Publish => Question::Send(topic()?, message),
        Action::Receive => Question::Receive(topic()?, message),
        Action::Subscribe => Question::Subscribe(filter()?, qos),
        Action::Unsubscribe => Question::Unsubscribe(filter()?),
    })
}

fn denial(rules: &AclFile, decision: Decision) -> Denial {
    match decision.because {
        Because::Rule(index) => match rules.rules().get(index) {
            Some(rule) => Denial::Rule(rule.line),
            None => Denial::NoRule,
        },
        Because::UnsafeName => Denial::UnsafeName,
        Because::NoRule | Because::AlwaysGranted => Denial::NoRule,
    }
}
