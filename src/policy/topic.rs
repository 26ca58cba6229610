//! Topics and filters as clients send them, checked once.
//!
//! Must not: know rules or names. A `$share/group/filter` is taken apart here and nowhere else:
//! what is judged is the filter; the group stands beside it. A topic never has a wildcard, so it is
//! also a filter that covers itself alone: every question has the one form of a filter's levels.
#![forbid(unsafe_code)]

/// A topic somebody publishes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Topic<'a>(&'a str);

/// A topic that was asked about and is kept, since the same one is asked about again: for each who might be
/// sent what was published. What was found out about the text is not found out twice.
#[derive(Debug, Default)]
pub struct HeardTopic {
    text: String,
    /// Whether it can be published to.
    is_topic: bool,
}

/// A filter somebody subscribes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Filter<'a> {
    text: &'a str,
    group: Option<&'a str>,
    plain: &'a str,
    wildcards: bool,
}

/// Why a text is no topic.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TopicError {
    /// Nothing there.
    #[error("a topic cannot be empty")]
    Empty,
    /// MQTT lengths are 16 bits.
    #[error("a topic can have at most 65535 bytes, not {0}")]
    TooLong(usize),
    /// `+`, `#` or U+0000.
    #[error("a topic cannot contain +, # or U+0000")]
    Character,
}

/// Why a text is no filter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FilterError {
    /// Nothing there.
    #[error("a filter cannot be empty")]
    Empty,
    /// MQTT lengths are 16 bits.
    #[error("a filter can have at most 65535 bytes, not {0}")]
    TooLong(usize),
    /// No client can send it.
    #[error("a filter cannot contain control characters")]
    Control,
    /// `a+` or `+a`.
    #[error("+ must be a whole level of a filter")]
    Plus,
    /// `a#`, or `#` before the end.
    #[error("# must be the whole last level of a filter")]
    Hash,
    /// `$share` without a group or a filter, or a wildcard in the group.
    #[error("a shared subscription is $share/GROUP/FILTER, and its group has no wildcard")]
    Share,
    /// No broker takes a topic with so many levels.
    #[error("a rule's filter can have at most {MOST_LEVELS} levels")]
    TooDeep,
}

impl<'a> Topic<'a> {
    /// Checks a text and takes it as a topic.
    ///
    /// # Errors
    /// When nobody can publish to it.
    pub fn new(text: &'a str) -> Result<Self, TopicError> {
        if text.is_empty() {
            return Err(TopicError::Empty);
        }
        if text.len() > LONGEST {
            return Err(TopicError::TooLong(text.len()));
        }
        if memchr::memchr3(b'+', b'#', 0, text.as_bytes()).is_some() {
            return Err(TopicError::Character);
        }
        Ok(Self(text))
    }

    /// The topic as text.
    #[must_use]
    pub fn as_str(self) -> &'a str {
        self.0
    }
}

impl HeardTopic {
    /// None yet, with room for one of so many bytes.
    #[must_use]
    pub fn with_capacity(bytes: usize) -> Self {
        Self {
            text: String::with_capacity(bytes),
            is_topic: false,
        }
    }

    /// Whether it is this one.
    #[must_use]
    pub fn is(&self, text: &[u8]) -> bool {
        self.text.as_bytes() == text
    }

    /// From now on it is this one. Memory is kept for the next: none is asked for unless it is longer than
    /// all before.
    pub fn hear(&mut self, text: &str) {
        self.is_topic = Topic::new(text).is_ok();
        self.text.clear();
        self.text.push_str(text);
    }

    /// As a topic; none of what no client can publish to.
    #[must_use]
    pub fn topic(&self) -> Option<Topic<'_>> {
        self.is_topic.then_some(Topic(&self.text))
    }

    /// As text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

impl<'a> Filter<'a> {
    /// Checks a text and takes it as a filter.
    ///
    /// # Errors
    /// When nobody can subscribe to it.
    pub fn new(text: &'a str) -> Result<Self, FilterError> {
        let (group, plain) = match shared(text) {
            None => (None, text),
            Some(rest) => match rest.split_once('/') {
                Some((group, plain)) if !group.is_empty() && !has_wildcard(group) => {
                    (Some(group), plain)
                }
                _ => return Err(FilterError::Share),
            },
        };
        if group.is_some() && plain.is_empty() {
            return Err(FilterError::Share);
        }
        check(text, plain)?;
        Ok(Self {
            text,
            group,
            plain,
            wildcards: has_wildcard(plain),
        })
    }

    /// The filter as it was sent, `$share/group/` and all.
    #[must_use]
    pub fn as_str(&self) -> &'a str {
        self.text
    }

    /// The group of a shared subscription.
    #[must_use]
    pub fn group(&self) -> Option<&'a str> {
        self.group
    }

    /// What topics are compared with: the filter without `$share/group/`.
    #[must_use]
    pub fn plain(&self) -> &'a str {
        self.plain
    }

    /// Whether it has a `+` or a `#`.
    #[must_use]
    pub fn has_wildcards(&self) -> bool {
        self.wildcards
    }
}

