//! A rule's filter: levels that are text, a wildcard, or stand for the asker's client id or username.
//!
//! Must not: build a text out of a name. Names are compared, never put in: the level of a question
//! that equals a name has no `+`, `#` or `/` in it, so a client that calls itself `#` matches nothing.
//! Like a wildcard, a name in the first level does not match what begins with `$`: else a client
//! called `$SYS` would own the broker's topics wherever a rule says `%c/#`.
//!
//! The relation here goes through one template level by level; [`trie`](super::trie) answers the
//! same for many.
#![forbid(unsafe_code)]

use super::question::Asker;
use super::topic::{self, Filter, FilterError, is_hidden};

#[cfg(test)]
mod tests;

/// A rule's filter.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Template {
    text: Box<str>,
    substitution: Substitution,
    about: About,
}

/// What a template is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum About {
    /// Topics only: `$share` is a level like any other.
    Topics,
    /// Subscriptions: `$share/group/filter` names a group and a filter.
    Subscriptions,
}

/// Where `%c` and `%u` stand for a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Substitution {
    /// Nowhere: `subscribeLiteral`, `topic` lines.
    Never,
    /// As whole levels, like dynamic-security.
    WholeLevels,
    /// Anywhere, like `pattern` lines of Mosquitto 2.0.
    Anywhere,
}

/// One level of a template.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Level<'a> {
    /// Itself.
    Text(&'a str),
    /// One level, whatever it is.
    Plus,
    /// Everything from here on, and the level above.
    Hash,
    /// The client id.
    Client,
    /// The username.
    User,
    /// Text with names in it.
    Mixed(&'a str),
}

/// What a template says of shared subscriptions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Share<'a> {
    /// Nothing: it is judged by topics and filters alone.
    Plain,
    /// `$share/#`: every shared subscription, whatever its filter.
    Every,
    /// `$share/group/…`: the shared subscriptions of a group, or with `+` of any.
    Group(Level<'a>),
}

impl Template {
    /// Checks a rule's filter.
    ///
    /// # Errors
    /// When it is no filter, or deeper than any topic.
    pub fn parse(
        text: &str,
        about: About,
        substitution: Substitution,
    ) -> Result<Self, FilterError> {
        let plain = match about.shared(text) {
            None => text,
            Some("#") => "#",
            Some(rest) => match rest.split_once('/') {
                Some(("+", plain)) => plain,
                Some((group, plain)) if !group.is_empty() && !group.contains(['+', '#']) => plain,
                _ => return Err(FilterError::Share),
            },
        };
        topic::check(text, plain)?;
        if text.split('/').count() > topic::MOST_LEVELS {
            return Err(FilterError::TooDeep);
        }
        Ok(Self {
            text: text.into(),
            substitution,
            about,
        })
    }

    /// The filter as it was written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// What it says of shared subscriptions.
    pub(super) fn share(&self) -> Share<'_> {
        match self.about.shared(&self.text) {
            None => Share::Plain,
            Some("#") => Share::Every,
            Some(rest) => {
                let group = rest.split_once('/').map_or(rest, |(group, _)| group);
                Share::Group(self.level(group))
            }
        }
    }

    /// The levels that topics and plain filters are compared with.
    pub(super) fn levels(&self) -> impl Iterator<Item = Level<'_>> {
        let plain = self.plain().unwrap_or("#");
        plain.split('/').map(|level| self.level(level))
    }

    /// The text, of a template that is nothing else and says nothing of shared subscriptions.
    pub(super) fn literal(&self) -> Option<&str> {
        let is_text = |level| matches!(level, Level::Text(_));
        let is_literal = self.share() == Share::Plain && self.levels().all(is_text);
        is_literal.then_some(&*self.text)
    }

    /// What topics and plain filters are compared with; nothing of `$share/#`.
    pub(super) fn plain(&self) -> Option<&str> {
        match self.share() {
            Share::Plain => Some(&self.text),
            Share::Every => None,
            Share::Group(_) => {
                let group_on = topic::shared(&self.text)?;
                group_on.split_once('/').map(|(_, plain)| plain)
            }
        }
    }

    /// The group of a shared subscription as it is written.
    pub(super) fn group(&self) -> Option<&str> {
        match self.share() {
            Share::Plain | Share::Every => None,
            Share::Group(_) => {
                let group_on = topic::shared(&self.text)?;
                group_on.split_once('/').map(|(group, _)| group)
            }
        }
    }

    /// Whether it covers everything that this filter, or topic, matches.
    pub(super) fn covers(&self, plain: &str, asker: Asker<'_>) -> bool {
        let mut levels = plain.split('/');
        let mut first = true;
        for ours in self.levels() {
            let theirs = levels.next();
            let hidden = first && theirs.is_some_and(is_hidden);
            match (ours, theirs) {
                // The level above counts too: a/# covers a.
                (Level::Hash, None) => return true,
                (Level::Hash, Some(_)) => return !hidden,
                (_, None) => return false,
                (_, Some(level)) if !ours.covers(level, hidden, asker) => return false,
                (_, Some(_)) => {}
            }
            first = false;
        }
        levels.next().is_none()
    }

    /// Whether it covers a filter as [`covers`](Self::covers) does, or the shared subscription as such.
    pub(super) fn covers_filter(&self, filter: &Filter<'_>, asker: Asker<'_>) -> bool {
        match (self.share(), filter.group()) {
            (Share::Plain, _) => self.covers(filter.plain(), asker),
            (Share::Every | Share::Group(_), None) => false,
            (Share::Every, Some(_)) => true,
            (Share::Group(ours), Some(group)) => {
                ours.covers(group, false, asker) && self.covers(filter.plain(), asker)
            }
        }
    }

    /// Whether some topic matches both: what a rule against these topics has to do with a filter.
    pub(super) fn meets(&self, plain: &str, asker: Asker<'_>) -> bool {
        let mut ours = self.levels().enumerate();
        if !ours.all(|(depth, level)| level.can_match(depth == 0, asker)) {
            return false;
        }
        let mut levels = plain.split('/');
        let mut first = true;
        for ours in self.levels() {
            let theirs = levels.next();
            let hidden = first && theirs.is_some_and(is_hidden);
            match (ours, theirs) {
                (Level::Hash, None) => return true,
                (Level::Hash, Some(_)) => return !hidden,
                (_, None) => return false,
                (_, Some("+" | "#")) if first && ours.begins_with_dollar() => return false,
                (_, Some("#")) => return true,
                (_, Some("+")) => {}
                (_, Some(level)) if !ours.covers(level, hidden, asker) => return false,
                (_, Some(_)) => {}
            }
            first = false;
        }
        // A # matches the level above itself.
        levels.next().is_none_or(|level| level == "#")
    }

    fn level<'a>(&self, text: &'a str) -> Level<'a> {
        let named = text.contains("%c") || text.contains("%u");
        match (text, self.substitution) {
            ("+", _) => Level::Plus,
            ("#", _) => Level::Hash,
            (_, Substitution::Never) => Level::Text(text),
            ("%c", _) => Level::Client,
            ("%u", _) => Level::User,
            (_, Substitution::Anywhere) if named => Level::Mixed(text),
            (_, Substitution::WholeLevels | Substitution::Anywhere) => Level::Text(text),
        }
    }
}

