//! What decided, and what it beat: every answer there would have been, in order.
//!
//! Must not: be asked for each message. It goes through all rules one by one, by the plain relation
//! of a template and a question, and so says the same as the index by another way.
#![forbid(unsafe_code)]

use super::grant::Grant;
use super::question::{Asker, Question};
use super::rights::{Decision, Rights};
use super::rule::Rule;

/// A decision with all that had a say in it.
#[derive(Clone, Debug)]
pub struct Explanation<'a> {
    /// The decision.
    pub decision: Decision,
    /// In the order they are asked. The first that [`is_answer`](Candidate::is_answer) decided.
    pub candidates: Vec<Candidate<'a>>,
}

/// A role's say in a decision.
#[derive(Clone, Copy, Debug)]
pub struct Candidate<'a> {
    /// The role and how the client came by it.
    pub grant: &'a Grant,
    /// What it says.
    pub say: Say<'a>,
}

/// What a role says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Say<'a> {
    /// This rule's permission.
    Rule(&'a Rule),
    /// Nothing: this rule is about it, but its conditions do not hold.
    PassedOver(&'a Rule),
    /// No: it has no wildcard subscriptions.
    WildcardSubscription,
}

impl Candidate<'_> {
    /// Whether it would decide if nothing came before it.
    #[must_use]
    pub fn is_answer(&self) -> bool {
        match self.say {
            Say::Rule(_) | Say::WildcardSubscription => true,
            Say::PassedOver(_) => false,
        }
    }
}

impl Rights {
    /// The decision and everything that had a say in it.
    #[must_use]
    pub fn explain(&self, asker: Asker<'_>, question: &Question<'_>) -> Explanation<'_> {
        let mut candidates = Vec::new();
        for grant in self.grants() {
            if grant.role.refuses_wildcards_of(question) {
                let say = Say::WildcardSubscription;
                candidates.push(Candidate { grant, say });
            }
            let rules = grant.role.rules().iter();
            for rule in rules.filter(|rule| rule.concerns(asker, question)) {
                let say = match rule.conditions().hold(question.message()) {
                    true => Say::Rule(rule),
                    false => Say::PassedOver(rule),
                };
                candidates.push(Candidate { grant, say });
            }
        }
        Explanation {
            decision: self.check(asker, question),
            candidates,
        }
    }
}
