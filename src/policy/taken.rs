//! Which client ids rules can be about that none of them names as one.
//!
//! Must not: decide. Where `%c` stands for a level, a client whose id is a word that another rule has there is
//! judged by both; any other id is like any other.
#![forbid(unsafe_code)]

use std::collections::{BTreeMap, BTreeSet};

use super::template::{Level, Template};

/// A client id, and the templates that say something of it.
#[derive(Debug)]
pub struct Taken<'a> {
    /// The client id.
    pub client_id: String,
    /// Those that name it, those that have a `%c` where they name it, and those that have a wildcard there.
    pub templates: Vec<&'a Template>,
}

/// All words of these templates that stand where another has `%c`, for a client of this username.
#[must_use]
pub fn client_ids<'a>(templates: &[&'a Template], username: Option<&str>) -> Vec<Taken<'a>> {
    let mut words: BTreeMap<String, BTreeSet<usize>> = BTreeMap::new();
    for (depth, place) in places(templates, username) {
        // Those without a word at this level meet those with any.
        let mut others = Vec::new();
        let mut here: BTreeMap<String, Vec<usize>> = BTreeMap::new();
        for (at, template) in templates.iter().enumerate() {
            match template.levels().nth(depth) {
                Some(Level::Text(text)) => {
                    if let Some(id) = place.id_in(text) {
                        here.entry(id).or_default().push(at);
                    }
                }
                Some(Level::Plus | Level::Hash | Level::Client | Level::User | Level::Mixed(_))
                | None => others.push(at),
            }
        }
        for (id, named) in here {
            words
                .entry(id)
                .or_default()
                .extend(named.into_iter().chain(others.iter().copied()));
        }
    }
    let taken = |(client_id, named): (String, BTreeSet<usize>)| Taken {
        client_id,
        templates: named
            .iter()
            .filter_map(|at| templates.get(*at).copied())
            .collect(),
    };
    words.into_iter().map(taken).collect()
}

/// A level with one client id in it: what stands before it, and behind.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Place {
    before: String,
    behind: String,
}

impl Place {
    fn of(level: Level<'_>, username: Option<&str>) -> Option<Self> {
        let text = match level {
            Level::Client => "%c".to_owned(),
            Level::Mixed(text) => match username {
                Some(name) => text.replace("%u", name),
                None if text.contains("%u") => return None,
                None => text.to_owned(),
            },
            Level::Text(_) | Level::Plus | Level::Hash | Level::User => return None,
        };
        let (before, behind) = text.split_once("%c")?;
        Some(Self {
            before: before.to_owned(),
            behind: behind.to_owned(),
        })
    }

    /// The client id by which the level is this word.
    fn id_in(&self, word: &str) -> Option<String> {
        let rest = word.strip_prefix(&*self.before)?;
        let id = rest.strip_suffix(&*self.behind)?;
        (!id.is_empty()).then(|| id.to_owned())
    }
}

/// Where templates name the client.
fn places(templates: &[&Template], username: Option<&str>) -> BTreeSet<(usize, Place)> {
    let levels = templates
        .iter()
        .flat_map(|template| template.levels().enumerate());
    levels
        .filter_map(|(depth, level)| Some((depth, Place::of(level, username)?)))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::{About, Substitution};

    fn taken(texts: &[&str]) -> Vec<(String, Vec<String>)> {
        let parse = |text: &&str| {
            let substitution = Substitution::Anywhere;
            Template::parse(text, About::Subscriptions, substitution).unwrap()
        };
        let templates: Vec<Template> = texts.iter().map(parse).collect();
        let templates: Vec<&Template> = templates.iter().collect();
        let all = client_ids(&templates, Some("ann")).into_iter();
        let texts = |taken: &Taken<'_>| {
            taken
                .templates
                .iter()
                .map(|one| one.as_str().to_owned())
                .collect()
        };
        all.map(|taken| (taken.client_id.clone(), texts(&taken)))
            .collect()
    }

    #[test]
    fn a_word_where_another_rule_has_the_client_id_can_be_one() {
        let all = taken(&["to/%c/#", "to/special/a", "for/no/c", "to/+/b", "else"]);
        let about = |word| {
            ["to/%c/#", word, "to/+/b", "else"]
                .map(str::to_owned)
                .to_vec()
        };
        let expected = [("no", "for/no/c"), ("special", "to/special/a")];
        let expected = expected.map(|(id, word)| (id.to_owned(), about(word)));
        assert_eq!(all, expected);
        assert!(taken(&["to/%u/#", "to/special/a"]).is_empty());
        assert!(taken(&["to/%c", "special"]).is_empty());
    }

    #[test]
    fn a_client_id_within_a_level_is_what_is_left_of_it() {
        let ids = |texts: &[&str]| {
            taken(texts)
                .into_iter()
                .map(|(id, _)| id)
                .collect::<Vec<_>>()
        };
        assert_eq!(ids(&["dev-%c-x", "dev-7-x", "dev--x", "7"]), ["7"]);
        assert_eq!(ids(&["%u:%c", "ann:7", "bob:8"]), ["7"]);
    }
}
