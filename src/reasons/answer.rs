//! An answer with its reasons: what decided, what it beat, and what had no say.
//!
//! Must not: judge a rule. The policy explains itself; here its reasons are put in order.
#![forbid(unsafe_code)]

use std::io::{self, Write};
use std::path::Path;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::request::{Action, Request};
use super::say::Say;
use super::standing::{Says, Standing};
use crate::config::UnknownUser;
use crate::policy::acl_file::{self, AclFile};
use crate::policy::{Because, Permission, Qos, Question, Rights};
use crate::show::Plain;
use crate::token::Acl;

/// What came of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// Yes.
    Allowed,
    /// No.
    Denied,
    /// Left to whoever the broker asks next.
    Deferred,
}

/// An answer.
#[derive(Serialize)]
pub struct Answered {
    /// What came of it.
    pub decision: Outcome,
    user: Option<String>,
    client_id: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    token_roles: Vec<Box<str>>,
    #[serde(skip_serializing_if = "Acl::is_empty")]
    token_acl: Acl,
    action: Action,
    topic: String,
    qos: Option<u8>,
    retain: bool,
    payload: Option<u32>,
    /// Who decided.
    source: Option<String>,
    because: Say,
    /// In the order they are asked.
    beaten: Vec<Say>,
    /// Rules whose conditions do not hold.
    passed_over: Vec<Say>,
    not_in_force: Vec<Say>,
    remarks: Vec<String>,
    /// The decision in a sentence.
    #[serde(skip)]
    sentence: String,
}

/// An answer as somebody far away told it: the same for scripts, and in words.
#[derive(Debug, Serialize, Deserialize)]
pub struct Told {
    /// What came of it.
    pub decision: Outcome,
    /// What else there is for scripts.
    #[serde(flatten)]
    rest: Map<String, Value>,
    #[serde(skip_serializing)]
    words: Words,
}

/// An answer for people.
#[derive(Debug, Serialize, Deserialize)]
pub struct Words {
    sentence: String,
    reasons: String,
}

impl Told {
    /// All of it for people.
    #[must_use]
    pub fn words(&self) -> String {
        let Words { sentence, reasons } = &self.words;
        format!("{sentence}\n{reasons}")
    }

    /// The reasons for people.
    #[must_use]
    pub fn reasons(&self) -> &str {
        &self.words.reasons
    }
}

/// What decided, and what did not.
struct Reasons {
    decision: Outcome,
    because: Say,
    beaten: Vec<Say>,
    passed_over: Vec<Say>,
    not_in_force: Vec<Say>,
}

impl Outcome {
    /// In a sentence.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Allowed => "allowed",
            Self::Denied => "denied",
            Self::Deferred => "left to the broker",
        }
    }

    fn sentence(self, request: &Request) -> String {
        let (who, what) = (request.who(), request.what());
        let word = self.word();
        match self {
            Self::Allowed => format!("{word}: {who} may {what}"),
            Self::Denied => format!("{word}: {who} may not {what}"),
            Self::Deferred => format!("{word}: whether {who} may {what}"),
        }
    }
}

impl From<Permission> for Outcome {
    fn from(permission: Permission) -> Self {
        match permission {
            Permission::Allow => Self::Allowed,
            Permission::Deny => Self::Denied,
        }
    }
}

impl Answered {
    /// From how a client stands.
    pub(super) fn new(
        standing: &Standing<'_>,
        request: &Request,
        question: &Question<'_>,
        now: Timestamp,
    ) -> Self {
        let (source, reasons) = Reasons::of(standing, request, question, now);
        let Reasons {
            decision,
            because,
            beaten,
            passed_over,
            not_in_force,
        } = reasons;
        Self {
            decision,
            user: request.user.as_ref().map(ToString::to_string),
            client_id: request.client_id.clone(),
            token_roles: request.token_roles.clone(),
            token_acl: request.token_acl.clone(),
            action: request.action,
            topic: request.topic.clone(),
            qos: request.qos.map(Qos::number),
            retain: request.retain,
            payload: request.payload,
            source: source.map(|path| path.display().to_string()),
            because,
            beaten,
            passed_over,
            not_in_force,
            remarks: remarks(standing, request, question),
            sentence: decision.sentence(request),
        }
    }

