//! `doorman export`.

use std::os::unix::fs::PermissionsExt as _;

use super::{Desk, hash};
use crate::support::{Answer, Connect, Protocol, for_each_broker};

/// A database with one account that can go out and several that cannot.
fn mixed() -> Desk {
    let desk = Desk::database();
    let [good, long] = [hash("$7$101$", 12), hash("$7$1000$", 64)];
    let bcrypt = "$2b$05$abcdefghijklmnopqrstuuC2nVIBOX0jXqPnXYBDDqXgQFwRSQYLe";
    desk.write(
        "in.csv",
        &format!(
            "username,credential,disabled,client_id,valid_until\n\
             good,{good},,,\nlong,{long},,,\nbcrypt,{bcrypt},,,\noff,{good},yes,,\n\
             a:b,{good},,,\n#c,{good},,,\nbound,{good},,id,\nold,{good},,,2020-01-01\n"
        ),
    );
    desk.on(&["import", "in.csv"]).code(0);
    desk
}

#[test]
fn only_what_the_stock_broker_reads_is_exported_and_the_rest_is_named() {
    let ran = mixed().on(&["export"]).code(1);
    assert_eq!(ran.out, format!("good:{}\n", hash("$7$101$", 12)));
    for name in ["long", "bcrypt", "off", "a:b", "#c", "bound", "old"] {
        assert!(
            ran.err.contains(&format!("{name} left out: ")),
            "{}",
            ran.err
        );
    }
}

#[test]
fn a_newer_broker_and_dropped_bounds_let_more_out() {
    let desk = mixed();
    let names = |args: &[&str]| -> Vec<String> {
        let out = desk.on(args).out;
        let names = out
            .lines()
            .map(|line| line.split(':').next().unwrap().to_owned());
        names.collect()
    };
    let mut newer = names(&["export", "--for", "2.1"]);
    newer.sort();
    assert_eq!(newer, ["good", "long"]);
    let mut unbound = names(&["export", "--drop-bounds"]);
    unbound.sort();
    assert_eq!(unbound, ["bound", "good"]);
}

#[test]
fn a_file_is_replaced_whole_and_private() {
    let desk = Desk::database();
    desk.add("roger", "tulip-garden").code(0);
    desk.write("out", "before");
    desk.on(&["export", "-o", "out"])
        .code(0)
        .tells("1 exported, 0 left out");
    let text = std::fs::read_to_string(desk.path("out")).unwrap();
    assert!(text.starts_with("roger:$7$101$"));
    let mode = desk.path("out").metadata().unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    desk.on(&["export", "-o", "missing/out"]).code(5);
}

#[test]
fn what_goes_out_comes_in_again() {
    let desk = Desk::database();
    desk.add("roger", "tulip-garden").code(0);
    desk.on(&["export", "-o", "out"]).code(0);
    let file = Desk::file();
    let out = desk.path("out");
    file.on(&["import", out.to_str().unwrap()]).code(0);
    assert_eq!(file.verify("roger", "tulip-garden"), Some(0));
    assert_eq!(file.verify("roger", "rose-garden"), Some(1));
}

#[test]
fn stock_brokers_start_with_an_exported_file_and_let_its_accounts_in() {
    let desk = mixed();
    desk.add("roger", "tulip-garden").code(0);
    let exported = desk.on(&["export"]).code(1).out;
    for_each_broker(|startup| {
        let broker = startup
            .file("users", &exported)
            .start("listener {port} 127.0.0.1\npassword_file {dir}/users\n");
        let answer = |password| {
            let connect = Connect::new(Protocol::V311).credentials("roger", password);
            connect.answer(broker.port())
        };
        assert_eq!(answer("tulip-garden"), Answer::Accepted);
        assert_eq!(answer("rose-garden"), Answer::Refused(5));
    });
}
