//! An ACL file: what the roles of a database let each account publish and read, as far as Mosquitto's
//! `acl_file` can say it.
//!
//! Must not: open more than doorman does without a word. The file that was made is asked every question
//! that its lines and the roles can tell apart; each answer that differs is told.
#![forbid(unsafe_code)]

use std::collections::{BTreeSet, HashMap, HashSet};
use std::fmt::Write as _;
use std::io::{self, Write};
use std::sync::Arc;

use serde::Serialize;

use super::ExportArgs;
use crate::cli::clock;
use crate::cli::exit::{Exit, Failure};
use crate::cli::print::{Answer, Plain};
use crate::model::Account;
use crate::policy::acl_file::{
    AclFile, Bounds, Section, Subscriptions, Unsaid, as_expressed, can_have_section, express,
};
use crate::policy::{Asker, Question, Rights, Template};
use crate::store::Store;
use crate::takeover::{Compiled, Prover, Who, templates};

/// The file, and what it does not say as the database does.
pub(super) struct Made {
    pub(super) text: String,
    /// What, line by line.
    pub(super) told: Vec<String>,
    pub(super) summary: Summary,
}

/// How it went.
#[derive(Default, Serialize)]
pub(super) struct Summary {
    /// How many have lines.
    clients: usize,
    lines: usize,
    /// Answers that differ.
    differing: usize,
    not_exact: usize,
}

/// Whose rights are to be said, and what they are.
struct Client {
    username: Option<Box<str>>,
    client_id: Option<Box<str>>,
    rights: Arc<Rights>,
}

/// Reads a database.
pub(super) fn read(store: &mut dyn Store, args: &ExportArgs) -> Result<Made, Failure> {
    let mut accounts: Vec<Account> = Vec::new();
    store.accounts(&mut |account| {
        accounts.push(account);
        Ok(())
    })?;
    let mut place = store.roles()?;
    let mut compiled = Compiled::read(place.as_mut(), clock::now())?;
    let mut told = Vec::new();
    let mut clients = vec![Client {
        username: None,
        client_id: None,
        rights: compiled.of_anonymous(),
    }];
    for account in accounts {
        if let Some(why) = left_out(&account) {
            told.push(format!("account {}: {why}", Plain(account.name.as_str())));
            continue;
        }
        let rights = compiled.of(&place.holdings(&account.name)?);
        clients.push(Client {
            username: Some(account.name.as_str().into()),
            client_id: account.client_id,
            rights,
        });
    }
    let mut made = Made {
        text: HEAD.to_owned(),
        told,
        summary: Summary::default(),
    };
    made.say(&clients, args);
    made.prove(&clients)?;
    made.summary.not_exact = made.told.len();
    Ok(made)
}

/// Why somebody has no lines.
fn left_out(account: &Account) -> Option<&'static str> {
    if account.disabled {
        return Some("it is disabled: it was left out, and so may do nothing");
    }
    if !can_have_section(account.name.as_str()) {
        return Some("no line can have such a username: it was left out, and so may do nothing");
    }
    None
}

impl Client {
    fn asker(&self) -> Asker<'_> {
        Asker {
            client_id: self.client_id.as_deref(),
            username: self.username.as_deref(),
        }
    }
}

impl Made {
    /// Writes what each may do.
    fn say(&mut self, clients: &[Client], args: &ExportArgs) {
        let bounds = match args.drop_bounds {
            true => Bounds::Drop,
            false => Bounds::Keep,
        };
        let mut unsaid = BTreeSet::new();
        for client in clients {
            let expressed = express(&client.rights, client.asker(), bounds);
            unsaid.extend(expressed.unsaid);
            if expressed.lines.is_empty() {
                continue;
            }
            self.text.push('\n');
            if let Some(username) = &client.username {
                self.line(format_args!("user {username}"));
            }
            for (access, topic) in &expressed.lines {
                self.line(format_args!("topic {access} {topic}"));
            }
            let Summary { clients, lines, .. } = &mut self.summary;
            *clients = clients.saturating_add(1);
            *lines = lines.saturating_add(expressed.lines.len());
        }
        self.told.extend(unsaid.iter().map(sentence));
    }

    fn line(&mut self, line: std::fmt::Arguments<'_>) {
        // Text has room for whatever is written to it.
        let _never = writeln!(self.text, "{line}");
    }

    /// Asks the file and the database.
    fn prove(&mut self, clients: &[Client]) -> Result<(), Failure> {
        let wrong = |error: &dyn std::fmt::Display| Failure::new(Exit::Refused, error.to_string());
        let file = AclFile::parse(&self.text, Subscriptions::AsMosquitto);
        let file = file.map_err(|error| wrong(&error))?;
        let mut of_section: HashMap<&Section, Vec<&Template>> = HashMap::new();
        for rule in file.rules() {
            let lines = of_section.entry(&rule.section).or_default();
            lines.push(&rule.template);
        }
        let all = clients.iter().flat_map(|client| templates(&client.rights));
        let mut prover = Prover::new(all);
        for client in clients {
            let who = Who {
                username: client.username.as_deref(),
                client_id: client.client_id.as_deref(),
            };
            if !prover.is_new(who, &client.rights, None) {
                continue;
            }
            let section = match &client.username {
                None => Section::Anonymous,
                Some(username) => Section::User(username.as_ref().into()),
            };
            let lines = of_section.get(&section).into_iter().flatten().copied();
            let lines: Vec<_> = lines.chain(templates(&client.rights)).collect();
            let said = |asker: Asker<'_>, question: &Question<'_>| {
                as_expressed(&file, &client.rights, asker, question)
            };
            prover.ask(who, &lines, said, &client.rights);
        }
        self.summary.differing = prover.proof.disagreeing;
        let lines = prover.differing().into_iter().map(|told| told.line());
        // Of one topic several messages and client ids were asked about.
        let mut seen = HashSet::new();
        let lines = lines.filter(|line| seen.insert(line.clone()));
        self.told.extend(lines.take(MOST_TOLD));
        if !prover.proof.complete {
            let why = "there are more questions than were asked of the file";
            self.told.push(why.to_owned());
        }
        Ok(())
    }
}

fn sentence(unsaid: &Unsaid) -> String {
    let (role, topic) = (Plain(&unsaid.role), Plain(&unsaid.topic));
    format!("role {role}: {} {topic}: {}", unsaid.acl_type, unsaid.why)
}

impl Answer for Summary {
    fn write(&self, out: &mut dyn Write) -> io::Result<()> {
        let Self {
            clients,
            lines,
            differing,
            not_exact,
        } = self;
        writeln!(
            out,
            "{lines} lines for {clients} clients exported, {not_exact} things told, {differing} \
             answers differ"
        )
    }
}

/// So many answers that differ are told one by one.
const MOST_TOLD: usize = 20;

/// What stands above the lines.
const HEAD: &str = "\
# Written by `doorman export --format acl-file`. An acl_file grants every subscription, and each message is
# judged. Whoever is not named here may do nothing.
";
