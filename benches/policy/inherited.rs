//! What a message costs that goes to a session of which nobody has looked at the subscriptions, beside one to a
//! session that was looked at.

use std::hint::black_box;
use std::sync::Arc;

use jiff::Timestamp;
use mosquitto_doorman::policy::{
    AclType, Assignment, Compiler, Defaults, Filter, Holder, Permission, Priority, Qos, Question,
    Rights, Rule, Topic, can_be_kept,
};

use crate::measure::{Spread, device};
use crate::{ASKER, SIZES, TURNS, cost, message, role};

/// By what a subscription that brings the message may be allowed.
struct Way {
    name: &'static str,
    acl_type: AclType,
    filter: fn(usize) -> String,
    /// With so many rules; those that name one filter with `+` are looked at one by one, so of those few.
    sizes: &'static [usize],
}

const WAYS: [Way; 4] = [
    Way {
        name: "by the topic itself",
        acl_type: AclType::SubscribePattern,
        filter: |number| format!("site/{}/#", device(number)),
        sizes: &SIZES,
    },
    Way {
        name: "by a filter that ends in #",
        acl_type: AclType::SubscribeLiteral,
        filter: |number| format!("site/{}/#", device(number)),
        sizes: &SIZES,
    },
    Way {
        name: "by a rule that names a +",
        acl_type: AclType::SubscribeLiteral,
        filter: |number| format!("site/{}/+/it", device(number)),
        sizes: &[SIZES[0]],
    },
    Way {
        name: "by nothing: denied",
        acl_type: AclType::UnsubscribePattern,
        filter: |number| format!("site/{}/#", device(number)),
        sizes: &SIZES,
    },
];

pub fn print() {
    println!("\na message to a session that nobody looked at, ns (and to one that was), ratio");
    for way in &WAYS {
        print!("{:28}", way.name);
        for size in way.sizes {
            let rights = rights(way, *size);
            let topic = format!("site/{}/x/it", device(size - 1));
            let (mut normal, mut inherited) = (Vec::new(), Vec::new());
            for _ in 0..TURNS {
                normal.push(cost(|| {
                    black_box(is_read(&rights, &topic));
                }));
                inherited.push(cost(|| {
                    black_box(is_read(&rights, &topic) && is_kept(&rights, &topic));
                }));
            }
            let is_allowed = way.acl_type != AclType::UnsubscribePattern;
            assert_eq!(is_kept(&rights, &topic), is_allowed, "{}", way.name);
            let [normal, inherited] = [normal, inherited].map(Spread::of);
            let ratio = inherited.median / normal.median;
            print!("{inherited:>22.0} ({:.0}) {ratio:5.1}", normal.median);
        }
        println!();
    }
}

fn is_read(rights: &Rights, topic: &str) -> bool {
    let question = Question::Receive(Topic::new(black_box(topic)).unwrap(), message());
    rights.check(black_box(ASKER), &question).permission == Permission::Allow
}

fn is_kept(rights: &Rights, topic: &str) -> bool {
    let allows = |filter: Filter<'_>| {
        let question = Question::Subscribe(filter, Qos::AtMostOnce);
        rights.check(ASKER, &question).permission == Permission::Allow
    };
    can_be_kept(&[rights], ASKER, Topic::new(topic).unwrap(), allows)
}

/// So many devices, of which all may be read, each with a rule of the way.
fn rights(way: &Way, size: usize) -> Arc<Rights> {
    let rule = |acl_type, filter: &str| Rule::new(acl_type, Permission::Allow, filter).unwrap();
    let rules = (0..size).flat_map(|number| {
        let read = format!("site/{}/#", device(number));
        [
            rule(AclType::PublishClientReceive, &read),
            rule(way.acl_type, &(way.filter)(number)),
        ]
    });
    let holder = Holder {
        roles: vec![Assignment {
            role: role("r".to_owned(), rules.collect()),
            priority: Priority::MEMBER,
        }],
        groups: Vec::new(),
    };
    Compiler::thorough().rights(&holder, Defaults::DENY, Timestamp::UNIX_EPOCH)
}
