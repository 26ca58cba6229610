//! Searches of small trees, and of many beside what each template covers by itself.
#![forbid(unsafe_code)]

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

use super::*;
use crate::policy::template::{About, Substitution, Template};

const ANN: Asker<'_> = Asker {
    client_id: Some("c1"),
    username: Some("ann"),
};

fn trie(filters: &[&str]) -> (Trie, NodeId) {
    let mut builder = Builder::default();
    let root = builder.root().unwrap();
    for (rank, filter) in (0..).zip(filters) {
        let template = Template::parse(filter, About::Topics, Substitution::Anywhere).unwrap();
        let entry = Entry::new(rank, 1, Permission::Allow, &Conditions::default());
        builder.add(root, template.levels(), entry).unwrap();
    }
    (builder.finish().unwrap(), root)
}

fn search(filters: &[&str], plain: &str) -> (Option<u32>, usize) {
    let (trie, root) = trie(filters);
    let mut search = Search::new(ANN, Message::EMPTY, 1, 0);
    trie.search(root, plain, &mut search);
    (search.found().map(|(rank, _)| rank), search.visited)
}

#[test]
fn the_best_rank_that_covers_the_question_is_found() {
    let filters = ["a/b/c", "a/+/#", "%u/#", "x%c", "#"];
    for (plain, found) in [
        ("a/b/c", Some(0)),
        ("a/b/d", Some(1)),
        ("a/b", Some(1)),
        ("a/+/c", Some(1)),
        ("ann", Some(2)),
        ("ann/#", Some(2)),
        ("xc1", Some(3)),
        ("a", Some(4)),
        ("$SYS/a", None),
    ] {
        assert_eq!(search(&filters, plain).0, found, "{plain}");
    }
}

#[test]
fn templates_that_are_text_are_found_beside_those_that_are_more() {
    let mut builder = Builder::default();
    let (root, other) = (builder.root().unwrap(), builder.root().unwrap());
    let filters = ["a/b", "a/+", "a/c", "a/b", "%u/b", "$x", "a", "#"];
    for (rank, filter) in (0..).zip(filters) {
        let template = Template::parse(filter, About::Topics, Substitution::WholeLevels).unwrap();
        let entry = Entry::new(rank, 1, Permission::Allow, &Conditions::default());
        builder.template(root, &template, false, entry).unwrap();
    }
    let template = Template::parse("a/d", About::Topics, Substitution::Never).unwrap();
    let entry = Entry::new(9, 1, Permission::Allow, &Conditions::default());
    builder.template(other, &template, false, entry).unwrap();
    let trie = builder.finish().unwrap();
    assert_eq!(trie.nodes.len(), 2, "all have a form");
    for (root, plain, found) in [
        (root, "a/b", Some(0)),
        (root, "a/c", Some(1)),
        (root, "a/+", Some(1)),
        (root, "ann/b", Some(4)),
        (root, "$x", Some(5)),
        (root, "$y", None),
        (root, "a", Some(6)),
        (root, "a/d", Some(1)),
        (other, "a/d", Some(9)),
        (other, "a/b", None),
    ] {
        let mut search = Search::new(ANN, Message::EMPTY, 1, 0);
        trie.search(root, plain, &mut search);
        assert_eq!(search.found().map(|(rank, _)| rank), found, "{plain}");
    }
}

/// Rules for one way or both, which often cover `a/b`.
fn ways() -> impl Strategy<Value = Vec<(&'static str, u8, Permission, Conditions)>> {
    let filter = select(
        &[
            "a/b", "a/b", "a/b", "a/+", "#", "+/b", "a/#", "a/%u", "a/x%u",
        ][..],
    );
    let permission = select(&[Permission::Allow, Permission::Allow, Permission::Deny][..]);
    let conditions = select(&[None, None, Some(1)][..]).prop_map(|max_payload| Conditions {
        max_payload,
        ..Conditions::default()
    });
    vec((filter, 1_u8..4, permission, conditions), 1..7)
}

