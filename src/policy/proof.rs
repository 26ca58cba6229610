//! Whether two ways to decide say the same: both are asked everything that their templates can tell
//! apart.
//!
//! Must not: claim more than it asked. Topics are made level by level: a level that no template names
//! there is as good as any other, so of all those one word is asked, and a name only where it is one.
//! What remains are finitely many topics, and too many of them in some cases; then a [`Proof`] is not
//! complete, and says so. Conditions of rules are asked by the smallest message and the largest.
#![forbid(unsafe_code)]

use std::collections::BTreeSet;

use super::question::{Asker, Message, Qos, Question};
use super::rule::Permission;
use super::template::{Level, Share, Template, filled};
use super::topic::{Filter, Topic, is_hidden};

/// What came of asking.
#[must_use]
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proof {
    /// How many questions were asked.
    pub asked: usize,
    /// Whether these were all.
    pub complete: bool,
    /// How many were answered differently.
    pub disagreeing: usize,
    /// The first of those.
    pub disagreements: Vec<Disagreement>,
}

/// A question with two answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Disagreement {
    /// Whose client id asked.
    pub client_id: Option<String>,
    /// Whose username.
    pub username: Option<String>,
    /// What was asked.
    pub kind: Kind,
    /// About which topic or filter.
    pub text: String,
    /// The answer of the first that was asked; the other's is the opposite.
    pub first: Permission,
}

/// What can be asked about a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// To publish.
    Send,
    /// To be sent.
    Receive,
    /// To subscribe.
    Subscribe,
    /// To unsubscribe.
    Unsubscribe,
}

impl Default for Proof {
    /// Of nothing.
    fn default() -> Self {
        Self {
            asked: 0,
            complete: true,
            disagreeing: 0,
            disagreements: Vec::new(),
        }
    }
}

impl Proof {
    /// Takes in another one.
    pub fn add(&mut self, other: Self) {
        self.asked = self.asked.saturating_add(other.asked);
        self.complete &= other.complete;
        self.disagreeing = self.disagreeing.saturating_add(other.disagreeing);
        let room = MOST_TOLD.saturating_sub(self.disagreements.len());
        let others = other.disagreements.into_iter().take(room);
        self.disagreements.extend(others);
    }

    /// Whether there was no difference, and nothing was left to ask.
    #[must_use]
    pub fn holds(&self) -> bool {
        self.complete && self.disagreeing == 0
    }
}

/// Asks two ways to decide everything that these templates, those of both, tell apart for one client.
pub fn compare<F, S>(
    templates: &[&Template],
    asker: Asker<'_>,
    bound: usize,
    first: F,
    second: S,
) -> Proof
where
    F: Fn(Asker<'_>, &Question<'_>) -> Permission,
    S: Fn(Asker<'_>, &Question<'_>) -> Permission,
{
    let mut templates: Vec<&Template> = templates.to_vec();
    templates.sort_by_key(|template| template.as_str());
    templates.dedup();
    let mut questioner = Questioner {
        levels: templates.iter().map(|one| one.levels().collect()).collect(),
        fresh: fresh(&templates, asker),
        asker,
        bound,
        first,
        second,
        proof: Proof::default(),
    };
    let all: Vec<usize> = (0..templates.len()).collect();
    questioner.walk(&mut String::new(), 0, &all, Form::Topics);
    for group in groups(&templates, asker, &questioner.fresh) {
        let mut prefix = match group {
            None => String::new(),
            Some(group) => format!("$share/{group}/"),
        };
        questioner.ask_filter(&format!("{prefix}#"));
        questioner.walk(&mut prefix, 0, &all, Form::Filters);
    }
    questioner.proof
}

/// What is made.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Form {
    Topics,
    Filters,
}

struct Questioner<'a, F, S> {
    levels: Vec<Vec<Level<'a>>>,
    /// A word that is in no template and no name.
    fresh: String,
    asker: Asker<'a>,
    bound: usize,
    first: F,
    second: S,
    proof: Proof,
}

