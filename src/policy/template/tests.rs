//! What a filter covers and what it meets, each beside what it does not.
#![forbid(unsafe_code)]

use super::*;

const ANN: Asker<'_> = Asker {
    client_id: Some("c1"),
    username: Some("ann"),
};

fn template(text: &str) -> Template {
    Template::parse(text, About::Subscriptions, Substitution::Anywhere).unwrap()
}

fn covers(ours: &str, theirs: &str) -> bool {
    let filter = Filter::new(theirs).unwrap();
    template(ours).covers_filter(&filter, ANN)
}

#[test]
fn a_filter_covers_what_it_matches_wholly() {
    for (ours, theirs) in [
        ("a/b", "a/b"),
        ("a/+", "a/b"),
        ("a/+", "a/+"),
        ("a/#", "a"),
        ("a/#", "a/#"),
        ("a/#", "a/+/c"),
        ("#", "+/#"),
        ("$SYS/#", "$SYS/x"),
        ("%c/%u", "c1/ann"),
        ("x%uy/#", "xanny"),
        ("a/$x%c", "a/$xc1"),
        ("$x%c", "$xc1"),
    ] {
        assert!(covers(ours, theirs), "{ours} {theirs}");
    }
}

#[test]
fn a_filter_does_not_cover_what_reaches_beyond_it() {
    for (ours, theirs) in [
        ("a/b", "a/+"),
        ("a/+", "a"),
        ("a/+", "a/#"),
        ("+", "#"),
        ("+/#", "#"),
        ("a/+", "a/b/c"),
        ("a", "a/#"),
        ("#", "$SYS/x"),
        ("+/x", "$SYS/x"),
        ("%u/%u", "ann/+"),
        ("%u", "#"),
        ("%u", "bob"),
        ("x%uy", "xbob y"),
    ] {
        assert!(!covers(ours, theirs), "{ours} {theirs}");
    }
}

#[test]
fn a_name_with_a_wildcard_a_slash_or_nothing_in_it_covers_nothing() {
    for name in ["+", "#", "/", "a/b", "a+", ""] {
        let asker = Asker {
            client_id: Some(name),
            username: None,
        };
        for ours in ["%c", "%c/#", "%c/%c", "x%c", "%u"] {
            let ours = template(ours);
            for theirs in ["+", "#", "a/b", "/", "x", "a", "x/"] {
                assert!(!ours.covers(theirs, asker), "{name} {ours:?} {theirs}");
                assert!(!ours.meets(theirs, asker), "{name} {ours:?} {theirs}");
            }
        }
    }
}

#[test]
fn a_client_called_like_the_brokers_topics_does_not_own_them() {
    let asker = Asker {
        client_id: Some("$SYS"),
        username: Some("$SYS"),
    };
    for ours in ["%c/#", "%u/#", "%c%c/#"] {
        assert!(!template(ours).covers("$SYS/x", asker), "{ours}");
        assert!(!template(ours).covers("$SYS$SYS/x", asker), "{ours}");
    }
    assert!(template("a/%c").covers("a/$SYS", asker));
}

#[test]
fn filters_meet_where_a_topic_matches_both() {
    for (ours, theirs) in [
        ("a/b", "a/+"),
        ("a/b", "#"),
        ("+/b", "a/#"),
        ("a/#", "a"),
        ("a", "a/#"),
        ("a/+/c", "a/#"),
        ("%c/x", "+/x"),
        ("x%c", "+"),
    ] {
        assert!(template(ours).meets(theirs, ANN), "{ours} {theirs}");
    }
    for (ours, theirs) in [
        ("a/b", "+"),
        ("$SYS/b", "#"),
        ("$SYS/b", "+/b"),
        ("+/b", "a/c"),
        ("#", "$SYS"),
        ("a", "b/#"),
        ("a/b", "a/b/+"),
    ] {
        assert!(!template(ours).meets(theirs, ANN), "{ours} {theirs}");
    }
}

#[test]
fn a_rule_that_names_a_group_is_about_its_shared_subscriptions() {
    for (ours, theirs) in [
        ("$share/g/a", "$share/g/a"),
        ("$share/+/a/#", "$share/g/a/b"),
        ("$share/%u/#", "$share/ann/a"),
        ("$share/#", "$share/g/$SYS/x"),
        ("a/#", "$share/g/a/b"),
    ] {
        assert!(covers(ours, theirs), "{ours} {theirs}");
    }
    for (ours, theirs) in [
        ("$share/g/a", "$share/h/a"),
        ("$share/g/a", "a"),
        ("$share/#", "a"),
        ("$share/+/#", "$share/g/$SYS/x"),
        ("$share/%u/#", "$share/bob/a"),
        ("#", "$share/g/$SYS/x"),
    ] {
        assert!(!covers(ours, theirs), "{ours} {theirs}");
    }
}

#[test]
fn percent_signs_stand_for_names_only_where_they_may() {
    let (never, whole) = (Substitution::Never, Substitution::WholeLevels);
    let parsed = |text, substitution| Template::parse(text, About::Topics, substitution).unwrap();
    assert!(parsed("%u", never).covers("%u", ANN));
    assert!(!parsed("%u", never).covers("ann", ANN));
    assert!(parsed("x%u", whole).covers("x%u", ANN));
    assert!(!parsed("x%u", whole).covers("xann", ANN));
    assert!(template("%%u%").covers("%ann%", ANN));
}

#[test]
fn a_filter_that_no_topic_can_match_is_refused() {
    let deep = "a/".repeat(200);
    assert!(Template::parse(&deep, About::Topics, Substitution::Never).is_ok());
    let deeper = "a/".repeat(201);
    assert_eq!(
        Template::parse(&deeper, About::Topics, Substitution::Never),
        Err(FilterError::TooDeep)
    );
    for text in ["$share", "$share/g", "$share/g+/a", "$share/#/a"] {
        let parse = |about| Template::parse(text, about, Substitution::Never);
        assert_eq!(
            parse(About::Subscriptions),
            Err(FilterError::Share),
            "{text}"
        );
    }
}