/// Levels of rules and of questions: alike, so that they meet.
fn levels(most: usize) -> impl Strategy<Value = String> {
    let level = select(
        &[
            "a",
            "a",
            "b",
            "+",
            "%u",
            "%c",
            "x%u",
            "$x",
            "",
            "a level that is long",
            "ann",
        ][..],
    );
    (vec(level, 0..most), any::<bool>()).prop_map(|(mut levels, hash)| {
        if hash || levels.is_empty() {
            levels.push("#");
        }
        levels.join("/")
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, ..ProptestConfig::default() })]

    #[test]
    fn what_may_go_both_ways_may_go_the_other_whatever_the_message(rules in ways(), asked in 1_u8..3) {
        let other = asked ^ 3;
        let mut builder = Builder::default();
        let root = builder.root().unwrap();
        let mut first = None;
        for (rank, (filter, kinds, permission, conditions)) in (0..).zip(&rules) {
            let template = Template::parse(filter, About::Topics, Substitution::Anywhere).unwrap();
            let entry = Entry::new(rank, *kinds, *permission, conditions);
            builder.template(root, &template, false, entry).unwrap();
            if kinds & other != 0 && template.covers("a/b", ANN) {
                first.get_or_insert((*permission, conditions.max_payload));
            }
        }
        let trie = builder.finish().unwrap();
        let mut search = Search::new(ANN, Message::EMPTY, asked, 0).and_other(other);
        trie.search(root, "a/b", &mut search);
        if search.reach() == Reach::BothWays {
            prop_assert_eq!(first, Some((Permission::Allow, None)));
        }
    }

    #[test]
    fn whatever_their_form_the_first_template_that_covers_a_question_is_found(
        short in vec(levels(4), 1..60), long in vec(levels(11), 1..10), asked in vec(levels(5), 1..20),
    ) {
        let mut builder = Builder::default();
        let root = builder.root().unwrap();
        let parse = |text: &String| Template::parse(text, About::Topics, Substitution::Anywhere).ok();
        let templates: Vec<Template> = short.iter().chain(&long).filter_map(parse).collect();
        for (rank, template) in (0..).zip(&templates) {
            let entry = Entry::new(rank, 1, Permission::Allow, &Conditions::default());
            builder.template(root, template, false, entry).unwrap();
        }
        let trie = builder.finish().unwrap();
        let deep = long.iter().map(|text| text.replace(['+', '#'], "a"));
        for plain in asked.into_iter().chain(long.iter().cloned()).chain(deep) {
            let mut search = Search::new(ANN, Message::EMPTY, 1, 0);
            trie.search(root, &plain, &mut search);
            let mut covering = (0..).zip(&templates).filter(|(_, t)| t.covers(&plain, ANN));
            let first = covering.next().map(|(rank, _)| rank);
            prop_assert_eq!(search.found().map(|(rank, _)| rank), first, "{}", plain);
        }
    }
}

#[test]
fn a_literal_with_many_entries_is_asked_for_all_of_them() {
    let mut builder = Builder::default();
    let root = builder.root().unwrap();
    let template = Template::parse("a", About::Topics, Substitution::Never).unwrap();
    for rank in 0..5 {
        let entry = Entry::new(rank, 1 << rank, Permission::Allow, &Conditions::default());
        builder.template(root, &template, false, entry).unwrap();
    }
    let trie = builder.finish().unwrap();
    for rank in 0..5 {
        let mut search = Search::new(ANN, Message::EMPTY, 1 << rank, 0);
        trie.search(root, "a", &mut search);
        assert_eq!(search.found(), Some((rank, Permission::Allow)));
    }
}

#[test]
fn an_answer_is_everybodys_where_no_name_and_no_message_was_looked_at() {
    let reach = |filters: &[&str], plain| {
        let (trie, root) = trie(filters);
        let mut search = Search::new(ANN, Message::EMPTY, 1, 0);
        trie.search(root, plain, &mut search);
        search.reach()
    };
    assert_eq!(reach(&["a/b", "+/c", "#"], "a/b"), Reach::Everybody);
    assert_eq!(reach(&["b/%u", "a/b"], "a/b"), Reach::Everybody);
    for filters in [
        ["%u/b", "a/b"],
        ["a/%c", "a/b"],
        ["x%u", "a/b"],
        ["a/y%c", "+/b"],
    ] {
        assert_eq!(reach(&filters, "a/b"), Reach::One, "{filters:?}");
    }
    let mut builder = Builder::default();
    let root = builder.root().unwrap();
    let template = Template::parse("a", About::Topics, Substitution::Never).unwrap();
    let conditions = Conditions {
        max_payload: Some(1),
        ..Conditions::default()
    };
    let entry = Entry::new(0, 1, Permission::Allow, &conditions);
    builder.template(root, &template, false, entry).unwrap();
    let trie = builder.finish().unwrap();
    let mut search = Search::new(ANN, Message::EMPTY, 1, 0);
    trie.search(root, "a", &mut search);
    assert_eq!(search.reach(), Reach::One);
}

