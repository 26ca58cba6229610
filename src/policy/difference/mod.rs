//! Whether somebody's rights became less: who loses something has to be looked at again, who only
//! gains need not be disturbed.
//!
//! Must not: say that all is kept when something is lost, to any client, for any question. It may say
//! that something is lost where only several rules together keep it; single rules are compared:
//! what a rule allowed, some one rule must still allow, with nothing denied before it that was not
//! denied before.
//!
//! What a reader would get wrong: the order of rules matters only between those that allow and those
//! that deny and are about the same topics. So each rule that denies is given the place that it, or
//! one that covers it, had before; an allowance is kept if none of those above it is newer.
//! That is one look into a table for each rule, and pairs are compared only where it does not decide.
#![forbid(unsafe_code)]

pub(super) mod meeting;

use hashbrown::HashMap;

use self::meeting::{has_wildcards, meet};
use super::grant::Grant;
use super::index::WildcardSubscriptions;
use super::rights::{Defaults, Rights};
use super::role::Role;
use super::rule::{AclType, Conditions, Permission, Rule};
use super::template::{Level, Share, Template};

/// What somebody lost.
#[must_use]
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Loss {
    /// Nothing: what was allowed still is.
    Nothing,
    /// What a default allowed that now denies. The rules keep what they allowed.
    Defaults,
    /// What a rule allowed, or a default that still allows all else.
    Rules,
}

impl Rights {
    /// Whether everything that was allowed before still is, to every client that has these rights.
    #[must_use]
    pub fn keeps(&self, before: &Self) -> bool {
        self.lost_since(before) == Loss::Nothing
    }

    /// What was allowed before and no longer is.
    pub fn lost_since(&self, before: &Self) -> Loss {
        let mut pairs = (self.grants().iter()).zip(before.grants());
        let same = pairs.position(|(now, before)| !are_alike(&now.role, &before.role));
        let fewer = self.grants().len().min(before.grants().len());
        let same = same.unwrap_or(fewer);
        let (now, before) = (Side::new(self, same), Side::new(before, same));
        let mut steps = Steps(
            (now.rules().saturating_add(before.rules()))
                .saturating_mul(STEPS_FOR_EACH)
                .saturating_add(STEPS),
        );
        let losses = KINDS.map(|kind| Comparison::new(kind, &now, &before).loss(&mut steps));
        losses.into_iter().max().unwrap_or(Loss::Rules)
    }
}

/// One kind of question, by the types of rules that answer it.
#[derive(Clone, Copy)]
struct Kind {
    literal: Option<AclType>,
    pattern: AclType,
    default: fn(&Defaults) -> Permission,
}

/// Rights with a place for every rule.
struct Side<'a> {
    rights: &'a Rights,
    /// The place of each role; its rules come behind it.
    starts: Vec<usize>,
    end: usize,
    /// So many roles are the same on both sides.
    same: usize,
}

/// What one kind of question is answered by, before and now.
struct Comparison<'a> {
    kind: Kind,
    now: &'a Side<'a>,
    before: &'a Side<'a>,
    /// What is denied now, in order, with the place it had before.
    denials: Vec<Denial<'a>>,
    /// Where each rule that allows stands now.
    allowances: HashMap<Key<'a>, usize>,
}

/// A rule that denies, or a role without wildcard subscriptions.
struct Denial<'a> {
    rule: Option<&'a Rule>,
    place: usize,
    /// Where that was denied before; nowhere if this is the end of all places.
    before: usize,
    /// The last such place of this one and all above.
    latest: usize,
}

/// What makes two rules for the same kind of question and with the same permission the same.
#[derive(PartialEq, Eq, Hash)]
struct Key<'a> {
    literal: bool,
    text: &'a str,
    conditions: Conditions,
}

/// How many more pairs may be compared.
struct Steps(usize);

impl<'a> Side<'a> {
    fn new(rights: &'a Rights, same: usize) -> Self {
        let mut end = 0_usize;
        let place = |grant: &Grant| {
            let start = end;
            let rules = grant.role.rules().len();
            end = end.saturating_add(rules).saturating_add(1);
            start
        };
        Self {
            starts: rights.grants().iter().map(place).collect(),
            end,
            rights,
            same,
        }
    }

