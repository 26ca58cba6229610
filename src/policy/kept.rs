//! Whether a subscription of which nothing is known but that it brings a topic can be one that is allowed.
//!
//! Must not: be asked for each message. It is for sessions that were kept while nobody looked, until the broker
//! has looked at their subscriptions; where it cannot tell it says no.
#![forbid(unsafe_code)]

use super::question::Asker;
use super::rights::Rights;
use super::rule::{AclType, Permission, Rule};
use super::template;
use super::topic::{Filter, Topic, is_hidden};

/// Whether some filter that brings this topic is allowed: the topic itself, one that ends in `#`, or one that a
/// rule of these rights names.
pub fn can_be_kept(
    rights: &[&Rights],
    asker: Asker<'_>,
    topic: Topic<'_>,
    allows: impl Fn(Filter<'_>) -> bool,
) -> bool {
    let topic = topic.as_str();
    let allows = |text: &str| Filter::new(text).is_ok_and(&allows);
    let ends = topic.match_indices('/').map(|(at, _)| at);
    let above = ends.chain([topic.len()]);
    let mut wide = above.filter_map(|end| Some(format!("{}/#", topic.get(..end)?)));
    allows(topic)
        || wide.any(|filter| allows(&filter))
        || (!is_hidden(topic) && allows("#"))
        || rights
            .iter()
            .flat_map(|rights| rights.particular())
            .any(|rule| brings(rule, topic, asker, allows))
}

/// Whether a rule names one filter, or those of one group, that nothing else may allow.
pub(super) fn is_particular(rule: &Rule) -> bool {
    let template = rule.template();
    let names_one = match rule.acl_type() {
        AclType::SubscribeLiteral => template
            .plain()
            .is_some_and(|plain| plain.contains(['+', '#'])),
        AclType::SubscribePattern => false,
        AclType::PublishClientSend
        | AclType::PublishClientReceive
        | AclType::UnsubscribeLiteral
        | AclType::UnsubscribePattern => return false,
    };
    rule.permission() == Permission::Allow && (names_one || template.group().is_some())
}

fn brings(rule: &Rule, topic: &str, asker: Asker<'_>, allows: impl Fn(&str) -> bool) -> bool {
    let template = rule.template();
    template.covers(topic, asker)
        && match rule.acl_type().is_literal() {
            true => allows(template.as_str()),
            false => template::filled(template.as_str(), asker).is_some_and(|text| allows(&text)),
        }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::{Defaults, Qos, Question};

    const ANN: Asker<'static> = Asker {
        client_id: Some("c"),
        username: Some("ann"),
    };

    fn can_keep(rules: &[(AclType, Permission, &str)], topic: &str) -> bool {
        let rule = |(acl_type, permission, filter): &(AclType, Permission, &str)| {
            Rule::new(*acl_type, *permission, filter).unwrap()
        };
        let rights = Rights::of_one_role(rules.iter().map(rule), Defaults::DENY);
        let allows = |filter: Filter<'_>| {
            let question = Question::Subscribe(filter, Qos::AtMostOnce);
            rights.check(ANN, &question).permission == Permission::Allow
        };
        can_be_kept(&[&rights], ANN, Topic::new(topic).unwrap(), allows)
    }

    #[test]
    fn what_no_allowed_filter_brings_is_not_kept() {
        use AclType::{
            PublishClientReceive, SubscribeLiteral, SubscribePattern, UnsubscribePattern,
        };
        use Permission::{Allow, Deny};
        let allowed: [&[_]; 7] = [
            &[(SubscribePattern, Allow, "a/#")],
            &[(SubscribePattern, Allow, "a/+/c")],
            &[
                (SubscribePattern, Allow, "%u/b/c"),
                (SubscribeLiteral, Allow, "a/b/c"),
            ],
            &[(SubscribeLiteral, Allow, "a/+/c")],
            &[(SubscribePattern, Allow, "$share/group/a/b/+")],
            &[(SubscribeLiteral, Allow, "$share/group/a/b/c")],
            // What is broader than what is denied was granted.
            &[
                (SubscribePattern, Allow, "a/#"),
                (SubscribeLiteral, Deny, "a/b/c"),
            ],
        ];
        for rules in allowed {
            assert!(can_keep(rules, "a/b/c"), "{rules:?}");
            assert!(!can_keep(rules, "b/b/c"), "{rules:?}");
        }
        let denied: [&[_]; 5] = [
            &[],
            &[
                (PublishClientReceive, Allow, "#"),
                (UnsubscribePattern, Allow, "#"),
            ],
            &[(SubscribePattern, Deny, "a/#")],
            &[(SubscribeLiteral, Allow, "a/+")],
            &[(SubscribePattern, Allow, "%u/#")],
        ];
        for rules in denied {
            assert!(!can_keep(rules, "a/b/c"), "{rules:?}");
        }
    }

    #[test]
    fn what_is_for_one_name_is_kept_by_it_and_wildcards_keep_nothing_hidden() {
        use AclType::{SubscribeLiteral, SubscribePattern};
        for acl_type in [SubscribeLiteral, SubscribePattern] {
            let all = [(acl_type, Permission::Allow, "#")];
            assert!(can_keep(&all, "a/b"));
            assert!(!can_keep(&all, "$SYS/b"));
        }
        let own = [(SubscribePattern, Permission::Allow, "%u/#")];
        assert!(can_keep(&own, "ann/b") && !can_keep(&own, "bob/b"));
    }
}
