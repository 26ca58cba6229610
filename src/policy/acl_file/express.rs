//! The rights of one client as lines of an ACL file.
//!
//! Must not: open what the rights close. A file denies before it allows, so a line for every rule can
//! only close more; a line that changes no answer is left out. What no line can say is told: where such
//! a rule allows, it is left out, and where it denies, it denies more.
#![forbid(unsafe_code)]

use std::collections::HashSet;
use std::fmt;
use std::sync::Arc;

use super::super::question::{Asker, Question};
use super::super::rights::{Because, Defaults, Rights};
use super::super::role::{Role, Window};
use super::super::rule::{AclType, Conditions, Permission, Rule};
use super::super::template::{About, Level, Substitution, Template};
use super::super::topic::is_hidden;
use super::line::{can_be_topic, can_be_user};
use super::{Access, AclFile};

/// What a file says of one client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Expressed {
    /// Accesses and topics, those that deny first.
    pub lines: Vec<(Access, String)>,
    /// What they do not say as the rights do.
    pub unsaid: Vec<Unsaid>,
}

/// A rule that lines do not say as it is.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Unsaid {
    /// Its role.
    pub role: Arc<str>,
    /// What it is about.
    pub acl_type: AclType,
    /// Its topics.
    pub topic: Box<str>,
    /// Why.
    pub why: Shortfall,
}

/// Why lines do not say what a rule says. Its `Display` says what becomes of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Shortfall {
    /// It allows under conditions, for a time, or to administer within a limit.
    Bound,
    /// It holds under conditions, for a time or within a limit, and always in the file.
    Unbound,
    /// It allows by client id to whoever may have any.
    ClientId,
    /// It denies by client id to whoever may have any.
    AnyClientId,
    /// It allows a topic that no line can have.
    Topic,
    /// It denies one.
    NearTopic,
    /// It denies one that cannot be denied otherwise either.
    DenialLost,
}

/// What becomes of what is allowed under conditions or for a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bounds {
    /// It is left out.
    Keep,
    /// It is allowed always.
    Drop,
}

/// Whether a file can have a section for this username.
#[must_use]
pub fn can_have_section(username: &str) -> bool {
    can_be_user(username)
}

/// The lines for a client with these rights; with a client id, if it can have no other.
#[must_use]
pub fn express(rights: &Rights, asker: Asker<'_>, bounds: Bounds) -> Expressed {
    let mut draft = Draft {
        asker,
        bounds,
        said: Vec::new(),
        places: HashSet::new(),
        unsaid: Vec::new(),
    };
    for (at, grant) in rights.grants().iter().enumerate() {
        for (place, rule) in grant.role.rules().iter().enumerate() {
            let earlier = rights.covering(rule).map(|(grant, rule, _)| (grant, rule));
            // What an earlier line covers decides nothing.
            if earlier.is_some_and(|earlier| draft.places.contains(&earlier)) {
                continue;
            }
            if draft.say(&grant.role, rule) {
                draft.places.insert((at, place));
            }
        }
    }
    for grant in rights.dormant() {
        for rule in grant.role.rules() {
            draft.say(&grant.role, rule);
        }
    }
    draft.finish(rights.defaults())
}

/// What a file that was made of such lines says, where it is known to differ from the rights: it grants
/// every subscription, and no line stands for a default about topics that begin with `$`.
pub fn as_expressed(
    file: &AclFile,
    rights: &Rights,
    asker: Asker<'_>,
    question: &Question<'_>,
) -> Permission {
    let decision = rights.check(asker, question);
    let is_default = decision.because == Because::Default;
    match question {
        Question::Subscribe(..) | Question::Unsubscribe(_) => decision.permission,
        Question::Send(topic, _) | Question::Receive(topic, _)
            if is_default && is_hidden(topic.as_str()) =>
        {
            decision.permission
        }
        Question::Send(..) | Question::Receive(..) => file.check(asker, question).permission,
    }
}

