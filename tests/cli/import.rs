//! `doorman import`.

use super::{Desk, hash, run};

fn counts(ran: &super::Ran) -> [u64; 4] {
    let summary = &ran.json()[0];
    ["added", "changed", "unchanged", "refused"].map(|key| summary[key].as_u64().unwrap())
}

#[test]
fn a_mosquitto_password_file_is_imported() {
    for desk in Desk::both() {
        let [seven, six] = [hash("$7$101$", 12), hash("$6$", 12)];
        desk.write(
            "in",
            &format!("# staff\n\na:{seven}\nb:{six}:extra\nnonsense\n"),
        );
        assert_eq!(
            counts(&desk.on(&["import", "in", "--json"]).code(0)),
            [2, 0, 0, 0]
        );
        assert_eq!(
            counts(&desk.on(&["import", "in", "--json"]).code(0)),
            [0, 0, 2, 0]
        );
    }
}

#[test]
fn plain_passwords_are_hashed() {
    for desk in Desk::both() {
        desk.write("in", "a:tulip-garden\nb:rose:garden\n");
        desk.on(&["import", "in", "--iterations", "101"])
            .code(0)
            .tells("2 added");
        assert_eq!(desk.verify("a", "tulip-garden"), Some(0));
        assert_eq!(desk.verify("b", "rose:garden"), Some(0));
        assert_eq!(desk.verify("b", "rose"), Some(1));
    }
}

#[test]
fn a_table_sets_what_its_columns_name_and_nothing_else() {
    let desk = Desk::database();
    desk.add("old", "tulip-garden").code(0);
    desk.on(&["user", "set", "old", "--notes", "stays"]).code(0);
    desk.on(&["user", "disable", "old"]).code(0);
    let hash = hash("$7$101$", 12);
    desk.write(
        "in.csv",
        &format!(
            "username,credential,client_id,networks,valid_until\n\
             old,{hash},c1,10.0.0.1 10.1.0.0/16,2030-01-01\n\
             \"new, one\",{hash},,,\n"
        ),
    );
    desk.on(&["import", "in.csv"])
        .code(0)
        .tells("1 added, 1 changed");
    let old = desk.on(&["user", "show", "old", "--json"]).code(0).json();
    assert_eq!(old[0]["client_id"], "c1");
    assert_eq!(old[0]["networks"][1], "10.1.0.0/16");
    assert_eq!(old[0]["valid_until"], "2030-01-01T00:00:00Z");
    assert_eq!(old[0]["notes"], "stays");
    assert_eq!(old[0]["disabled"], true);
    desk.on(&["user", "show", "new, one"]).code(0);
}

#[test]
fn a_table_of_passwords_is_hashed_and_disabled_ones_stay_out() {
    let desk = Desk::database();
    desk.write(
        "in.csv",
        "password,username,disabled\ntulip-garden,a,no\nrose-garden,b,yes\n",
    );
    desk.on(&["import", "in.csv", "--iterations", "101"])
        .code(0);
    assert_eq!(desk.verify("a", "tulip-garden"), Some(0));
    assert_eq!(desk.verify("b", "rose-garden"), Some(1));
}

#[test]
fn an_unknown_column_ends_the_import_before_it_begins() {
    let desk = Desk::database();
    for head in [
        "username,pasword",
        "password",
        "username,password,credential",
        "username,notes,notes",
    ] {
        desk.write("in.csv", &format!("{head}\na,tulip-garden,x\n"));
        desk.on(&["import", "in.csv"]).code(1).says("in.csv:1");
    }
    assert_eq!(desk.on(&["user", "list"]).out, "");
}

#[test]
fn a_bad_line_is_named_and_the_others_go_on() {
    for desk in Desk::both() {
        let hash = hash("$7$101$", 12);
        desk.write(
            "in",
            &format!("a:{hash}\nb:$7$0$x$y\n:{hash}\nc:tulip-garden\nd:$2b$31$abc\ne:{hash}\n"),
        );
        let ran = desk.on(&["import", "in"]).code(1).tells("2 added");
        for line in 2..=5 {
            assert!(ran.err.contains(&format!("in:{line}: ")), "{}", ran.err);
        }
        desk.on(&["user", "show", "e"]).code(0);
        desk.on(&["user", "show", "c"]).code(3);
    }
}

#[test]
fn strict_is_all_or_nothing() {
    for desk in Desk::both() {
        let hash = hash("$7$101$", 12);
        desk.write("bad", &format!("a:{hash}\nb:$7$0$x$y\n"));
        desk.on(&["import", "--strict", "bad"])
            .code(1)
            .tells("nothing was changed");
        desk.on(&["user", "show", "a"]).code(3);
        desk.write("good", &format!("a:{hash}\n"));
        desk.on(&["import", "--strict", "good"]).code(0);
        desk.on(&["user", "show", "a"]).code(0);
    }
    // What only the store can refuse counts too.
    let file = Desk::file();
    let hash = hash("$7$101$", 12);
    file.write(
        "in.csv",
        &format!("username,credential,disabled\na,{hash},no\nb,{hash},yes\n"),
    );
    file.on(&["import", "--strict", "in.csv"]).code(1);
    assert_eq!(file.text(), "");
    file.on(&["import", "in.csv"]).code(1).says("in.csv:3");
    assert!(file.text().starts_with("a:"));
}

#[test]
fn existing_accounts_are_updated_kept_or_refused() {
    for desk in Desk::both() {
        desk.add("a", "tulip-garden").code(0);
        desk.write("in", "a:rose-garden\n");
        let import = |existing| {
            desk.on(&[
                "import",
                "in",
                "--existing",
                existing,
                "--iterations",
                "101",
            ])
        };
        import("keep").code(0);
        assert_eq!(desk.verify("a", "tulip-garden"), Some(0));
        import("refuse").code(1).says("in:1");
        assert_eq!(desk.verify("a", "tulip-garden"), Some(0));
        import("update").code(0);
        assert_eq!(desk.verify("a", "rose-garden"), Some(0));
    }
}

#[test]
fn a_hash_is_never_hashed_again() {
    let desk = Desk::database();
    desk.write("in", &format!("a:{}\n", hash("$7$101$", 12)));
    desk.on(&["import", "--format", "plain", "in"])
        .code(1)
        .says("--format mosquitto");
    desk.on(&["user", "show", "a"]).code(3);
}

#[test]
fn input_can_come_from_standard_input() {
    let desk = Desk::database();
    let mut command = desk.command(&["import", "-", "--database"]);
    command.arg(&desk.place);
    run(command, &format!("a:{}\n", hash("$7$101$", 12))).code(0);
    desk.on(&["user", "show", "a"]).code(0);
    desk.on(&["import", "missing"]).code(5);
}

#[test]
fn more_lines_than_a_batch_all_arrive() {
    for desk in Desk::both() {
        let hash = hash("$7$101$", 12);
        let lines: String = (0..20_001).map(|n| format!("user{n}:{hash}\n")).collect();
        desk.write("in", &lines);
        desk.on(&["import", "in"]).code(0).tells("20001 added");
        assert_eq!(desk.on(&["user", "list"]).out.lines().count(), 20_001);
    }
}
