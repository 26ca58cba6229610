//! Asks a file and the database the same questions, for everybody whose answers could differ.
//!
//! Must not: leave somebody out whose answers could differ. Who has the same rights as somebody that
//! was asked about, and a name that no rule mentions, is answered alike: one name stands for another.
#![forbid(unsafe_code)]

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use serde::Serialize;

use crate::policy::proof::{Disagreement, Kind, Proof, compare};
use crate::policy::taken::client_ids as client_ids_in;
use crate::policy::{Asker, Permission, Question, Rights, Rule, Template};
use crate::show::Plain;

/// What was asked so far.
pub struct Prover {
    /// Every level of every rule.
    words: HashSet<String>,
    /// Whose rights stand for those of others, kept so that they stay what they are.
    seen: HashMap<Key, (Arc<Rights>, Option<Arc<Rights>>)>,
    /// What was asked, and what was answered differently.
    pub proof: Proof,
    /// Of whom questions were asked.
    pub clients: u64,
    /// Who is answered as another one was.
    pub alike: u64,
}

/// The same rights on both sides, and whether a client id is prescribed, and is the username.
type Key = (usize, usize, Option<bool>);

/// A client to ask about.
#[derive(Clone, Copy)]
pub struct Who<'a> {
    /// What it logs in as.
    pub username: Option<&'a str>,
    /// The only client id it may have.
    pub client_id: Option<&'a str>,
}

/// A question that was answered differently.
#[derive(Serialize)]
pub struct Differing {
    #[serde(skip_serializing_if = "Option::is_none")]
    user: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    client_id: Option<String>,
    question: &'static str,
    topic: String,
    file: &'static str,
    database: &'static str,
}

impl Prover {
    /// One that knows which words rules mention.
    pub fn new<'a>(templates: impl Iterator<Item = &'a Template>) -> Self {
        let levels = templates.flat_map(|template| template.as_str().split('/'));
        let levels = levels.chain([ANY_CLIENT]);
        Self {
            words: levels.map(str::to_owned).collect(),
            seen: HashMap::new(),
            proof: Proof::default(),
            clients: 0,
            alike: 0,
        }
    }

    /// Whether nothing was asked yet that answers for this client too: the rights that the database
    /// gives, and those of the file, if they are that.
    pub fn is_new(
        &mut self,
        who: Who<'_>,
        database: &Arc<Rights>,
        file: Option<&Arc<Rights>>,
    ) -> bool {
        let mut names = who.username.into_iter().chain(who.client_id);
        if !names.all(|name| self.is_like_any_other(name)) {
            return true;
        }
        let key = (
            Arc::as_ptr(database).addr(),
            file.map_or(0, |file| Arc::as_ptr(file).addr()),
            who.client_id.map(|id| Some(id) == who.username),
        );
        let rights = (Arc::clone(database), file.map(Arc::clone));
        let is_new = self.seen.insert(key, rights).is_none();
        if !is_new {
            self.alike = self.alike.saturating_add(1);
        }
        is_new
    }

    /// Whether a name can be told from others only by being equal to a name.
    fn is_like_any_other(&self, name: &str) -> bool {
        is_plain(name) && !self.words.contains(name)
    }

    /// Asks all that these templates, those of both, tell apart.
    pub fn ask(
        &mut self,
        who: Who<'_>,
        templates: &[&Template],
        file: impl Fn(Asker<'_>, &Question<'_>) -> Permission,
        database: &Rights,
    ) {
        self.clients = self.clients.saturating_add(1);
        let both = [who.username, Some(ANY_CLIENT)];
        let client_ids = match &who.client_id {
            Some(_) => std::slice::from_ref(&who.client_id),
            None => &both,
        };
        let mut compare = |templates: &[&Template], client_id: Option<&str>| {
            let asker = Asker {
                client_id,
                username: who.username,
            };
            let bound = MOST_QUESTIONS
                .saturating_sub(self.proof.asked)
                .min(MOST_FOR_ONE);
            let database = |asker: Asker<'_>, question: &Question<'_>| {
                database.check(asker, question).permission
            };
            let proof = compare(templates, asker, bound, &file, database);
            self.proof.add(proof);
        };
        for client_id in client_ids {
            compare(templates, *client_id);
        }
        if who.client_id.is_none() {
            for taken in client_ids_in(templates, who.username) {
                compare(&taken.templates, Some(&taken.client_id));
            }
        }
    }

    /// The first questions that were answered differently.
    pub fn differing(&self) -> Vec<Differing> {
        self.proof.disagreements.iter().map(differing).collect()
    }
}