/// Lines while they are made.
struct Draft<'a> {
    asker: Asker<'a>,
    bounds: Bounds,
    said: Vec<Said>,
    /// The grants and places of the rules that are said.
    places: HashSet<(usize, usize)>,
    unsaid: Vec<Unsaid>,
}

/// A rule with names in it.
struct Said {
    acl_type: AclType,
    permission: Permission,
    topic: String,
}

/// A rule's topics with the client's names in them.
enum Filled {
    /// These.
    Exactly(String),
    /// These, and more: any client id.
    Wider(String),
    /// None: no topic has such a name.
    Nothing,
}

impl Draft<'_> {
    /// Says a rule, and whether that was possible.
    fn say(&mut self, role: &Role, rule: &Rule) -> bool {
        let (acl_type, permission) = (rule.acl_type(), rule.permission());
        if !matches!(
            acl_type,
            AclType::PublishClientSend | AclType::PublishClientReceive
        ) {
            return false;
        }
        let allows = permission == Permission::Allow;
        // Whoever may give orders by a file may administer everything.
        let is_limited = role.admin_prefix().is_some() && rule.concerns_administration();
        let is_bound = role.window() != Window::default()
            || *rule.conditions() != Conditions::default()
            || (is_limited && allows);
        if is_bound && allows && self.bounds == Bounds::Keep {
            return self.lose(role, rule, Shortfall::Bound);
        }
        if is_bound {
            self.tell(role, rule, Shortfall::Unbound);
        }
        let topic = match self.filled(rule.template()) {
            Filled::Nothing => return false,
            Filled::Wider(_) if allows => return self.lose(role, rule, Shortfall::ClientId),
            Filled::Wider(topic) => {
                self.tell(role, rule, Shortfall::AnyClientId);
                topic
            }
            Filled::Exactly(topic) => topic,
        };
        let topic = match (can_be_topic(&topic), allows) {
            (true, _) => topic,
            (false, true) => return self.lose(role, rule, Shortfall::Topic),
            (false, false) => match nearby(&topic) {
                None => return self.lose(role, rule, Shortfall::DenialLost),
                Some(nearby) => {
                    self.tell(role, rule, Shortfall::NearTopic);
                    nearby
                }
            },
        };
        self.said.push(Said {
            acl_type,
            permission,
            topic,
        });
        true
    }

    fn tell(&mut self, role: &Role, rule: &Rule, why: Shortfall) {
        self.unsaid.push(Unsaid {
            role: Arc::clone(role.name()),
            acl_type: rule.acl_type(),
            topic: rule.template().as_str().into(),
            why,
        });
    }

    /// Tells why a rule is not said.
    fn lose(&mut self, role: &Role, rule: &Rule, why: Shortfall) -> bool {
        self.tell(role, rule, why);
        false
    }

    fn filled(&self, template: &Template) -> Filled {
        let mut exact = true;
        let mut levels = Vec::new();
        for (at, level) in template.levels().enumerate() {
            let can_be_level = |name: &&str| {
                let hidden = at == 0 && is_hidden(name);
                !hidden && !name.contains(['+', '#', '/'])
            };
            let text = match level {
                Level::Text(text) | Level::Mixed(text) => Some(text),
                Level::Plus => Some("+"),
                Level::Hash => Some("#"),
                Level::User => self.asker.user().filter(can_be_level),
                Level::Client if self.asker.client_id.is_some() => {
                    self.asker.client().filter(can_be_level)
                }
                Level::Client => {
                    exact = false;
                    Some("+")
                }
            };
            match text {
                None => return Filled::Nothing,
                Some(text) => levels.push(text),
            }
        }
        let topic = levels.join("/");
        match exact {
            true => Filled::Exactly(topic),
            false => Filled::Wider(topic),
        }
    }

    /// The lines of all that was said, and of the defaults.
    fn finish(mut self, defaults: Defaults) -> Expressed {
        for (acl_type, permission, topics) in [
            (AclType::PublishClientSend, defaults.send, &["#"][..]),
            (
                AclType::PublishClientReceive,
                defaults.receive,
                &["#", "$SYS/#"],
            ),
        ] {
            if permission == Permission::Deny {
                continue;
            }
            self.said.extend(topics.iter().map(|topic| Said {
                acl_type,
                permission,
                topic: (*topic).to_owned(),
            }));
        }
        let lines = lines(&self.said);
        let unsaid = self.unsaid;
        Expressed { lines, unsaid }
    }
}

