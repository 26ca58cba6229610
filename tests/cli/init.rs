//! `doorman init --admin`: a database and who administers it, both or neither.

use serde_json::{Value, json};

use super::Desk;
use crate::support::{Tree, finish};

const ARGS: [&str; 6] = [
    "init",
    "--admin",
    "roger",
    "--password-stdin",
    "--iterations",
    "101",
];

fn exported(desk: &Desk) -> Value {
    let exported = desk.on(&["export", "--format", "dynsec"]).code(0);
    serde_json::from_str(&exported.out).unwrap()
}

#[test]
fn the_administrator_is_the_one_that_mosquitto_ctrl_makes_rule_by_rule() {
    let desk = Desk::bare("--database");
    desk.on_with(&ARGS, "tulip-garden").code(0).tells("roger");
    let mut ours = exported(&desk);
    assert_eq!(desk.verify("roger", "tulip-garden"), Some(0));
    assert_eq!(desk.verify("roger", "rose-garden"), Some(1));
    for tree in Tree::all() {
        let path = desk.path(&format!("{}.json", tree.version()));
        let mut init = tree.command("mosquitto_ctrl");
        init.args(["dynsec", "init"]).arg(&path);
        finish(init.args(["roger", "pw"])).succeeded();
        let text = std::fs::read_to_string(&path).unwrap();
        let mut theirs: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(ours["defaultACLAccess"], theirs["defaultACLAccess"]);
        for file in [&mut ours, &mut theirs] {
            assert_eq!(file["clients"].as_array().unwrap().len(), 1);
            assert_eq!(file["clients"][0]["username"], "roger");
            assert_eq!(file["clients"][0]["roles"][0]["rolename"], "admin");
            assert_eq!(file["clients"][0]["roles"].as_array().unwrap().len(), 1);
            assert_eq!(file["roles"].as_array().unwrap().len(), 1);
        }
        assert_eq!(rules(&ours), rules(&theirs), "{}", tree.version());
    }
}

/// Of the only role: type, topic, permission and priority of each rule, in their order.
fn rules(file: &Value) -> Vec<[Value; 4]> {
    let acls = file["roles"][0]["acls"].as_array().unwrap().iter();
    let rule = |acl: &Value| {
        let priority = acl.get("priority").cloned().unwrap_or(json!(0));
        [&acl["acltype"], &acl["topic"], &acl["allow"], &priority].map(Clone::clone)
    };
    acls.map(rule).collect()
}

#[test]
fn an_administrator_is_added_to_a_database_that_has_neither_the_account_nor_the_role() {
    let desk = Desk::database();
    desk.add("ann", "rose-garden").code(0);
    desk.on_with(&ARGS, "tulip-garden").code(0);
    assert_eq!(desk.verify("roger", "tulip-garden"), Some(0));
    assert_eq!(desk.verify("ann", "rose-garden"), Some(0));

    desk.on_with(&ARGS, "lily-garden").code(4).says("already");
    assert_eq!(desk.verify("roger", "tulip-garden"), Some(0));
    let before = exported(&desk);
    let mut other = ARGS;
    other[2] = "eve";
    desk.on_with(&other, "lily-garden")
        .code(4)
        .says("a role admin");
    assert_eq!(exported(&desk), before, "eve was not added either");
}

#[test]
fn nothing_is_made_where_the_administrator_cannot_be() {
    let desk = Desk::bare("--database");
    desk.on_with(&ARGS, "").code(1).says("empty");
    assert!(!desk.place.exists());
    let left = std::fs::read_dir(desk.dir.path()).unwrap().count();
    assert_eq!(left, 0);
    let file = Desk::bare("--file");
    file.on_with(&ARGS, "tulip-garden")
        .code(2)
        .says("--database");
    assert!(!file.place.exists());
    let bare = Desk::bare("--database");
    bare.on(&["init", "--generate"]).code(2).says("--admin");
    assert!(!bare.place.exists());
}

#[test]
fn a_generated_password_of_the_administrator_is_told_once() {
    let desk = Desk::bare("--database");
    let made = desk.on(&["--json", "init", "--admin", "roger", "--generate"]);
    let told = &made.code(0).json()[0];
    let password = told["password"].as_str().unwrap();
    assert_eq!(password.len(), 32);
    assert_eq!(desk.verify("roger", password), Some(0));
}
