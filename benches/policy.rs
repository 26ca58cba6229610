//! What one decision costs, by the number of rules, by where the answer lies and by the number of
//! roles; and what a rule and a client cost in memory. Fails when a check takes more than 250 ns, or
//! more than twice as long, or twice as many instructions, with 100 000 rules as with ten.
//!
//! Must not: be compared between runs or machines. The sizes take turns, so that what else the
//! machine does meets all alike, and a turn's figure is the median of a hundred batches: a batch in which
//! another process had the processor is not seen in it. "Hot" asks one question again and again; "cold" asks for another
//! device each time, in random order, and finds little in the processor's cache; it has no bar.
#![forbid(unsafe_code)]
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::string_slice,
    clippy::arithmetic_side_effects,
    clippy::cast_possible_truncation,
    clippy::disallowed_methods,
    clippy::print_stdout,
    missing_docs,
    unreachable_pub,
    reason = "as in tests/main.rs"
)]

#[path = "policy/inherited.rs"]
mod inherited;
#[path = "policy/instructions.rs"]
mod instructions;
mod measure;

use std::fs;
use std::hint::black_box;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Instant;

use jiff::Timestamp;
use mosquitto_doorman::policy::acl_file::{AclFile, Subscriptions};
use mosquitto_doorman::policy::{
    AclType, Asker, Assignment, Compiler, Conditions, Defaults, Filter, Holder, Message,
    Permission, Priority, Qos, Question, Rights, Role, RoleDefinition, Rule, Topic,
    WildcardSubscriptions, Window,
};

use self::measure::{Chance, Spread, device};

const SIZES: [usize; 3] = [10, 1_000, 100_000];
const ROLES: [usize; 3] = [1, 8, 100];
const TURNS: usize = 31;
const CHECKS: usize = 20_000;
const BATCH: usize = 200;
/// Nanoseconds a check may take.
const MOST: f64 = 250.0;
/// How much longer it may take with the most rules than with the fewest.
const MOST_RATIO: f64 = 2.0;

const ASKER: Asker<'_> = Asker {
    client_id: Some("client-1"),
    username: Some("device-0000003"),
};

/// The rules of a device, one kind in each row of the table.
#[derive(Clone, Copy)]
struct Shape {
    name: &'static str,
    filter: fn(usize) -> String,
    /// A topic that only this rule covers.
    topic: fn(usize) -> String,
}

const SHAPES: [Shape; 4] = [
    Shape {
        name: "literal",
        filter: |number| format!("site/{}/state", device(number)),
        topic: |number| format!("site/{}/state", device(number)),
    },
    Shape {
        name: "+",
        filter: |number| format!("site/+/{}/state", device(number)),
        topic: |number| format!("site/7/{}/state", device(number)),
    },
    Shape {
        name: "#",
        filter: |number| format!("site/{}/#", device(number)),
        topic: |number| format!("site/{}/state/of/it", device(number)),
    },
    Shape {
        name: "%u",
        filter: |number| format!("{}/%u/+", device(number)),
        topic: |number| format!("{}/device-0000003/state", device(number)),
    },
];

/// One row: the same questions to rights of each size.
struct Row {
    name: String,
    /// For each size, what is asked and what was measured.
    sizes: Vec<(Arc<Rights>, Vec<String>, Vec<f64>)>,
}

