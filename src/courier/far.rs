//! What an office offers, asked for over the line.
//!
//! Must not: ask for a long list at once: it comes in parts, and what changes meanwhile may be in two of
//! them or in none.
#![forbid(unsafe_code)]

use jiff::Timestamp;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::Courier;
use crate::admin::{self, Command, Import, Office, Outcome, Pile, Question, Seen};
use crate::model::{AccountName, GroupName, RoleName};
use crate::policy::{Defaults, Holdings, Ranked, StoredGroup, StoredRole};
use crate::reasons::{Request, Told};
use crate::store::psk::SeenPsk;
use crate::store::{
    Error, Holders, Link, Listed, Page, Pruned, Record, Roles, Search, Totals, Trail, Wanted,
};

impl Courier {
    /// Shows a list to its end.
    fn each<T: DeserializeOwned>(
        &mut self,
        begin: i64,
        question: impl Fn(i64) -> Question,
        visit: &mut dyn FnMut(T) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let mut unreadable = None;
        let mut at = Some(begin);
        while let Some(from) = at {
            let pile: Pile<T> = self.ask(&question(from))?;
            for item in pile.items {
                visit(item)?;
            }
            unreadable = unreadable.or(pile.unreadable);
            // A list that does not go on would never end.
            at = pile.next.filter(|next| *next > from);
        }
        unreadable.map_or(Ok(()), Err)
    }
}

impl Office for Courier {
    fn account(&mut self, name: &AccountName) -> Result<Option<Seen>, Error> {
        self.ask(&Question::Account(name.clone()))
    }

    fn accounts(&mut self, visit: &mut dyn FnMut(Seen) -> Result<(), Error>) -> Result<(), Error> {
        self.each(i64::MIN, Question::Accounts, visit)
    }

    fn roles(&mut self) -> Result<Box<dyn Roles + '_>, Error> {
        Ok(Box::new(Far(self)))
    }

    fn psks_of(&mut self, name: &AccountName) -> Result<Vec<SeenPsk>, Error> {
        self.ask(&Question::PsksOf(name.clone()))
    }

    fn psks(&mut self, visit: &mut dyn FnMut(SeenPsk) -> Result<(), Error>) -> Result<(), Error> {
        self.each(i64::MIN, Question::Psks, visit)
    }

    fn trail(&mut self) -> Result<Box<dyn Trail + '_>, Error> {
        Ok(Box::new(Far(self)))
    }

    fn apply(&mut self, commands: &[Command]) -> Result<Vec<Outcome>, admin::Error> {
        let commands = self.json(commands)?;
        self.order("applyCommands", [("changes", commands)])
    }

    fn import(
        &mut self,
        import: &Import,
    ) -> Result<Vec<Result<Outcome, admin::Error>>, admin::Error> {
        let import = self.json(import)?;
        self.order("importCommands", [("import", import)])
    }

    fn prune_record(&mut self, before: Timestamp) -> Result<Option<Pruned>, admin::Error> {
        self.order("pruneAudit", [("before", json!(before))])
    }
}

