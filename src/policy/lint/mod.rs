//! What is odd about rules: those that never answer, and those that say more than was meant.
//!
//! Must not: refuse anything, or guess what was meant: a finding says what a rule does and what to do
//! if that was not the intention.
//!
//! What a reader would get wrong: `%u/#` does not give the broker's topics to a client that calls
//! itself `$SYS`, since no name matches a first level that begins with `$`. But a client id is chosen
//! by the client: where accounts are not bound to one, `%c` stands for whatever somebody likes.
#![forbid(unsafe_code)]

mod file;
mod holders;
mod names;
mod role;
mod sentence;
#[cfg(test)]
mod tests;

use super::scope::OWN_TOPIC;
use super::template::{Level, Template};

pub use self::file::file;
pub use self::holders::{Idle, Unanswered};
pub use self::role::role;

/// Something odd about a rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Finding {
    /// The place of the rule in the list it was found in.
    pub rule: usize,
    /// What it is.
    pub oddity: Oddity,
}

/// What is odd about a rule. Its `Display` says what to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Oddity {
    /// It is about topics that begin with `$share`: there are none.
    SharedTopic,
    /// It lets clients publish what the broker lets nobody publish.
    BrokersOwnTopic,
    /// No client can send such a filter literally.
    ImpossibleLiteral,
    /// It is about a filter with wildcards, which its role denies before.
    DeniedWildcard,
    /// `%c` or `%u` beside other text, or where nothing stands for a name: compared as it is.
    LiteralName,
    /// `%c` or `%u` beside other text: Mosquitto 2.1 never matches it.
    NameInsideLevel,
    /// This other rule, asked earlier, covers it and says the same.
    Repeated(usize),
    /// This other rule, asked earlier, covers it and says the opposite.
    Overruled(usize),
    /// For everybody who has its role, a rule of another role covers it and says the same.
    RepeatedElsewhere,
    /// For everybody who has its role, a rule of another role covers it and says the opposite.
    OverruledElsewhere,
    /// It allows everything that does not begin with `$`.
    Everything,
    /// It allows what the broker says about itself.
    BrokersStatus,
    /// It allows to administer the broker.
    Administration,
    /// It lets an administrator with a limit hear what others are answered.
    Overhears,
    /// It allows by client id, which clients choose.
    ChosenClientId,
    /// It allows all topics below a name, which may be the name of something else.
    NameOwnsTree,
    /// It allows any name where this other rule has the client's own.
    AnyName(usize),
    /// It is the first of those for clients without a username, and for no others.
    AnonymousOnly,
}

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Weight {
    /// It may well be meant.
    Note,
    /// The rule does not do what it says, or undoes what something else says.
    Warning,
}

impl Oddity {
    /// How bad it is.
    #[must_use]
    pub fn weight(self) -> Weight {
        match self {
            Self::SharedTopic
            | Self::BrokersOwnTopic
            | Self::ImpossibleLiteral
            | Self::DeniedWildcard
            | Self::LiteralName
            | Self::Overruled(_)
            | Self::Overhears => Weight::Warning,
            Self::NameInsideLevel
            | Self::Repeated(_)
            | Self::RepeatedElsewhere
            | Self::OverruledElsewhere
            | Self::Everything
            | Self::BrokersStatus
            | Self::Administration
            | Self::ChosenClientId
            | Self::NameOwnsTree
            | Self::AnyName(_)
            | Self::AnonymousOnly => Weight::Note,
        }
    }

    /// The other rule that it has to do with.
    #[must_use]
    pub fn other(self) -> Option<usize> {
        match self {
            Self::Repeated(other) | Self::Overruled(other) | Self::AnyName(other) => Some(other),
            Self::SharedTopic
            | Self::BrokersOwnTopic
            | Self::ImpossibleLiteral
            | Self::DeniedWildcard
            | Self::LiteralName
            | Self::NameInsideLevel
            | Self::RepeatedElsewhere
            | Self::OverruledElsewhere
            | Self::Everything
            | Self::BrokersStatus
            | Self::Administration
            | Self::Overhears
            | Self::ChosenClientId
            | Self::NameOwnsTree
            | Self::AnonymousOnly => None,
        }
    }
}

/// What a rule that allows opens by its template alone; administration only where it lets clients
/// publish, and without a limit.
fn openness(template: &Template, administers: bool) -> impl Iterator<Item = Oddity> {
    let mut levels = template.levels();
    let (first, second) = (levels.next(), levels.next());
    let first_is = |text| first == Some(Level::Text(text));
    let by_client = template.levels().any(|level| level.names_client());
    let tree = first.is_some_and(Level::is_name) && second == Some(Level::Hash);
    [
        (first == Some(Level::Hash)).then_some(Oddity::Everything),
        (first_is("$SYS") && second == Some(Level::Hash)).then_some(Oddity::BrokersStatus),
        (administers && first_is("$CONTROL") && template.as_str() != OWN_TOPIC)
            .then_some(Oddity::Administration),
        by_client.then_some(Oddity::ChosenClientId),
        tree.then_some(Oddity::NameOwnsTree),
    ]
    .into_iter()
    .flatten()
}

/// Whether the broker refuses to publish this itself, whoever asks.
fn is_brokers_own(template: &Template) -> bool {
    let levels: Vec<_> = template.levels().take(5).collect();
    let bridge = [
        Level::Text("$SYS"),
        Level::Text("broker"),
        Level::Text("connection"),
    ];
    // The state of a bridge is the one exception.
    let may_be_state =
        match levels.strip_prefix(&bridge) {
            Some([Level::Hash] | [_, Level::Hash]) => true,
            Some([_, state]) => !matches!(state, Level::Text(text) if *text != "state"),
            Some(_) => false,
            None => {
                levels.iter().zip(&bridge).all(|(ours, theirs)| {
                    ours == theirs || matches!(ours, Level::Plus | Level::Hash)
                }) && levels
                    .iter()
                    .any(|level| matches!(level, Level::Plus | Level::Hash))
            }
        };
    levels.first() == Some(&Level::Text("$SYS")) && !may_be_state
}

fn is_shared_topic(template: &Template) -> bool {
    template.levels().next() == Some(Level::Text("$share"))
}

/// Whether there are names in it that stand for nothing.
fn has_literal_names(template: &Template) -> bool {
    let mut levels = template.levels();
    levels.any(
        |level| matches!(level, Level::Text(text) if text.contains("%c") || text.contains("%u")),
    )
}