    fn rules(&self) -> usize {
        self.end
    }

    /// The rules of one kind where the sides differ, with their places; none for a role without
    /// wildcard subscriptions, before its rules.
    fn items(&self, kind: Kind) -> impl Iterator<Item = (usize, Option<&'a Rule>)> {
        let grants = self.rights.grants().iter().zip(&self.starts);
        grants.skip(self.same).flat_map(move |(grant, start)| {
            let marker = kind.subscribes() && denies_wildcards(&grant.role);
            let marker = marker.then_some((*start, None));
            let rules = (start.saturating_add(1)..).zip(grant.role.rules());
            let rules = rules.filter(move |(_, rule)| kind.is_of(rule));
            marker
                .into_iter()
                .chain(rules.map(|(place, rule)| (place, Some(rule))))
        })
    }

    /// The first rule that covers all that another one is about.
    fn covering(&self, rule: &Rule) -> Option<(usize, Permission)> {
        let (grant, rule, permission) = self.rights.covering(rule)?;
        let start = self.starts.get(grant)?;
        Some((start.saturating_add(1).saturating_add(rule), permission))
    }
}

impl<'a> Comparison<'a> {
    fn new(kind: Kind, now: &'a Side<'a>, before: &'a Side<'a>) -> Self {
        let mut comparison = Self {
            kind,
            now,
            before,
            denials: Vec::new(),
            allowances: HashMap::new(),
        };
        let mut denied: HashMap<Option<Key<'_>>, usize> = HashMap::new();
        let grants = now.rights.grants().iter().take(now.same);
        let already = grants
            .map(|grant| &grant.role)
            .any(|role| denies_wildcards(role));
        if already {
            denied.insert(None, 0);
        }
        for (place, rule) in before.items(kind) {
            if rule.is_none_or(|rule| rule.permission() == Permission::Deny) {
                denied.entry(rule.map(Key::of)).or_insert(place);
            }
        }
        let mut latest = 0;
        for (place, rule) in now.items(kind) {
            if let Some(rule) = rule.filter(|rule| rule.permission() == Permission::Allow) {
                comparison.allowances.entry(Key::of(rule)).or_insert(place);
                continue;
            }
            let before = match (denied.get(&rule.map(Key::of)), rule) {
                (Some(before), _) => *before,
                (None, None) => usize::MAX,
                // It is never asked.
                (None, Some(rule)) if comparison.decides_before(now, rule, place) => continue,
                (None, Some(rule)) => match before.covering(rule) {
                    Some((before, Permission::Deny)) => before,
                    Some((_, Permission::Allow)) | None => usize::MAX,
                },
            };
            latest = latest.max(before);
            comparison.denials.push(Denial {
                rule,
                place,
                before,
                latest,
            });
        }
        comparison
    }

    fn loss(&self, steps: &mut Steps) -> Loss {
        let default = self.kind.default;
        let before = default(&self.before.rights.defaults());
        let now = default(&self.now.rights.defaults());
        let stricter = (before, now) == (Permission::Allow, Permission::Deny);
        // What the rules keep is judged as if the default were not stricter.
        let now = if stricter { before } else { now };
        let open = before == Permission::Deny || self.keeps_default();
        match open && self.keeps_rules(now, steps) {
            false => Loss::Rules,
            true if stricter => Loss::Defaults,
            true => Loss::Nothing,
        }
    }

    /// Whether nothing is denied now that a default allowed.
    fn keeps_default(&self) -> bool {
        let mut new = self
            .denials
            .iter()
            .filter(|denial| denial.before == usize::MAX);
        new.all(|denial| denial.rule.is_some_and(|rule| is_control(rule.template())))
    }

    fn keeps_rules(&self, default: Permission, steps: &mut Steps) -> bool {
        let mut items = self.before.items(self.kind);
        items.all(|(place, rule)| match rule {
            Some(rule) if rule.permission() == Permission::Allow => {
                self.keeps(rule, place, default, steps)
            }
            Some(_) | None => true,
        })
    }

