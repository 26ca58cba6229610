//! Whether some question may be about two rules.
//!
//! Must not: say no where there is one. Names may be any word, and where it is not clear what a shared
//! subscription is about the answer is yes.
#![forbid(unsafe_code)]

use super::super::rule::Rule;
use super::super::template::{Level, Share, Template};
use super::super::topic;

/// Whether some question may be about both rules.
pub(in super::super) fn meet(a: &Rule, b: &Rule) -> bool {
    let (ours, theirs) = (a.template(), b.template());
    let shared = |template: &Template| template.share() != Share::Plain;
    match (a.acl_type().is_literal(), b.acl_type().is_literal()) {
        (true, true) => {
            let (a, b) = (ours.as_str(), theirs.as_str());
            // $share/x/$share/g/a is literally two of them.
            a == b || ((shared(ours) || shared(theirs)) && (a.ends_with(b) || b.ends_with(a)))
        }
        (true, false) if shared(ours) => true,
        (false, true) if shared(theirs) => true,
        (true | false, true | false) => templates_meet(ours, theirs),
    }
}

/// Whether subscriptions to it, or it as a filter, can have wildcards.
pub(in super::super) fn has_wildcards(template: &Template) -> bool {
    template.as_str().contains(['+', '#'])
}

fn templates_meet(ours: &Template, theirs: &Template) -> bool {
    let groups = match (ours.share(), theirs.share()) {
        (Share::Every, _) | (_, Share::Every) => return true,
        (Share::Group(a), Share::Group(b)) => levels_meet(a, b, false),
        (Share::Plain, _) | (_, Share::Plain) => true,
    };
    let (mut ours, mut theirs) = (ours.levels(), theirs.levels());
    let mut first = true;
    groups
        && loop {
            let hidden = |level| first && is_hidden(level);
            match (ours.next(), theirs.next()) {
                (None, None) => break true,
                // The level above a # counts too.
                (Some(Level::Hash), None) | (None, Some(Level::Hash)) => break true,
                (None, Some(_)) | (Some(_), None) => break false,
                (Some(Level::Hash), Some(level)) | (Some(level), Some(Level::Hash)) => {
                    break !hidden(level);
                }
                (Some(a), Some(b)) if !levels_meet(a, b, first) => break false,
                (Some(_), Some(_)) => first = false,
            }
        }
}

fn levels_meet(a: Level<'_>, b: Level<'_>, first: bool) -> bool {
    match (a, b) {
        (Level::Text(a), Level::Text(b)) => a == b,
        // No wildcard and no name matches a first level that begins with $.
        _ => !first || !(is_hidden(a) || is_hidden(b)),
    }
}

/// Whether a first level like this one is one that no wildcard matches.
pub(in super::super) fn is_hidden(level: Level<'_>) -> bool {
    matches!(level, Level::Text(text) if topic::is_hidden(text))
}
