//! The lines of an ACL file, as Mosquitto splits them.
//!
//! Must not: decide. Words are separated by spaces; a `#` begins a comment only in
//! the first column; what follows the access word is the topic, spaces and all. A TAB is refused
//! anywhere: no topic and no username can have one, so it was meant to separate.
#![forbid(unsafe_code)]

use super::super::template::{About, Substitution, Template};
use super::super::topic::FilterError;
use super::{Access, FileRule, ParseError, Section};
use crate::model::{AccountName, NameError};

/// What a line says.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Line<'a> {
    /// Nothing: blank, or a comment.
    Nothing,
    /// The topics that follow are this user's.
    User(&'a str),
    /// A topic of whoever the section is about.
    Topic(Access, Template),
    /// A topic of everybody's.
    Pattern(Access, Template),
}

/// What is wrong with a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Mistake {
    /// Not `user`, `topic` or `pattern`.
    #[error("a line begins with user, topic or pattern, or with # in its first column")]
    Keyword,
    /// A TAB.
    #[error("words are separated by spaces, not by TABs")]
    Tab,
    /// `user` alone.
    #[error("user is followed by a username")]
    NoUser,
    /// One that nobody can have.
    #[error(transparent)]
    User(#[from] NameError),
    /// `topic` or `pattern` alone.
    #[error("topic and pattern are followed by a topic")]
    NoTopic,
    /// Another word before the topic.
    #[error("the access before a topic is read, write, readwrite or deny")]
    Access,
    /// No filter.
    #[error(transparent)]
    Topic(#[from] FilterError),
}

/// The rules in the order of the file.
pub(super) fn read(text: &str) -> Result<Vec<FileRule>, ParseError> {
    let mut rules = Vec::new();
    let mut section = Section::Anonymous;
    for (line, text) in (1..).zip(text.split('\n')) {
        let (section, access, template) =
            match split(text).map_err(|mistake| ParseError::Line { line, mistake })? {
                Line::Nothing => continue,
                Line::User(name) => {
                    section = Section::User(name.into());
                    continue;
                }
                Line::Topic(access, template) => (section.clone(), access, template),
                Line::Pattern(access, template) => (Section::Pattern, access, template),
            };
        rules.push(FileRule {
            line,
            section,
            access,
            template,
        });
    }
    Ok(rules)
}

/// Whether a line can have this topic.
pub(super) fn can_be_topic(text: &str) -> bool {
    let line = format!("topic read {text}");
    matches!(split(&line), Ok(Line::Topic(Access::Read, topic)) if topic.as_str() == text)
}

/// Whether a line can have this username.
pub(super) fn can_be_user(name: &str) -> bool {
    split(&format!("user {name}")) == Ok(Line::User(name))
}

/// Splits a line, given without its newline.
fn split(line: &str) -> Result<Line<'_>, Mistake> {
    if line.starts_with('#') {
        return Ok(Line::Nothing);
    }
    let line = line.trim_end_matches(|c: char| c.is_ascii_whitespace() || c == '\u{b}');
    let line = line.trim_start_matches(' ');
    if line.is_empty() {
        return Ok(Line::Nothing);
    }
    if line.contains('\t') {
        return Err(Mistake::Tab);
    }
    let (keyword, rest) = word(line);
    match keyword {
        "user" if rest.is_empty() => Err(Mistake::NoUser),
        "user" => {
            AccountName::check(rest)?;
            Ok(Line::User(rest))
        }
        "topic" => {
            let (access, text) = access(rest)?;
            let template = Template::parse(text, About::Topics, Substitution::Never)?;
            Ok(Line::Topic(access, template))
        }
        "pattern" => {
            let (access, text) = access(rest)?;
            let template = Template::parse(text, About::Topics, Substitution::Anywhere)?;
            Ok(Line::Pattern(access, template))
        }
        _ => Err(Mistake::Keyword),
    }
}

/// The access and the topic; a single word is a topic, whatever it is.
fn access(rest: &str) -> Result<(Access, &str), Mistake> {
    match word(rest) {
        ("", _) => Err(Mistake::NoTopic),
        (topic, "") => Ok((Access::ReadWrite, topic)),
        ("read", topic) => Ok((Access::Read, topic)),
        ("write", topic) => Ok((Access::Write, topic)),
        ("readwrite", topic) => Ok((Access::ReadWrite, topic)),
        ("deny", topic) => Ok((Access::Deny, topic)),
        _ => Err(Mistake::Access),
    }
}

/// The first word and what follows the spaces behind it.
fn word(text: &str) -> (&str, &str) {
    let (word, rest) = text.split_once(' ').unwrap_or((text, ""));
    (word, rest.trim_start_matches(' '))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The access and the topic of a `topic` line.
    fn topic(line: &str) -> Result<(Access, String), Mistake> {
        match split(line)? {
            Line::Topic(access, template) => Ok((access, template.as_str().to_owned())),
            Line::Nothing | Line::User(_) | Line::Pattern(..) => panic!("{line}"),
        }
    }

    #[test]
    fn a_topic_has_an_access_or_both() {
        for (line, access, text) in [
            ("topic a/b", Access::ReadWrite, "a/b"),
            ("topic read a/+", Access::Read, "a/+"),
            ("topic write #", Access::Write, "#"),
            ("topic readwrite a", Access::ReadWrite, "a"),
            ("topic deny a", Access::Deny, "a"),
            ("  topic   read   a  b \r", Access::Read, "a  b"),
            ("topic read", Access::ReadWrite, "read"),
            ("topic read ", Access::ReadWrite, "read"),
            ("topic $share/g", Access::ReadWrite, "$share/g"),
        ] {
            assert_eq!(topic(line), Ok((access, text.to_owned())), "{line}");
        }
    }

    #[test]
    fn a_username_is_the_rest_of_its_line() {
        assert_eq!(split("user ann"), Ok(Line::User("ann")));
        assert_eq!(split("user  ann of x "), Ok(Line::User("ann of x")));
        assert_eq!(split("user # ann"), Ok(Line::User("# ann")));
    }

    #[test]
    fn blank_lines_and_comments_in_the_first_column_say_nothing() {
        for line in ["", "   ", "\r", "\t", "# topic a", "#"] {
            assert_eq!(split(line), Ok(Line::Nothing), "{line:?}");
        }
    }

    #[test]
    fn a_line_that_is_none_is_refused_with_what_is_wrong() {
        for (line, mistake) in [
            (" # comment", Mistake::Keyword),
            ("topics a", Mistake::Keyword),
            ("Topic a", Mistake::Keyword),
            ("topic\ta", Mistake::Tab),
            ("topic read\ta", Mistake::Tab),
            ("user", Mistake::NoUser),
            ("user ", Mistake::NoUser),
            ("user a\u{1}", Mistake::User(NameError::Control)),
            ("topic", Mistake::NoTopic),
            ("pattern ", Mistake::NoTopic),
            ("topic a b", Mistake::Access),
            ("topic READ b", Mistake::Access),
            ("topic read a+", Mistake::Topic(FilterError::Plus)),
            ("pattern a/#/b", Mistake::Topic(FilterError::Hash)),
        ] {
            assert_eq!(split(line), Err(mistake), "{line:?}");
        }
    }
}