    /// Whether what this rule allowed at this place is still allowed.
    fn keeps(&self, rule: &Rule, place: usize, default: Permission, steps: &mut Steps) -> bool {
        let same = self.allowances.get(&Key::of(rule)).copied();
        if same.is_some_and(|now| self.is_clear(now, place)) {
            return true;
        }
        // What another rule answered is that one's to keep.
        if self.decides_before(self.before, rule, place) {
            return true;
        }
        let now = match (self.now.covering(rule), same) {
            (Some((now, Permission::Allow)), _) => now,
            (Some((_, Permission::Deny)), _) => return false,
            (None, Some(now)) => now,
            (None, None) if default == Permission::Allow && !may_be_control(rule) => self.now.end,
            (None, None) => return false,
        };
        if self.is_clear(now, place) {
            return true;
        }
        let mut above = self.denials_above(now).iter();
        above.all(|denial| {
            (denial.before < place && steps.take(1))
                || (steps.take(STEPS_OF_A_PAIR) && !denial.meets(rule))
        })
    }

    /// Whether all that is denied above a place was denied above the other one before.
    fn is_clear(&self, now: usize, before: usize) -> bool {
        let last = self.denials_above(now).last();
        last.is_none_or(|denial| denial.latest < before)
    }

    fn denials_above(&self, place: usize) -> &[Denial<'a>] {
        let count = self.denials.partition_point(|denial| denial.place < place);
        self.denials.get(..count).unwrap_or_default()
    }

    /// Whether a rule above this one covers it, so that it never decides.
    fn decides_before(&self, side: &Side<'_>, rule: &Rule, place: usize) -> bool {
        side.covering(rule).is_some_and(|(above, _)| above < place)
    }
}

impl Denial<'_> {
    /// Whether some question may be about both.
    fn meets(&self, rule: &Rule) -> bool {
        match self.rule {
            None => has_wildcards(rule.template()),
            Some(denial) => meet(denial, rule),
        }
    }
}

impl<'a> Key<'a> {
    fn of(rule: &'a Rule) -> Self {
        Self {
            literal: rule.acl_type().is_literal(),
            text: rule.template().as_str(),
            conditions: *rule.conditions(),
        }
    }
}

impl Kind {
    fn is_of(self, rule: &Rule) -> bool {
        rule.acl_type() == self.pattern || Some(rule.acl_type()) == self.literal
    }

    fn subscribes(self) -> bool {
        self.pattern == AclType::SubscribePattern
    }
}

impl Steps {
    fn take(&mut self, count: usize) -> bool {
        match self.0.checked_sub(count) {
            None => false,
            Some(left) => {
                self.0 = left;
                true
            }
        }
    }
}

/// Whether two roles say the same.
fn are_alike(a: &Role, b: &Role) -> bool {
    std::ptr::eq(a, b)
        || (a.wildcard_subscriptions() == b.wildcard_subscriptions() && a.rules() == b.rules())
}

fn denies_wildcards(role: &Role) -> bool {
    role.wildcard_subscriptions() == WildcardSubscriptions::Deny
}

/// Whether a rule is about nothing but `$CONTROL`, which no default opens.
fn is_control(template: &Template) -> bool {
    let first = template.levels().next();
    matches!(first, Some(Level::Text(text)) if text.starts_with("$CONTROL"))
}

/// Whether it may be about that too.
pub(super) fn may_be_control(rule: &Rule) -> bool {
    rule.template().share() == Share::Every || is_control(rule.template())
}

const KINDS: [Kind; 4] = [
    Kind {
        literal: None,
        pattern: AclType::PublishClientSend,
        default: |defaults| defaults.send,
    },
    Kind {
        literal: None,
        pattern: AclType::PublishClientReceive,
        default: |defaults| defaults.receive,
    },
    Kind {
        literal: Some(AclType::SubscribeLiteral),
        pattern: AclType::SubscribePattern,
        default: |defaults| defaults.subscribe,
    },
    Kind {
        literal: Some(AclType::UnsubscribeLiteral),
        pattern: AclType::UnsubscribePattern,
        default: |defaults| defaults.unsubscribe,
    },
];

/// Steps of comparing pairs: so many whatever there is, and so many for each rule.
const STEPS: usize = 100_000;
const STEPS_FOR_EACH: usize = 32;

/// What it costs to compare two templates, in looks at a number.
const STEPS_OF_A_PAIR: usize = 16;
