//! The plugin in the password file's place: row by row the answers of the stock broker, asked in
//! the same run.

use super::stock::{ACCOUNTS, Setting, answers};
use crate::support::{Broker, Tree, for_each_broker, plugin_conf};

#[test]
fn the_plugin_answers_as_the_password_file_does() {
    let plugin = plugin_conf(&["password_file {dir}/users"]);
    for_each_broker(|startup| answers_like_stock(startup.tree(), &plugin));
}

/// The plugin does not know the accounts, the broker's own file does.
#[test]
fn the_plugin_leaves_unknown_users_to_the_password_file() {
    let both = plugin_conf(&["password_file {dir}/empty"]) + STOCK;
    for_each_broker(|startup| answers_like_stock(startup.tree(), &both));
}

/// A plugin that is loaded without a source leaves the broker as it is: without any password file.
#[test]
fn the_plugin_without_a_source_changes_nothing() {
    for_each_broker(|startup| {
        for setting in Setting::all()
            .into_iter()
            .filter(|setting| !setting.accounts)
        {
            let stock = start(startup.tree(), &setting.conf(""));
            let ours = start(startup.tree(), &(setting.conf("") + &plugin_conf(&[])));
            for (our_row, stock_row) in answers(&ours).into_iter().zip(answers(&stock)) {
                assert_eq!(our_row, stock_row, "{setting:?}");
            }
            assert!(ours.log().contains("no source is given"));
        }
    });
}

#[track_caller]
fn answers_like_stock(tree: &Tree, source: &str) {
    for setting in Setting::all() {
        let stock = start(tree, &setting.conf(STOCK));
        let ours = start(tree, &setting.conf(source));
        for (our_row, stock_row) in answers(&ours).into_iter().zip(answers(&stock)) {
            assert_eq!(our_row, stock_row, "{setting:?}");
        }
    }
}

fn start(tree: &Tree, conf: &str) -> Broker {
    Broker::of(tree)
        .file("empty", "")
        .password_file("users", &ACCOUNTS)
        .start(conf)
}

const STOCK: &str = "password_file {dir}/users\n";