impl Courier {
    /// What a client may do there, and why; none if there is no such account.
    ///
    /// # Errors
    /// When the broker does not say.
    pub fn explain(&mut self, request: &Request) -> Result<Option<Told>, admin::Error> {
        let user = request.user.as_ref().map(AccountName::as_str);
        let token_roles = &request.token_roles;
        let token_roles = (!token_roles.is_empty()).then(|| json!(token_roles));
        let mut token_acl = serde_json::Map::new();
        for (list, topic) in request.token_acl.topics() {
            let list = token_acl.entry(list).or_insert_with(|| json!([]));
            list.as_array_mut()
                .into_iter()
                .for_each(|list| list.push(topic.into()));
        }
        let token_acl = (!token_acl.is_empty()).then_some(Value::Object(token_acl));
        let fields = [
            ("action", Some(json!(request.action))),
            ("topic", Some(json!(request.topic))),
            ("words", Some(json!(true))),
            ("username", user.map(Value::from)),
            ("clientid", request.client_id.as_deref().map(Value::from)),
            ("tokenroles", token_roles),
            ("tokenacl", token_acl),
            ("qos", request.qos.map(|qos| qos.number().into())),
            ("retain", request.retain.then_some(Value::Bool(true))),
            ("payloadsize", request.payload.map(Value::from)),
        ];
        let fields = fields.into_iter();
        let fields = fields.filter_map(|(name, value)| Some((name, value?)));
        match self.order("explain", fields) {
            Ok(told) => Ok(Some(told)),
            Err(admin::Error::Missing { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn json(&self, value: &(impl serde::Serialize + ?Sized)) -> Result<Value, Error> {
        serde_json::to_value(value).map_err(|error| Error::Invalid {
            path: self.name.clone().into(),
            why: error.to_string(),
        })
    }
}

/// Roles, groups and the record of a place far away.
struct Far<'a>(&'a mut Courier);

impl Roles for Far<'_> {
    fn role(&mut self, name: &RoleName) -> Result<Option<StoredRole>, Error> {
        self.0.ask(&Question::Role(name.clone()))
    }

    fn roles(
        &mut self,
        visit: &mut dyn FnMut(StoredRole) -> Result<(), Error>,
    ) -> Result<(), Error> {
        self.0.each(0, Question::Roles, visit)
    }

    fn group(&mut self, name: &GroupName) -> Result<Option<StoredGroup>, Error> {
        self.0.ask(&Question::Group(name.clone()))
    }

    fn groups(
        &mut self,
        visit: &mut dyn FnMut(StoredGroup) -> Result<(), Error>,
    ) -> Result<(), Error> {
        self.0.each(0, Question::Groups, visit)
    }

    fn holdings(&mut self, account: &AccountName) -> Result<Holdings, Error> {
        self.0.ask(&Question::Holdings(account.clone()))
    }

    fn holders(&mut self, role: &RoleName, wanted: Wanted) -> Result<Holders, Error> {
        self.0.ask(&Question::Holders(role.clone(), wanted))
    }

    fn groups_with(&mut self, role: &RoleName) -> Result<Vec<Ranked<GroupName>>, Error> {
        self.0.ask(&Question::GroupsWith(role.clone()))
    }

    fn members(&mut self, group: &GroupName, wanted: Wanted) -> Result<Holders, Error> {
        self.0.ask(&Question::Members(group.clone(), wanted))
    }

    fn totals(&mut self) -> Result<Totals, Error> {
        self.0.ask(&Question::Totals)
    }

    fn account_names(&mut self, page: Page) -> Result<Vec<AccountName>, Error> {
        self.0.ask(&Question::AccountNames(page))
    }

    fn listed(&mut self, page: Page) -> Result<Vec<Listed>, Error> {
        self.0.ask(&Question::Listed(page))
    }

    fn group_names(&mut self, page: Page) -> Result<Vec<GroupName>, Error> {
        self.0.ask(&Question::GroupNames(page))
    }

    fn role_names(&mut self, page: Page) -> Result<Vec<RoleName>, Error> {
        self.0.ask(&Question::RoleNames(page))
    }

    fn defaults(&mut self) -> Result<Defaults, Error> {
        self.0.ask(&Question::Defaults)
    }

    fn anonymous_group(&mut self) -> Result<Option<GroupName>, Error> {
        self.0.ask(&Question::AnonymousGroup)
    }
}

impl Trail for Far<'_> {
    fn anchor(&mut self) -> Result<Link, Error> {
        self.0.ask(&Question::Anchor)
    }

    fn records(
        &mut self,
        search: &Search,
        visit: &mut dyn FnMut(Record) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let behind = search.behind.unwrap_or(0);
        let part = |behind| {
            Question::Records(Search {
                behind: Some(behind),
                ..search.clone()
            })
        };
        self.0.each(behind, part, visit)
    }
}