/// One line for each topic that is denied, then one for each that is allowed.
fn lines(said: &[Said]) -> Vec<(Access, String)> {
    let (allowed, denied): (Vec<&Said>, Vec<&Said>) = said
        .iter()
        .partition(|said| said.permission == Permission::Allow);
    let pairs = allowed.len().saturating_mul(denied.len());
    let mut lines = Vec::new();
    let mut seen = HashSet::new();
    for said in denied {
        let is_needed = pairs > MOST_PAIRS || allowed.iter().any(|allowed| said.closes(allowed));
        if is_needed && seen.insert(said.topic.as_str()) {
            lines.push((Access::Deny, said.topic.clone()));
        }
    }
    let topics = |acl_type| {
        let of_type = allowed.iter().filter(move |said| said.acl_type == acl_type);
        of_type
            .map(|said| said.topic.as_str())
            .collect::<HashSet<_>>()
    };
    let (sent, received) = (
        topics(AclType::PublishClientSend),
        topics(AclType::PublishClientReceive),
    );
    let mut seen = HashSet::new();
    for said in allowed {
        let topic = said.topic.as_str();
        let access = match (sent.contains(topic), received.contains(topic)) {
            (true, true) => Access::ReadWrite,
            (true, false) => Access::Write,
            (false, _) => Access::Read,
        };
        if seen.insert(topic) {
            lines.push((access, topic.to_owned()));
        }
    }
    lines
}

impl Said {
    /// Whether this denial closes something of what the other one allows.
    fn closes(&self, allowed: &Self) -> bool {
        let template = Template::parse(&self.topic, About::Topics, Substitution::Never);
        self.acl_type == allowed.acl_type
            && template.is_ok_and(|template| template.meets(&allowed.topic, Asker::NOBODY))
    }
}

/// A filter that a line can have and that covers this one, whose spaces at an end no line can have.
fn nearby(topic: &str) -> Option<String> {
    let mut levels: Vec<&str> = topic.split('/').collect();
    if let Some(first) = levels.first_mut()
        && first.starts_with(' ')
    {
        *first = "+";
    }
    let is_only = levels.len() == 1;
    if let Some(last) = levels.last_mut()
        && last.ends_with(' ')
    {
        if is_only && is_hidden(last) {
            return None;
        }
        *last = "+";
    }
    Some(levels.join("/")).filter(|topic| can_be_topic(topic))
}

impl fmt::Display for Access {
    /// As a line has it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Read => "read",
            Self::Write => "write",
            Self::ReadWrite => "readwrite",
            Self::Deny => "deny",
        })
    }
}

impl fmt::Display for Shortfall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Bound => {
                "it holds under conditions, for a time or within a limit, which an acl_file does not know: it \
                 was left out; --drop-bounds keeps it without them"
            }
            Self::Unbound => "it holds at all times, for every message and without a limit in the file",
            Self::ClientId => {
                "%c stands for any client id of an account that is bound to none: it was left out"
            }
            Self::AnyClientId => {
                "%c stands for any client id of an account that is bound to none: the whole level is \
                 denied"
            }
            Self::Topic => "no line can begin or end a topic with a space: it was left out",
            Self::NearTopic => {
                "no line can begin or end a topic with a space: the whole level is denied"
            }
            Self::DenialLost => "no line can deny this",
        })
    }
}

/// Up to so many pairs of a denial and what is allowed, it is looked whether they meet.
const MOST_PAIRS: usize = 1_000_000;
