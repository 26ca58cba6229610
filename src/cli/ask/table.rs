//! A table of questions with their expected answers, one in each line.
//!
//! Must not: take half a line. What is not understood is told with its line, and nothing is asked.
#![forbid(unsafe_code)]

use super::user;
use crate::cli::print::Plain;
use crate::cli::rule::{qos, size};
use crate::reasons::{Action, Outcome, Request};
use crate::token::Acl;

/// One line.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Row {
    /// Counted from 1.
    pub(super) line: usize,
    pub(super) expected: Outcome,
    pub(super) request: Request,
}

/// The lines, or those that are wrong and why.
pub(super) fn read(text: &str) -> Result<Vec<Row>, Vec<(usize, String)>> {
    let (mut rows, mut wrong) = (Vec::new(), Vec::new());
    for (line, text) in (1..).zip(text.lines()) {
        let text = text.trim();
        if text.is_empty() || text.starts_with('#') {
            continue;
        }
        match row(text) {
            Ok((expected, request)) => rows.push(Row {
                line,
                expected,
                request,
            }),
            Err(why) => wrong.push((line, why)),
        }
    }
    if wrong.is_empty() {
        Ok(rows)
    } else {
        Err(wrong)
    }
}

fn row(text: &str) -> Result<(Outcome, Request), String> {
    let words = words(text)?;
    let mut words = words.iter();
    let mut next = |what: &str| words.next().ok_or_else(|| format!("{what} is missing"));
    let expected = match next("allow, deny or defer")?.text.as_str() {
        "allow" => Outcome::Allowed,
        "deny" => Outcome::Denied,
        "defer" => Outcome::Deferred,
        other => {
            let other = Plain(other);
            return Err(format!(
                "a line begins with allow, deny or defer, not {other}"
            ));
        }
    };
    let name = next("the username, or - for a client without one,")?;
    let user = match name.quoted {
        // An account that is called so.
        true if name.text == "-" => crate::model::AccountName::new("-")
            .map(Some)
            .map_err(|error| error.to_string())?,
        _ => user(&name.text)?,
    };
    let action: Action = next("publish, receive, subscribe or unsubscribe")?
        .text
        .parse()?;
    let mut request = Request {
        user,
        client_id: None,
        token_roles: Vec::new(),
        token_acl: Acl::default(),
        action,
        topic: next("the topic")?.text.clone(),
        qos: None,
        retain: false,
        payload: None,
    };
    for word in words {
        set(&mut request, &word.text)?;
    }
    request.question()?;
    Ok((expected, request))
}

fn set(request: &mut Request, word: &str) -> Result<(), String> {
    let twice = match word.split_once('=') {
        None if word == "retain" => std::mem::replace(&mut request.retain, true),
        Some(("client-id", id)) => request.client_id.replace(id.to_owned()).is_some(),
        // A token may name several.
        Some(("token-role", role)) => {
            request.token_roles.push(role.into());
            false
        }
        Some(("token-acl", topic)) => {
            let topic = topic.parse().map_err(ToOwned::to_owned);
            request.token_acl.extend([named("token-acl", topic)?]);
            false
        }
        Some(("qos", number)) => request.qos.replace(named("qos", qos(number))?).is_some(),
        Some(("payload", bytes)) => {
            let size = named("payload", size(bytes))?;
            request.payload.replace(size).is_some()
        }
        Some(_) | None => {
            return Err(format!(
                "{} behind the topic; accepted are client-id=ID, token-role=ROLE, token-acl=LIST:TOPIC, \
                 qos=0|1|2, retain and payload=SIZE",
                Plain(word)
            ));
        }
    };
    if twice {
        let name = word.split_once('=').map_or(word, |(name, _)| name);
        return Err(format!("{name} is given twice"));
    }
    Ok(())
}

fn named<T>(name: &str, value: Result<T, String>) -> Result<T, String> {
    value.map_err(|why| format!("{name}: {why}"))
}

/// A word, and whether any of it stood in quotes.
#[derive(Default)]
struct Word {
    text: String,
    quoted: bool,
}