    /// The same for whoever sees only roles and groups of some names, and no files.
    #[must_use]
    pub fn seen(self, sees: impl Fn(&str) -> bool) -> Self {
        let list = |says: Vec<Say>| says.into_iter().map(|say| say.seen(&sees)).collect();
        Self {
            source: None,
            because: self.because.seen(&sees),
            beaten: list(self.beaten),
            passed_over: list(self.passed_over),
            not_in_force: list(self.not_in_force),
            ..self
        }
    }

    /// What it says to people, for whoever passes it on.
    #[must_use]
    pub fn in_words(&self) -> Words {
        let mut reasons = Vec::new();
        // Memory has room for whatever is written to it.
        let _never = self.write_reasons(&mut reasons);
        Words {
            sentence: self.sentence.clone(),
            reasons: String::from_utf8_lossy(&reasons).into_owned(),
        }
    }

    /// All of it for people.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn write(&self, out: &mut dyn Write) -> io::Result<()> {
        writeln!(out, "{}", self.sentence)?;
        self.write_reasons(out)
    }

    /// The reasons for people.
    ///
    /// # Errors
    /// When they cannot be written.
    pub fn write_reasons(&self, out: &mut dyn Write) -> io::Result<()> {
        writeln!(out, "  {}", self.because)?;
        if let (Some(source), Say::Rule { .. } | Say::Default { .. }) =
            (&self.source, &self.because)
        {
            writeln!(out, "  in {source}")?;
        }
        for (head, says) in [
            ("beaten, in the order they are asked:", &self.beaten),
            (
                "passed over, since their conditions do not hold:",
                &self.passed_over,
            ),
            ("not in force:", &self.not_in_force),
        ] {
            if !says.is_empty() {
                writeln!(out, "{head}")?;
            }
            for say in says {
                writeln!(out, "  {say}")?;
            }
        }
        for remark in &self.remarks {
            writeln!(out, "note: {remark}")?;
        }
        Ok(())
    }
}