impl About {
    fn shared(self, text: &str) -> Option<&str> {
        match self {
            Self::Topics => None,
            Self::Subscriptions => topic::shared(text),
        }
    }
}

impl Level<'_> {
    /// Whether it covers one level; `hidden` if that is the first one and begins with `$`.
    pub(super) fn covers(self, level: &str, hidden: bool, asker: Asker<'_>) -> bool {
        if level == "#" {
            return false;
        }
        if level == "+" {
            return self == Self::Plus;
        }
        match self {
            Self::Text(text) => text == level,
            Self::Plus => !hidden,
            Self::Hash => false,
            Self::Client => !hidden && asker.client() == Some(level),
            Self::User => !hidden && asker.user() == Some(level),
            Self::Mixed(text) => {
                (!hidden || self.begins_with_dollar()) && is_filled(text, level, asker)
            }
        }
    }

    /// Whether any topic has such a level: the names it stands for are there and can be levels.
    fn can_match(self, first: bool, asker: Asker<'_>) -> bool {
        let text = match self {
            Self::Text(_) | Self::Plus | Self::Hash => return true,
            Self::Client => "%c",
            Self::User => "%u",
            Self::Mixed(text) => text,
        };
        let named = |name: Option<&str>, placeholder: &str| {
            !text.contains(placeholder)
                || name.is_some_and(|name| {
                    let hidden = first && text.starts_with(placeholder) && is_hidden(name);
                    !hidden && !name.contains(['+', '#', '/'])
                })
        };
        named(asker.client(), "%c") && named(asker.user(), "%u")
    }

    /// Whether it is nothing but a name.
    pub(super) fn is_name(self) -> bool {
        matches!(self, Self::Client | Self::User)
    }

    /// Whether a client id stands in it.
    pub(super) fn names_client(self) -> bool {
        match self {
            Self::Client => true,
            Self::Mixed(text) => text.contains("%c"),
            Self::Text(_) | Self::Plus | Self::Hash | Self::User => false,
        }
    }

    fn begins_with_dollar(self) -> bool {
        match self {
            Self::Text(text) | Self::Mixed(text) => is_hidden(text),
            Self::Plus | Self::Hash | Self::Client | Self::User => false,
        }
    }
}

/// The level that this text is with the asker's names in it, for asking about it; never for deciding.
pub(super) fn filled(text: &str, asker: Asker<'_>) -> Option<String> {
    let (mut level, mut rest) = (String::new(), text);
    while let Some((before, behind)) = rest.split_once('%') {
        level.push_str(before);
        let name = match behind.as_bytes().first() {
            Some(b'c') => asker.client()?,
            Some(b'u') => asker.user()?,
            Some(_) | None => {
                level.push('%');
                rest = behind;
                continue;
            }
        };
        level.push_str(name);
        rest = behind.get(1..).unwrap_or_default();
    }
    level.push_str(rest);
    Some(level)
}

/// Whether a level is this text with the asker's names in it.
pub(super) fn is_filled(text: &str, level: &str, asker: Asker<'_>) -> bool {
    let (mut text, mut level) = (text, level);
    loop {
        let name = match text.as_bytes() {
            [] => return level.is_empty(),
            [b'%', b'c', ..] => Some(asker.client()),
            [b'%', b'u', ..] => Some(asker.user()),
            _ => None,
        };
        let rest = match name {
            None => {
                let mut chars = text.chars();
                let next = chars.next();
                text = chars.as_str();
                next.and_then(|c| level.strip_prefix(c))
            }
            Some(name) => {
                text = text.get(2..).unwrap_or_default();
                name.and_then(|name| level.strip_prefix(name))
            }
        };
        match rest {
            None => return false,
            Some(rest) => level = rest,
        }
    }
}