/// Parts a line at its blanks, except those in quotes; there \" and \\ are a quote and a backslash.
fn words(line: &str) -> Result<Vec<Word>, String> {
    let mut words = Vec::new();
    let mut word: Option<Word> = None;
    let mut within = false;
    let mut chars = line.chars();
    while let Some(c) = chars.next() {
        match c {
            '"' => {
                within = !within;
                word.get_or_insert_default().quoted = true;
            }
            '\\' if within => match chars.next() {
                Some(escaped @ ('"' | '\\')) => word.get_or_insert_default().text.push(escaped),
                _ => return Err("in quotes a backslash stands before \" or \\ only".to_owned()),
            },
            ' ' | '\t' if !within => words.extend(word.take()),
            c => word.get_or_insert_default().text.push(c),
        }
    }
    if within {
        return Err("a quote is not closed".to_owned());
    }
    words.extend(word);
    Ok(words)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::Qos;

    fn wrong(line: &str) -> String {
        let wrong = read(&format!("# heading\n\n{line}\n")).unwrap_err();
        assert_eq!(wrong[0].0, 3);
        wrong[0].1.clone()
    }

    #[test]
    fn a_line_is_a_question_with_its_answer() {
        let text = "# a comment\n  deny\t\"two words\" publishClientSend #no client-id=\"a \\\"b\" \
                    qos=2 retain payload=1K token-role=r \"token-role=two words\"\nallow - subscribe #\r\ndefer \"-\" unsubscribe a/+";
        let rows = read(&text.replace("#no", "no")).unwrap();
        assert_eq!(rows.len(), 3);
        let (first, second, third) = (&rows[0], &rows[1], &rows[2]);
        assert_eq!((first.line, first.expected), (2, Outcome::Denied));
        let request = &first.request;
        assert_eq!(request.user.as_ref().unwrap().as_str(), "two words");
        assert_eq!(request.client_id.as_deref(), Some("a \"b"));
        assert_eq!(*request.token_roles, ["r".into(), "two words".into()]);
        assert!(second.request.token_roles.is_empty());
        assert_eq!(
            (request.qos, request.retain, request.payload),
            (Some(Qos::ExactlyOnce), true, Some(1024))
        );
        assert_eq!(
            (&second.request.user, second.request.topic.as_str()),
            (&None, "#")
        );
        assert_eq!(third.request.user.as_ref().unwrap().as_str(), "-");
        assert_eq!(third.expected, Outcome::Deferred);
    }

    #[test]
    fn what_is_wrong_with_a_line_is_told() {
        for (line, why) in [
            ("permit ann publish a", "begins with allow, deny or defer"),
            ("allow", "username"),
            ("allow ann", "publish, receive"),
            ("allow ann write a", "publish, receive"),
            ("allow ann publish", "the topic is missing"),
            ("allow ann publish a/#", "a/#"),
            ("allow ann subscribe a#", "a#"),
            ("allow ann subscribe a retain", "not retained"),
            ("allow ann unsubscribe a qos=1", "no QoS"),
            ("allow ann publish a qos=3", "qos: accepted are 0, 1 and 2"),
            ("allow ann publish a qos=1 qos=1", "qos is given twice"),
            ("allow ann publish a retain=1", "accepted are client-id=ID"),
            ("allow ann publish a b", "accepted are client-id=ID"),
            ("allow - publish a token-role=x", "has a username"),
            ("allow - publish a token-acl=pub:x", "has a username"),
            (
                "allow ann publish a token-acl=deny:x",
                "token-acl: accepted are pub:TOPIC",
            ),
            (
                "allow ann publish a token-acl=x",
                "token-acl: accepted are pub:TOPIC",
            ),
            ("allow \"ann publish a", "not closed"),
            ("allow \"a\\n\" publish a", "backslash"),
            ("allow \"\" publish a", "empty"),
        ] {
            assert!(wrong(line).contains(why), "{line}: {}", wrong(line));
        }
    }

    #[test]
    fn every_wrong_line_is_told() {
        let wrong = read("allow\nallow - publish a\nnonsense\n").unwrap_err();
        let lines: Vec<usize> = wrong.into_iter().map(|(line, _)| line).collect();
        assert_eq!(lines, [1, 3]);
    }
}