impl Reasons {
    /// Those of a token before those of its account.
    fn of<'a>(
        standing: &Standing<'a>,
        request: &Request,
        question: &Question<'_>,
        now: Timestamp,
    ) -> (Option<&'a Path>, Self) {
        let account = Self::of_account(standing, request, question, now);
        // About administration no token has a say.
        if question.is_about_control() {
            return account;
        }
        let layers = standing.token.iter().rev();
        layers.fold(account, |(source, then), token| {
            let named = Self::of_rights(&token.rights, request, question, now);
            let named = named.of_token(token.path.is_none());
            match named.because.is_answer() {
                true => (token.path, named.before(then)),
                false => (source, then.behind(named)),
            }
        })
    }

    fn of_account<'a>(
        standing: &Standing<'a>,
        request: &Request,
        question: &Question<'_>,
        now: Timestamp,
    ) -> (Option<&'a Path>, Self) {
        match &standing.says {
            Says::Refused(reason) => {
                let account = standing.account.as_ref();
                let because = account.map(|account| Say::account(account, *reason));
                let nobody = Say::Nobody { unknown_user: None };
                let because = because.unwrap_or(nobody);
                (None, Self::only(Outcome::Denied, because))
            }
            Says::Rights(path, rights) => {
                (Some(*path), Self::of_rights(rights, request, question, now))
            }
            Says::File(path, file) => (Some(*path), Self::of_file(path, file, request, question)),
            // As with a login: who has no username is left to whoever is asked next.
            Says::Nobody(unknown_user) => {
                let unknown_user = request.user.as_ref().map(|_| *unknown_user);
                let decision = match unknown_user {
                    Some(UnknownUser::Deny) => Outcome::Denied,
                    Some(UnknownUser::Defer) | None => Outcome::Deferred,
                };
                (None, Self::only(decision, Say::Nobody { unknown_user }))
            }
        }
    }

    /// The same, of roles that a token names, or of topics.
    fn of_token(self, are_topics: bool) -> Self {
        let of_token = |say: Say| say.of_token(are_topics);
        let list = |says: Vec<Say>| says.into_iter().map(of_token).collect();
        Self {
            because: of_token(self.because),
            beaten: list(self.beaten),
            passed_over: list(self.passed_over),
            not_in_force: list(self.not_in_force),
            ..self
        }
    }

    /// With what it beats, which comes after all of its own.
    fn before(mut self, then: Self) -> Self {
        self.beaten
            .extend(Some(then.because).filter(Say::is_answer));
        self.beaten.extend(then.beaten);
        self.passed_over.extend(then.passed_over);
        self.not_in_force.extend(then.not_in_force);
        self
    }

    /// Behind what was asked first and had no answer.
    fn behind(self, first: Self) -> Self {
        Self {
            passed_over: [first.passed_over, self.passed_over]
                .into_iter()
                .flatten()
                .collect(),
            not_in_force: [first.not_in_force, self.not_in_force]
                .into_iter()
                .flatten()
                .collect(),
            ..self
        }
    }

    fn only(decision: Outcome, because: Say) -> Self {
        Self {
            decision,
            because,
            beaten: Vec::new(),
            passed_over: Vec::new(),
            not_in_force: Vec::new(),
        }
    }

    fn of_rights(
        rights: &Rights,
        request: &Request,
        question: &Question<'_>,
        now: Timestamp,
    ) -> Self {
        use crate::policy::Say as Candidate;

        let explained = rights.explain(request.asker(), question);
        let decision = explained.decision;
        let (mut answers, mut passed_over) = (Vec::new(), Vec::new());
        for candidate in &explained.candidates {
            match candidate.say {
                Candidate::Rule(rule) => answers.push(Say::rule(candidate.grant, rule)),
                Candidate::PassedOver(rule) => passed_over.push(Say::rule(candidate.grant, rule)),
                Candidate::WildcardSubscription => answers.push(Say::wildcards(candidate.grant)),
            }
        }
        let mut answers = answers.into_iter();
        let default = || Say::default(request.action, decision.permission);
        let because = match decision.because {
            Because::Rule { .. } | Because::WildcardSubscription { .. } => {
                answers.next().unwrap_or_else(default)
            }
            Because::Default => default(),
            Because::Control => Say::Control,
        };
        let dormant = rights.dormant().iter();
        Self {
            decision: decision.permission.into(),
            because,
            beaten: answers.collect(),
            passed_over,
            not_in_force: dormant.map(|grant| Say::dormant(grant, now)).collect(),
        }
    }

    fn of_file(path: &Path, file: &AclFile, request: &Request, question: &Question<'_>) -> Self {
        let decision = file.check(request.asker(), question);
        let name = || path.display().to_string();
        let decided = match decision.because {
            acl_file::Because::Rule(index) => file.rules().get(index),
            acl_file::Because::NoRule
            | acl_file::Because::UnsafeName
            | acl_file::Because::AlwaysGranted => None,
        };
        let because = match (decision.because, decided) {
            (_, Some(rule)) => Say::line(path, rule),
            (acl_file::Because::UnsafeName, None) => Say::UnsafeName { file: name() },
            (acl_file::Because::AlwaysGranted, None) => Say::AlwaysGranted { file: name() },
            (acl_file::Because::Rule(_) | acl_file::Because::NoRule, None) => {
                Say::NoLine { file: name() }
            }
        };
        let others = file.explain(request.asker(), question).into_iter();
        let others = others.filter(|rule| decided.is_none_or(|by| !std::ptr::eq(*rule, by)));
        Self {
            beaten: others.map(|rule| Say::line(path, rule)).collect(),
            ..Self::only(decision.permission.into(), because)
        }
    }
}

/// What has no say here, and may matter all the same.
fn remarks(standing: &Standing<'_>, request: &Request, question: &Question<'_>) -> Vec<String> {
    let account = standing.account.as_ref();
    let bound = account.and_then(|account| account.client_id.as_deref());
    let other =
        bound.is_some() && request.client_id.is_some() && bound != request.client_id.as_deref();
    let remarks = [
        (
            standing.is_unknown,
            "no source has an account of this name, only rules for it",
        ),
        (
            other,
            "the account is bound to another client id: it cannot log in with this one",
        ),
        (
            !standing.token.is_empty() && question.is_about_control(),
            "below $CONTROL a token has no say",
        ),
    ];
    let said = remarks.into_iter().filter(|(is_so, _)| *is_so);
    let said = said.map(|(_, remark)| remark.to_owned());
    let unknown = standing.token.iter().flat_map(|token| &token.unknown);
    let unknown =
        unknown.map(|role| format!("the token names a role that is not there: {}", Plain(role)));
    said.chain(unknown).collect()
}