impl<F, S> Questioner<'_, F, S>
where
    F: Fn(Asker<'_>, &Question<'_>) -> Permission,
    S: Fn(Asker<'_>, &Question<'_>) -> Permission,
{
    /// Goes through every level that can follow; `alive` are the templates that fit so far.
    fn walk(&mut self, text: &mut String, depth: usize, alive: &[usize], form: Form) {
        let length = text.len();
        for level in self.choices(depth, alive, form) {
            if !self.proof.complete {
                return;
            }
            if depth > 0 {
                text.push('/');
            }
            text.push_str(&level);
            match form {
                Form::Topics => self.ask_topic(text),
                Form::Filters => {
                    self.ask_filter(text);
                    self.ask_filter(&format!("{text}/#"));
                }
            }
            let fitting: Vec<usize> = alive
                .iter()
                .copied()
                .filter(|at| self.fits(*at, depth, &level))
                .collect();
            // Below what ends in # alone all is the same.
            let next = depth.saturating_add(1);
            if fitting.iter().any(|at| self.goes_on(*at, next)) {
                self.walk(text, next, &fitting, form);
            }
            text.truncate(length);
        }
    }

    /// The levels that templates tell apart here.
    fn choices(&self, depth: usize, alive: &[usize], form: Form) -> BTreeSet<String> {
        let mut choices = BTreeSet::from([self.fresh.clone()]);
        if depth == 0 {
            choices.insert(format!("${}", self.fresh));
        }
        if form == Form::Filters {
            choices.insert("+".to_owned());
        }
        for at in alive {
            let level = self.levels.get(*at).and_then(|levels| levels.get(depth));
            choices.extend(match level {
                Some(Level::Text(text)) => Some((*text).to_owned()),
                Some(Level::Client) => self.asker.client().map(str::to_owned),
                Some(Level::User) => self.asker.user().map(str::to_owned),
                Some(Level::Mixed(text)) => filled(text, self.asker),
                Some(Level::Plus | Level::Hash) | None => None,
            });
        }
        choices
    }

    fn fits(&self, at: usize, depth: usize, level: &str) -> bool {
        let Some(levels) = self.levels.get(at) else {
            return false;
        };
        let hidden = depth == 0 && is_hidden(level);
        match levels.get(depth) {
            // Whether a filter is covered or only met is for those that are asked.
            Some(_) if level == "+" => true,
            Some(Level::Hash) => !hidden,
            Some(ours) => ours.covers(level, hidden, self.asker),
            None => levels.last() == Some(&Level::Hash),
        }
    }

    /// Whether a template tells apart what is at this depth.
    fn goes_on(&self, at: usize, depth: usize) -> bool {
        let levels = self.levels.get(at);
        levels.is_some_and(|levels| {
            levels.len() > depth || (levels.len() == depth && levels.last() != Some(&Level::Hash))
        })
    }

    fn ask_topic(&mut self, text: &str) {
        let Ok(topic) = Topic::new(text) else { return };
        for message in [Message::EMPTY, LARGEST] {
            self.ask(Kind::Send, text, &Question::Send(topic, message));
            self.ask(Kind::Receive, text, &Question::Receive(topic, message));
        }
    }

    fn ask_filter(&mut self, text: &str) {
        let Ok(filter) = Filter::new(text) else {
            return;
        };
        for qos in [Qos::AtMostOnce, Qos::ExactlyOnce] {
            self.ask(Kind::Subscribe, text, &Question::Subscribe(filter, qos));
        }
        self.ask(Kind::Unsubscribe, text, &Question::Unsubscribe(filter));
    }

    fn ask(&mut self, kind: Kind, text: &str, question: &Question<'_>) {
        if self.proof.asked >= self.bound {
            self.proof.complete = false;
            return;
        }
        self.proof.asked = self.proof.asked.saturating_add(1);
        let first = (self.first)(self.asker, question);
        if first == (self.second)(self.asker, question) {
            return;
        }
        self.proof.disagreeing = self.proof.disagreeing.saturating_add(1);
        if self.proof.disagreements.len() < MOST_TOLD {
            self.proof.disagreements.push(Disagreement {
                client_id: self.asker.client_id.map(str::to_owned),
                username: self.asker.username.map(str::to_owned),
                kind,
                text: text.to_owned(),
                first,
            });
        }
    }
}

/// The groups of shared subscriptions that templates tell apart, and none.
fn groups(templates: &[&Template], asker: Asker<'_>, fresh: &str) -> BTreeSet<Option<String>> {
    let mut groups = BTreeSet::from([None]);
    for template in templates {
        let group = match template.share() {
            Share::Plain => continue,
            Share::Every => Some(fresh),
            Share::Group(Level::Text(text)) => Some(text),
            Share::Group(Level::Client) => asker.client(),
            Share::Group(Level::User) => asker.user(),
            Share::Group(Level::Plus | Level::Hash | Level::Mixed(_)) => Some(fresh),
        };
        groups.extend(group.map(|group| Some(group.to_owned())));
        groups.insert(Some(fresh.to_owned()));
    }
    groups
}

fn fresh(templates: &[&Template], asker: Asker<'_>) -> String {
    let names = [asker.client_id, asker.username];
    let taken = |word: &str| {
        let mut texts = templates.iter().map(|template| template.as_str());
        texts.any(|text| text.contains(word))
            || names.iter().flatten().any(|name| name.contains(word))
    };
    let mut word = "other".to_owned();
    while taken(&word) {
        word.push('x');
    }
    word
}

/// The message that meets no condition.
const LARGEST: Message = Message {
    qos: Qos::ExactlyOnce,
    retain: true,
    payload: u32::MAX,
};

/// So many disagreements are kept.
const MOST_TOLD: usize = 100;