#[test]
fn the_other_way_is_allowed_where_nothing_better_was_passed_over() {
    const ASKED: u8 = 1;
    const OTHER: u8 = 2;
    const BOTH: u8 = ASKED | OTHER;
    let reach = |rules: &[(&str, u8, Permission)]| {
        let mut builder = Builder::default();
        let root = builder.root().unwrap();
        for (rank, (filter, kinds, permission)) in (0..).zip(rules) {
            let template =
                Template::parse(filter, About::Topics, Substitution::WholeLevels).unwrap();
            let entry = Entry::new(rank, *kinds, *permission, &Conditions::default());
            builder.template(root, &template, false, entry).unwrap();
        }
        let trie = builder.finish().unwrap();
        let mut search = Search::new(ANN, Message::EMPTY, ASKED, 0).and_other(OTHER);
        trie.search(root, "a/b", &mut search);
        search.reach()
    };
    use Permission::{Allow, Deny};
    let allowed: [&[_]; 5] = [
        &[("a/b", BOTH, Allow)],
        &[("a/b", ASKED, Allow), ("a/b", OTHER, Allow)],
        &[("a/b", OTHER, Allow), ("a/b", ASKED, Allow)],
        // Met on the way, and better than what was passed over.
        &[
            ("a/b", OTHER, Allow),
            ("a/b", ASKED, Allow),
            ("+/b", OTHER, Deny),
        ],
        &[
            ("a/c", BOTH, Deny),
            ("#", ASKED, Allow),
            ("#", OTHER, Allow),
        ],
    ];
    for rules in allowed {
        assert_eq!(reach(rules), Reach::BothWays, "{rules:?}");
    }
    let others: [&[_]; 9] = [
        &[("a/b", ASKED, Allow)],
        &[("a/b", OTHER, Deny), ("a/b", BOTH, Allow)],
        &[("a/b", ASKED, Allow), ("a/b", OTHER, Deny)],
        &[
            ("+/b", OTHER, Deny),
            ("a/b", ASKED, Allow),
            ("a/b", OTHER, Allow),
        ],
        &[("+/+", OTHER, Deny), ("a/b", BOTH, Allow)],
        &[("a/#", OTHER, Deny), ("a/b", BOTH, Allow)],
        // Not looked for any further, nor among what cannot answer.
        &[("#", OTHER, Allow), ("a/b", BOTH, Allow)],
        // Between two that stand side by side.
        &[
            ("a/b", ASKED, Allow),
            ("+/b", OTHER, Deny),
            ("a/b", OTHER, Allow),
        ],
        &[("a/b", ASKED, Allow), ("+/b", OTHER, Allow)],
    ];
    for rules in others {
        assert_eq!(reach(rules), Reach::Everybody, "{rules:?}");
    }
}

#[test]
fn a_search_enters_no_node_twice_however_long_the_topic() {
    // Every filter of twelve levels that are a or +, none of which covers the topic.
    let filters: Vec<String> = (0_u32..1 << 12)
        .map(|bits| {
            let levels = (0..12).map(|at| if bits >> at & 1 == 0 { "a" } else { "+" });
            levels.collect::<Vec<_>>().join("/")
        })
        .collect();
    let filters: Vec<&str> = filters.iter().map(String::as_str).collect();
    let nodes = trie(&filters).0.nodes.len();
    for topic in [vec!["a"; 11], vec!["a"; 200], vec!["a"; 30_000]] {
        let (found, visited) = search(&filters, &topic.join("/"));
        assert_eq!(found, None);
        assert!(visited <= nodes, "{visited} of {nodes}");
    }
}

#[test]
fn a_branch_with_nothing_better_is_left_alone() {
    let (found, visited) = search(&["#", "a/b/c/d", "a/+/c/+"], "a/b/c/d");
    assert_eq!((found, visited), (Some(0), 2));
}

#[test]
fn a_longest_topic_takes_the_search_no_deeper_than_the_templates() {
    let deep = vec!["+"; 201].join("/");
    let (found, visited) = search(&[&deep], &"/".repeat(65_535));
    assert_eq!((found, visited), (None, 202));
}

#[test]
fn entries_that_are_never_asked_are_left_out() {
    let (trie, _) = trie(&["a", "a", "a/#", "a"]);
    assert_eq!(trie.entries.len(), 2);
}
