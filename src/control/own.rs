//! `changeOwnPassword`: whoever logged in with a password gives itself another one.
//!
//! Must not: answer anybody but the client that asks, take a right to administer for granted or give one,
//! or hold orders up: of those that wait, one is carried out between orders.
#![forbid(unsafe_code)]

use super::OWN_RESPONSE_TOPIC;
use super::answer::{Answer, Refusal, message};
use super::clerk::Clerk;
use super::hashing::hashed;
use super::letter::{Content, Letter, Order, Sender};
use super::verbs::Kind;
use crate::admin::{Actor, Batch, Command, Rotation};
use crate::engine::{Concerned, End, Proven};
use crate::model::{AccountName, StoredCredential};
use crate::show::Shown;
use crate::store::Store as _;

/// The order there is on this topic.
const COMMAND: &str = "changeOwnPassword";

impl Clerk {
    /// Carries out what a client orders for itself: the first order of the letter.
    pub(super) fn own(&self, letter: &Letter) {
        let held = self.engine.hold_ends();
        let content = Content::read(&letter.payload);
        let mut orders = content.orders.into_iter();
        let mut answers = Vec::new();
        if let Some(mut order) = orders.next() {
            let done = self.own_order(&mut order, &letter.sender, letter);
            log_own(&letter.sender, &order, done.as_ref().err());
            answers.push(order.answer(done.map(|()| None)));
        }
        let more = "One command in each message";
        answers.extend(orders.map(|order| order.answer(Err(Refusal::new(more)))));
        answers.extend(content.broken);
        self.tell_own(&letter.sender, answers);
        drop(held);
        self.call();
    }

    /// For a letter that nobody can say more about.
    pub(super) fn apologise_for_own(&self, sender: &Sender) {
        self.tell_own(sender, vec![Answer::unnamed("Internal error")]);
        self.call();
    }

    fn tell_own(&self, sender: &Sender, answers: Vec<Answer>) {
        self.engine.ordered(answers.len());
        if let Some(to) = sender.addressee() {
            (self.engine).publish(Some(to), OWN_RESPONSE_TOPIC, message(answers));
        }
    }

    fn own_order(
        &self,
        order: &mut Order,
        sender: &Sender,
        letter: &Letter,
    ) -> Result<(), Refusal> {
        if !order.name.eq_ignore_ascii_case(COMMAND) {
            return Err(Refusal::new("Unknown command"));
        }
        COMMAND.clone_into(&mut order.name);
        let access = sender.access(super::OWN_TOPIC, letter.payload.len());
        let control = self.place.control;
        if self.engine.warrant(&access, control).is_none() {
            return Err(Refusal::new("The right to change the password was lost"));
        }
        let old = order.text("oldpassword", "Invalid/missing oldpassword")?;
        let new = order.text("password", "Invalid/missing password")?;
        if new.is_empty() {
            return Err(Refusal::new("Empty password is not allowed"));
        }
        if new.contains('\0') {
            // No client could log in with it.
            return Err(Refusal::new("Invalid/missing password"));
        }
        let name = (self.engine).entered_by_password(sender.connection, sender.username.as_deref());
        let name = name.ok_or_else(|| Refusal::new("Log in with a password to change it"))?;
        let before = self.proven(&name, sender, old)?;
        let recipe = &self.place.recipe;
        let credential = hashed(order, Kind::SetsPassword, recipe)?.own;
        let credential = credential.ok_or_else(|| Refusal::new("Internal error"))?;
        self.replace(&name, sender.actor(letter.at), &before, credential)
    }

    /// The account's credentials, of which the password is one.
    fn proven(
        &self,
        name: &AccountName,
        sender: &Sender,
        password: &str,
    ) -> Result<[Option<StoredCredential>; 2], Refusal> {
        self.see_what_replaced_the_file();
        let account = (self.place.pen).write(|database| database.account(name))?;
        let account = account.ok_or_else(|| Refusal::new("Client not found"))?;
        let ip = sender.address.as_deref().and_then(|text| text.parse().ok());
        match self.engine.prove(&account, sender.connection, ip, password) {
            Proven::Right => Ok([account.credential, account.second_credential]),
            Proven::Wrong => Err(Refusal::new("Wrong password")),
            Proven::Throttled => Err(Refusal::new("Too many attempts, try again later")),
            Proven::Elsewhere => Err(Refusal::new("Client not found")),
            Proven::Refused(reason) => Err(Refusal::new(&format!(
                "The client may not be used: {}",
                reason.word()
            ))),
        }
    }

    fn replace(
        &self,
        name: &AccountName,
        actor: Actor,
        before: &[Option<StoredCredential>; 2],
        credential: StoredCredential,
    ) -> Result<(), Refusal> {
        let ends = [End::Client(name.clone())];
        let mut concerned = Concerned::default();
        self.place.pen.write(|database| {
            let mut batch = Batch::begin(database, actor)?;
            let account = batch.account(name)?;
            let account = account.ok_or_else(|| Refusal::new("Client not found"))?;
            if [&account.credential, &account.second_credential] != before.each_ref() {
                // Somebody else was faster: what was proven is not so any more.
                return Err(Refusal::new("Wrong password"));
            }
            let _changed = batch.carry_out(&Command::SetCredential {
                name: name.clone(),
                credential,
                rotation: Rotation::Replace,
            })?;
            self.engine.concern(&mut concerned, &ends);
            Ok(batch.commit()?)
        })?;
        if !self.looker.look_and_wait() {
            log::error!("a password was changed, which is not in force before the next look");
        }
        self.engine.concern(&mut concerned, &ends);
        self.engine.end(concerned);
        Ok(())
    }
}

fn log_own(sender: &Sender, order: &Order, refusal: Option<&Refusal>) {
    let (by, command) = (sender.shown(), Shown(&order.name));
    let outcome = refusal.map_or("done", Refusal::words);
    log::info!("{by} command={command}: {outcome}");
}
