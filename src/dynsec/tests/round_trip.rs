//! Random documents to a file and back, and random texts.
#![forbid(unsafe_code)]

use std::collections::HashSet;

use proptest::array::uniform4;
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;

use super::*;

fn permission() -> impl Strategy<Value = Permission> {
    select(&[Permission::Allow, Permission::Deny][..])
}

fn texts() -> impl Strategy<Value = Texts> {
    let text = || option::of("\\PC{0,5}".prop_map(String::into_boxed_str));
    (text(), text()).prop_map(|(name, description)| Texts { name, description })
}

fn rule() -> impl Strategy<Value = Rule> {
    let acl_type = select(&AclType::ALL[..]);
    let parts = (acl_type, permission(), "[ab+]/[%uc]{1,2}", -9_i64..9);
    parts.prop_map(|(acl_type, permission, topic, priority)| {
        let rule = Rule::new(acl_type, permission, &topic).unwrap();
        rule.with_priority(Priority::clamped(priority))
    })
}

fn role() -> impl Strategy<Value = Role> {
    let wildcards = [WildcardSubscriptions::Allow, WildcardSubscriptions::Deny];
    (texts(), vec(rule(), 0..4), select(wildcards.to_vec())).prop_map(
        |(texts, mut rules, wildcard_subscriptions)| {
            let mut keys = HashSet::new();
            rules
                .retain(|rule| keys.insert((rule.acl_type(), rule.template().as_str().to_owned())));
            Role {
                name: "".into(),
                texts,
                rules,
                wildcard_subscriptions,
            }
        },
    )
}

/// With the role `0`.
fn account() -> impl Strategy<Value = Account> {
    let credentials = &[
        "$7$101$c2Fs$aGFz",
        "$7$0101$c2Fs$aGFz",
        "$7$x",
        "$argon2id$x",
        "",
        "$7$5$a$b$c",
    ][..];
    let credential = option::of(select(credentials).prop_map(StoredCredential::marked));
    let client_id = option::of(Just("c".into()));
    (texts(), any::<bool>(), client_id, credential, -9_i64..9).prop_map(
        |(texts, disabled, client_id, credential, priority)| Account {
            name: AccountName::new("x").unwrap(),
            texts,
            disabled,
            client_id,
            credential,
            roles: vec![holding(priority)],
        },
    )
}

fn holding(priority: i64) -> Holding {
    Holding {
        role: "0".into(),
        priority: Priority::clamped(priority),
    }
}

/// With the account `a "0`.
fn group() -> impl Strategy<Value = Group> {
    (texts(), -9_i64..9).prop_map(|(texts, priority)| Group {
        name: "g".into(),
        texts,
        roles: vec![holding(priority)],
        members: vec![Member {
            account: AccountName::new("a \"0").unwrap(),
            priority: Priority::clamped(priority),
        }],
    })
}

fn document() -> impl Strategy<Value = Document> {
    let permissions = uniform4(permission());
    let defaults = permissions.prop_map(|[send, receive, subscribe, unsubscribe]| Defaults {
        send,
        receive,
        subscribe,
        unsubscribe,
    });
    let names = (vec(role(), 1..4), vec(account(), 1..4), vec(group(), 0..2));
    (names, defaults, option::of(0_u64..99)).prop_map(
        |((mut roles, mut accounts, groups), defaults, change_index)| {
            for (number, role) in roles.iter_mut().enumerate() {
                role.name = number.to_string().into();
            }
            for (number, account) in accounts.iter_mut().enumerate() {
                account.name = AccountName::new(&format!("a \"{number}")).unwrap();
            }
            Document {
                anonymous_group: groups.first().map(|group| Arc::clone(&group.name)),
                defaults,
                accounts,
                groups,
                roles,
                change_index,
            }
        },
    )
}

proptest! {
    #[test]
    fn nothing_is_lost_on_the_way_to_a_file_and_back(document in document()) {
        let (again, remarks) = Document::parse(&document.to_json()).unwrap();
        prop_assert_eq!(again, document);
        prop_assert_eq!(remarks, []);
    }

    #[test]
    fn no_text_ends_otherwise_than_with_a_document_or_an_error(text in "\\PC{0,60}") {
        drop(Document::parse(&text));
    }
}