fn main() -> ExitCode {
    if let Some(done) = instructions::counted() {
        return done;
    }
    // First, while no memory that was given back can be had again.
    memory();
    let mut rows: Vec<Row> = Vec::new();
    for shape in SHAPES {
        let by_size = SIZES.map(|size| (size, rights(shape, size, 1)));
        let row = |name: &str, topics: &dyn Fn(usize) -> Vec<String>| Row {
            name: format!("{:8} {name}", shape.name),
            sizes: by_size
                .iter()
                .map(|(size, rights)| (rights.clone(), topics(*size), Vec::new()))
                .collect(),
        };
        rows.push(row("hot, first", &|_| vec![(shape.topic)(0)]));
        rows.push(row("hot, last", &|size| vec![(shape.topic)(size - 1)]));
        rows.push(row("hot, none", &|size| vec![(shape.topic)(size)]));
        rows.push(row("cold, any", &|size| {
            let mut chance = Chance::new(7);
            let any = || (shape.topic)(chance.below(size));
            std::iter::repeat_with(any).take(CHECKS).collect()
        }));
    }
    for roles in ROLES {
        let sizes = SIZES.iter().map(|size| {
            let last = vec![(SHAPES[0].topic)(size - 1)];
            (rights(SHAPES[0], *size, roles), last, Vec::new())
        });
        rows.push(Row {
            name: format!("{roles:3} roles, last"),
            sizes: sizes.collect(),
        });
    }
    for _ in 0..TURNS {
        for row in &mut rows {
            for (rights, topics, figures) in &mut row.sizes {
                figures.push(turn(rights, topics));
            }
        }
    }
    println!("one check, ns: median of {TURNS} turns of {CHECKS} checks (lowest–highest)\n");
    println!(
        "{:18} {:>7}   {:>20} {:>20} {:>20}",
        "", "ratio", "10 rules", "1 000", "100 000"
    );
    let met: Vec<bool> = rows.iter().map(print).collect();
    let files = acl_files();
    subscriptions();
    inherited::print();
    let counted = instructions::print();
    if files && counted && met.into_iter().all(|met| met) {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

/// Prints a row; whether it keeps below the bars.
fn print(row: &Row) -> bool {
    let spreads: Vec<Spread> = row
        .sizes
        .iter()
        .map(|(_, _, figures)| Spread::of(figures.iter().copied()))
        .collect();
    let (first, last) = (spreads[0].median, spreads[spreads.len() - 1].median);
    let ratio = last / first;
    // How long memory takes that is in no cache is up to the machine.
    let cold = row.name.contains("cold");
    let met = cold || (ratio <= MOST_RATIO && spreads.iter().all(|spread| spread.median <= MOST));
    print!("{:18} {ratio:7.2}   ", row.name);
    for _ in spreads.len()..SIZES.len() {
        print!("{:>20} ", "");
    }
    for spread in &spreads {
        print!("{spread:>20.0} ");
    }
    println!("{}", if met { "" } else { "MISSED" });
    met
}

fn turn(rights: &Rights, topics: &[String]) -> f64 {
    let mut topics = topics.iter().cycle();
    cost(|| {
        let topic = topics.next().unwrap();
        let question = Question::Send(Topic::new(black_box(topic)).unwrap(), message());
        let _decision = black_box(rights.check(black_box(ASKER), &question));
    })
}

/// Nanoseconds of one check.
fn cost(mut check: impl FnMut()) -> f64 {
    let mut batch = || {
        let start = Instant::now();
        for _ in 0..BATCH {
            check();
        }
        start.elapsed().as_secs_f64() * 1e9 / BATCH as f64
    };
    Spread::of((0..CHECKS / BATCH).map(|_| batch())).median
}

fn message() -> Message {
    Message {
        qos: Qos::AtMostOnce,
        retain: false,
        payload: 100,
    }
}

fn role(name: String, rules: Vec<Rule>) -> Arc<Role> {
    let definition = RoleDefinition {
        name: name.into(),
        rules,
        wildcard_subscriptions: WildcardSubscriptions::Allow,
        window: Window::default(),
        admin_prefix: None,
    };
    Arc::new(Role::compile(definition).unwrap())
}

/// So many rules in so many roles; where there are more roles than rules, some have none.
fn rights(shape: Shape, rules: usize, roles: usize) -> Arc<Rights> {
    let conditions = Conditions {
        max_qos: Some(Qos::AtLeastOnce),
        ..Conditions::default()
    };
    let rule = |number| {
        let rule = Rule::new(
            AclType::PublishClientSend,
            Permission::Allow,
            &(shape.filter)(number),
        );
        rule.unwrap().with_conditions(conditions).unwrap()
    };
    let begin = |at: usize| at * rules / roles;
    let roles = (0..roles).map(|at| {
        let rules = (begin(at)..begin(at + 1)).map(rule).collect();
        Assignment {
            role: role(format!("role-{at:04}"), rules),
            priority: Priority::MEMBER,
        }
    });
    let holder = Holder {
        roles: roles.collect(),
        groups: Vec::new(),
    };
    Compiler::thorough().rights(&holder, Defaults::DENY, Timestamp::UNIX_EPOCH)
}

/// The same bars for files: a user's topics, and one pattern behind them.
fn acl_files() -> bool {
    let file = |shape: Shape, size: usize| {
        let mut text = String::from("pattern read p/%u/#\nuser device-0000003\n");
        for number in 0..size {
            text.push_str(&format!("topic read {}\n", (shape.filter)(number)));
        }
        AclFile::parse(&text, Subscriptions::Enforce).unwrap()
    };
    let mut met = true;
    // Names stand in patterns only.
    for shape in &SHAPES[..3] {
        let files = SIZES.map(|size| (size, file(*shape, size)));
        for (name, topic) in [
            ("first", &(|_| (shape.topic)(0)) as &dyn Fn(usize) -> String),
            ("last", &|size| (shape.topic)(size - 1)),
            ("pattern", &|_| "p/device-0000003/state".to_owned()),
            ("none", &|size| (shape.topic)(size)),
        ] {
            met &= file_row(&format!("acl_file {} {name}", shape.name), &files, topic);
        }
    }
    met
}

/// Prints a row of files; whether it keeps below the bars.
fn file_row(
    name: &str,
    files: &[(usize, AclFile); SIZES.len()],
    topic: &dyn Fn(usize) -> String,
) -> bool {
    let mut figures = SIZES.map(|_| Vec::new());
    let topics = SIZES.map(topic);
    for _ in 0..TURNS {
        for (((_, file), topic), figures) in files.iter().zip(&topics).zip(&mut figures) {
            figures.push(cost(|| {
                let topic = Topic::new(black_box(topic)).unwrap();
                let question = Question::Receive(topic, message());
                let _decision = black_box(file.check(black_box(ASKER), &question));
            }));
        }
    }
    let [few, some, many] = figures.map(Spread::of);
    let ratio = many.median / few.median;
    let here = many.median <= MOST && ratio <= MOST_RATIO;
    let missed = if here { "" } else { "MISSED" };
    println!("{name:24} {ratio:7.2}   {few:>20.0} {some:>20.0} {many:>20.0} {missed}");
    here
}

/// What a subscription costs; it comes once, so no bar.
fn subscriptions() {
    let pattern = |number| {
        let filter = format!("site/{}/#", device(number));
        Rule::new(AclType::SubscribePattern, Permission::Allow, &filter).unwrap()
    };
    let holder = Holder {
        roles: vec![Assignment {
            role: role("r".to_owned(), (0..100_000).map(pattern).collect()),
            priority: Priority::MEMBER,
        }],
        groups: Vec::new(),
    };
    let rights = Compiler::thorough().rights(&holder, Defaults::DENY, Timestamp::UNIX_EPOCH);
    for text in [
        "site/device-0000007/+/x/#",
        "$share/g/site/device-0000007/#",
    ] {
        let figures = (0..TURNS).map(|_| {
            cost(|| {
                let filter = Filter::new(black_box(text)).unwrap();
                let question = Question::Subscribe(filter, Qos::AtMostOnce);
                let _decision = black_box(rights.check(black_box(ASKER), &question));
            })
        });
        println!("{text:68} {:>20.0}", Spread::of(figures));
    }
}

/// Resident bytes for each rule, and for each client that holds something of its own.
fn memory() {
    let before = resident();
    let start = Instant::now();
    let many = rights(SHAPES[2], 100_000, 1);
    let compiled = start.elapsed();
    let per_rule = (resident() - before) / 100_000.0;
    println!("100 000 rules: {per_rule:.0} bytes each, compiled in {compiled:.0?}");
    let roles: Vec<Arc<Role>> = (0..1_000)
        .map(|number| {
            let filter = (SHAPES[2].filter)(number);
            let rule = Rule::new(AclType::PublishClientSend, Permission::Allow, &filter);
            role(format!("role-{number}"), vec![rule.unwrap()])
        })
        .collect();
    let mut compiler = Compiler::thorough();
    for (what, kinds) in [
        ("all hold the same", 1),
        ("each pair of roles is rare", 999_983),
    ] {
        let before = resident();
        let start = Instant::now();
        let clients: Vec<Arc<Rights>> = (0..100_000_usize)
            .map(|client| {
                let kind = client % kinds;
                let pair = [kind % 1_000, (kind / 1_000 * 7 + kind + 1) % 1_000];
                let roles = pair.map(|number| Assignment {
                    role: roles[number].clone(),
                    priority: Priority::MEMBER,
                });
                let holder = Holder {
                    roles: roles.into(),
                    groups: Vec::new(),
                };
                compiler.rights(&holder, Defaults::DENY, Timestamp::UNIX_EPOCH)
            })
            .collect();
        let took = start.elapsed();
        let per_client = (resident() - before) / 100_000.0;
        println!("100 000 clients, {what}: {per_client:.0} bytes each, made in {took:.0?}");
        drop(clients);
    }
    drop(many);
    println!();
}

/// Bytes of memory this process has, in pages.
fn resident() -> f64 {
    let statm = fs::read_to_string("/proc/self/statm").unwrap();
    let pages: f64 = statm.split(' ').nth(1).unwrap().parse().unwrap();
    pages * 4096.0
}