/// Whether `+` and `#` are where they may be, of a filter that is `plain` within `text`.
pub(super) fn check(text: &str, plain: &str) -> Result<(), FilterError> {
    if plain.is_empty() {
        return Err(FilterError::Empty);
    }
    if text.len() > LONGEST {
        return Err(FilterError::TooLong(text.len()));
    }
    if text.chars().any(char::is_control) {
        return Err(FilterError::Control);
    }
    let mut levels = plain.split('/').peekable();
    while let Some(level) = levels.next() {
        if level.contains('+') && level != "+" {
            return Err(FilterError::Plus);
        }
        if level.contains('#') && (level != "#" || levels.peek().is_some()) {
            return Err(FilterError::Hash);
        }
    }
    Ok(())
}

/// What follows `$share/`; nothing follows a bare `$share`.
pub(super) fn shared(text: &str) -> Option<&str> {
    match text.strip_prefix("$share") {
        Some("") => Some(""),
        Some(rest) => rest.strip_prefix('/'),
        None => None,
    }
}

/// Whether a wildcard in the first level would match it: never one that begins with `$`.
pub(super) fn is_hidden(first_level: &str) -> bool {
    first_level.as_bytes().first() == Some(&b'$')
}

/// The first level and what follows its `/`.
pub(super) fn split_level(text: &str) -> (&str, Option<&str>) {
    let slash = memchr::memchr(b'/', text.as_bytes()).and_then(|at| text.split_at_checked(at));
    match slash {
        None => (text, None),
        Some((level, rest)) => (level, rest.get(1..)),
    }
}

fn has_wildcard(text: &str) -> bool {
    memchr::memchr2(b'+', b'#', text.as_bytes()).is_some()
}

/// A filter of a rule has no more levels: Mosquitto refuses topics with more slashes
/// (`TOPIC_HIERARCHY_LIMIT`). It also bounds how deep a search goes.
pub(super) const MOST_LEVELS: usize = 201;

const LONGEST: usize = 65_535;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_topic_that_can_be_published_to_is_taken() {
        for text in ["a", "/", "a//b", "$SYS/x", "späť %u", &"x".repeat(65_535)] {
            assert_eq!(Topic::new(text).map(|topic| topic.as_str()), Ok(text));
        }
    }

    #[test]
    fn a_topic_with_a_wildcard_or_nothing_in_it_is_refused() {
        assert_eq!(Topic::new(""), Err(TopicError::Empty));
        for text in ["+", "a/#", "a+b", "a\0"] {
            assert_eq!(Topic::new(text), Err(TopicError::Character), "{text}");
        }
        let long = "x".repeat(65_536);
        assert_eq!(Topic::new(&long), Err(TopicError::TooLong(65_536)));
    }

    #[test]
    fn a_topic_that_was_heard_is_the_last_one_and_no_other() {
        let mut heard = HeardTopic::default();
        assert_eq!((heard.topic(), heard.is(b"")), (None, true));
        for text in ["a/b", "a/bc", "a/b", "#", "a"] {
            assert!(!heard.is(text.as_bytes()), "{text}");
            heard.hear(text);
            assert!(heard.is(text.as_bytes()) && !heard.is(b"a/b\0"), "{text}");
            assert_eq!(heard.topic(), Topic::new(text).ok(), "{text}");
        }
    }

    #[test]
    fn a_filter_knows_whether_it_has_wildcards() {
        for (text, wildcards) in [
            ("a", false),
            ("+", true),
            ("#", true),
            ("+/+/#", true),
            ("a/+", true),
            ("//", false),
            ("$share/g/a", false),
            ("$share/g/+", true),
        ] {
            let filter = Filter::new(text).unwrap();
            assert_eq!(filter.has_wildcards(), wildcards, "{text}");
            assert_eq!(filter.as_str(), text);
        }
    }

    #[test]
    fn a_wildcard_beside_other_text_is_refused() {
        for (text, error) in [
            ("", FilterError::Empty),
            ("a+", FilterError::Plus),
            ("+a/b", FilterError::Plus),
            ("a#", FilterError::Hash),
            ("#/a", FilterError::Hash),
            ("a/#/", FilterError::Hash),
            ("a\u{7f}", FilterError::Control),
        ] {
            assert_eq!(Filter::new(text), Err(error), "{text}");
        }
    }

    #[test]
    fn a_shared_subscription_is_its_group_and_its_filter() {
        let filter = Filter::new("$share/g/a/#").unwrap();
        assert_eq!((filter.group(), filter.plain()), (Some("g"), "a/#"));
        let filter = Filter::new("$shared/g/a").unwrap();
        assert_eq!((filter.group(), filter.plain()), (None, "$shared/g/a"));
    }

    #[test]
    fn a_shared_subscription_without_group_or_filter_is_refused() {
        for text in [
            "$share",
            "$share/",
            "$share/g",
            "$share/g/",
            "$share//a",
            "$share/+/a",
            "$share/#",
        ] {
            assert_eq!(Filter::new(text), Err(FilterError::Share), "{text}");
        }
    }

    #[test]
    fn levels_come_off_one_by_one() {
        assert_eq!(split_level("a/b/c"), ("a", Some("b/c")));
        assert_eq!(split_level("/b"), ("", Some("b")));
        assert_eq!(split_level("a/"), ("a", Some("")));
        assert_eq!(split_level("a"), ("a", None));
    }
}
