//! The rules of an ACL file.
//!
//! Must not: compare the sections: a user's topics come before the patterns, for that user only.
#![forbid(unsafe_code)]

use super::super::acl_file::{Access, AclFile, FileRule, Section};
use super::names::Names;
use super::{Finding, Oddity, has_literal_names, is_brokers_own, is_shared_topic, openness};
use crate::policy::template::Level;

/// What is odd about the rules of an ACL file, by their places in [`AclFile::rules`].
#[must_use]
pub fn file(file: &AclFile) -> Vec<Finding> {
    let rules = file.rules();
    let allowing = rules.iter().enumerate().filter(|(_, rule)| allows(rule));
    let names = Names::of(allowing.map(|(at, rule)| (at, rule.access, &rule.template)));
    let first_anonymous = rules
        .iter()
        .enumerate()
        .filter(|(_, rule)| rule.section == Section::Anonymous)
        .min_by_key(|(_, rule)| rule.line);
    let first_anonymous = first_anonymous.map(|(at, _)| at);
    let mut found = Vec::new();
    for (at, rule) in rules.iter().enumerate() {
        let mut note = |oddity| found.push(Finding { rule: at, oddity });
        if first_anonymous == Some(at) {
            note(Oddity::AnonymousOnly);
        }
        if is_shared_topic(&rule.template) {
            note(Oddity::SharedTopic);
            continue;
        }
        if rule.access == Access::Write && is_brokers_own(&rule.template) {
            note(Oddity::BrokersOwnTopic);
            continue;
        }
        if let Some(other) = file.covering(at) {
            let before = rules.get(other);
            note(
                match before.is_some_and(|before| allows(before) == allows(rule)) {
                    true => Oddity::Repeated(other),
                    false => Oddity::Overruled(other),
                },
            );
            continue;
        }
        if has_literal_names(&rule.template) {
            note(Oddity::LiteralName);
        }
        let mut levels = rule.template.levels();
        if levels.any(|level| matches!(level, Level::Mixed(_))) {
            note(Oddity::NameInsideLevel);
        }
        if !allows(rule) {
            continue;
        }
        openness(&rule.template, rule.access != Access::Read).for_each(&mut note);
        if let Some(other) = names.beside(rule.access, &rule.template)
            && rule.section == Section::Pattern
        {
            note(Oddity::AnyName(other));
        }
    }
    found
}

fn allows(rule: &FileRule) -> bool {
    rule.access != Access::Deny
}