impl Differing {
    /// One line for people.
    pub fn line(&self) -> String {
        let user = match &self.user {
            Some(user) => Plain(user).to_string(),
            None => "a client without a username".to_owned(),
        };
        let topic = Plain(&self.topic);
        let (question, file, database) = (self.question, self.file, self.database);
        format!("{user}: {question} {topic}: the file says {file}, the database {database}")
    }
}

/// The templates of all rules that rights are made of.
pub fn templates(rights: &Rights) -> impl Iterator<Item = &Template> {
    let grants = rights.grants().iter().chain(rights.dormant());
    grants.flat_map(|grant| grant.role.rules().iter().map(Rule::template))
}

/// Whether a name has nothing in it that rules or filters are made of.
fn is_plain(name: &str) -> bool {
    !name.is_empty() && !name.starts_with('$') && !name.contains(['+', '#', '/', '%'])
}

fn differing(told: &Disagreement) -> Differing {
    let (file, database) = match told.first {
        Permission::Allow => ("allow", "deny"),
        Permission::Deny => ("deny", "allow"),
    };
    Differing {
        user: told.username.clone(),
        client_id: told.client_id.clone(),
        question: match told.kind {
            Kind::Send => "publish",
            Kind::Receive => "receive",
            Kind::Subscribe => "subscribe",
            Kind::Unsubscribe => "unsubscribe",
        },
        topic: told.text.clone(),
        file,
        database,
    }
}

/// A client id that no rule mentions.
const ANY_CLIENT: &str = "some-client";
/// So many questions are asked in all: some seconds.
const MOST_QUESTIONS: usize = 10_000_000;
/// And about one client with one client id.
const MOST_FOR_ONE: usize = 250_000;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::{AclType, Defaults, Priority};

    fn rights(rules: &[(Permission, &str)]) -> Arc<Rights> {
        let rule = |(permission, topic): &(Permission, &str)| {
            let priority = match permission {
                Permission::Deny => Priority::clamped(1),
                Permission::Allow => Priority::RULE,
            };
            let rule = Rule::new(AclType::PublishClientSend, *permission, topic);
            rule.unwrap().with_priority(priority)
        };
        Rights::of_one_role(rules.iter().map(rule), Defaults::DENY)
    }

    /// What differs for a client of this name, which may have any client id or this one only.
    fn differing(file: &Rights, database: &Rights, client_id: Option<&str>) -> Vec<Differing> {
        let all: Vec<&Template> = templates(file).chain(templates(database)).collect();
        let mut prover = Prover::new(templates(file));
        let who = Who {
            username: Some("ann"),
            client_id,
        };
        let said =
            |asker: Asker<'_>, question: &Question<'_>| file.check(asker, question).permission;
        prover.ask(who, &all, said, database);
        prover.differing()
    }

    #[test]
    fn a_client_whose_id_is_a_word_of_a_rule_is_asked_about() {
        let own = (Permission::Allow, "to/%c/#");
        let file = rights(&[own, (Permission::Deny, "to/special/a")]);
        let database = rights(&[own]);
        let told = differing(&file, &database, None);
        assert!(!told.is_empty());
        for told in &told {
            assert_eq!(told.client_id.as_deref(), Some("special"));
            assert_eq!(
                (&*told.topic, told.file, told.database),
                ("to/special/a", "deny", "allow")
            );
        }
        // Whoever has another one for certain is not concerned, and what is alike is alike.
        assert!(differing(&file, &database, Some("other")).is_empty());
        assert!(differing(&file, &file, None).is_empty());
    }
}
