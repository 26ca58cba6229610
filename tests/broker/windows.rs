//! The time in which a role holds begins and ends while its holders are connected, and nobody does anything:
//! who gains goes on, who loses is ended, each at its time and not before.

use std::time::SystemTime;

use super::accounts::{account, database};
use super::conf::conf;
use super::roles::{NAMES, change, heard, may_publish, until, v5};
use crate::support::{Client, Event, PATIENCE, for_each_broker};

/// Long enough for everybody to come and be asked before.
const SOON: u64 = 6;

/// Everybody has `base`. To ann something is given and a ban is lifted; to bob a ban comes; from root something
/// is taken; to the fourth nothing happens, but for roles whose time is long over or far away.
fn roles(at: u64) -> String {
    format!(
        "INSERT INTO role (id, rolename, valid_from, valid_until) VALUES
             (1, 'base', NULL, NULL), (2, 'gift', {at}, NULL), (3, 'ban, to be lifted', NULL, {at}),
             (4, 'ban, to come', {at}, NULL), (5, 'loan', NULL, {at}),
             (6, 'over', NULL, {at} - 86400), (7, 'far away', {at} + 86400, NULL);
         INSERT INTO role_acl (role_id, acltype, topic, allow) VALUES
             (1, 'publishClientSend', 'base', 1), (1, 'publishClientSend', 'news', 1),
             (1, 'subscribeLiteral', 'news', 1),
             (2, 'publishClientSend', 'gift', 1), (2, 'publishClientReceive', 'news', 1),
             (3, 'publishClientSend', 'base', 0), (4, 'publishClientSend', 'base', 0),
             (5, 'publishClientSend', 'loan', 1),
             (6, 'publishClientSend', 'gift', 1), (7, 'publishClientSend', 'gift', 1),
             (6, 'publishClientSend', 'base', 0), (7, 'publishClientSend', 'base', 0);
         UPDATE policy SET publish_client_receive = 0;
         INSERT INTO account_role (account_id, role_id, priority)
             SELECT account.id, role.id, role.id FROM account, role
             WHERE role.id = 1 OR (username, role.id) IN
                 (('ann', 2), ('ann', 3), ('bob', 4), ('root', 5), ('nobody', 6), ('nobody', 7));"
    )
}

fn now() -> u64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    since.unwrap().as_secs()
}

/// Whether a client may publish there; none if its connection is ended instead.
fn publishes(client: &mut Client, topic: &str) -> Option<bool> {
    match client.publish_acknowledged(topic, topic) {
        Event::Puback(code) => Some(code != 0x87),
        Event::Closed => None,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_window_that_begins_or_ends_changes_what_a_living_connection_may_do() {
    for_each_broker(|startup| {
        drop(database(
            &startup.dir().join("db"),
            &NAMES.map(|name| account(name, "pw")),
        ));
        let at = now() + SOON;
        change(startup.dir(), &roles(at));
        let broker = startup.start(&conf(&["database {dir}/db", "database_roles true"]));
        let [mut ann, mut bob, mut root, mut nobody] = NAMES.map(|name| v5(&broker, name));
        assert_eq!(ann.subscribe("news", 0), 0);
        for (client, name, base, gift, loan) in [
            (&mut ann, "ann", false, false, false),
            (&mut bob, "bob", true, false, false),
            (&mut root, "root", true, false, true),
            (&mut nobody, "nobody", true, false, false),
        ] {
            for (topic, allowed) in [("base", base), ("gift", gift), ("loan", loan)] {
                assert_eq!(may_publish(client, topic), allowed, "{name} {topic} before");
            }
        }
        assert!(may_publish(&mut nobody, "news"));
        assert!(heard(&mut ann).is_empty());
        assert!(now() < at, "all of that was before");

        // Who gains, on the connection and the subscription that there are.
        until("the gift is there", || may_publish(&mut ann, "gift"));
        assert!(now() >= at);
        until("the ban is lifted", || may_publish(&mut ann, "base"));
        // Who loses: refused, if there is time for it before the connection ends.
        for (client, topic) in [(&mut bob, "base"), (&mut root, "loan")] {
            until("it is not allowed any more", || {
                publishes(client, topic) != Some(true)
            });
            assert!(now() >= at);
            assert!(client.is_closed_within(PATIENCE), "{topic}");
        }
        let [mut bob, mut root] = ["bob", "root"].map(|name| v5(&broker, name));
        assert!(!may_publish(&mut bob, "base"));
        assert!(!may_publish(&mut root, "loan") && may_publish(&mut root, "base"));
        // What may be read now is sent.
        assert!(may_publish(&mut nobody, "news"));
        assert_eq!(heard(&mut ann), ["news"]);
        // And nobody else has noticed anything.
        assert!(ann.is_connected() && nobody.is_connected());
        assert!(may_publish(&mut nobody, "base") && !may_publish(&mut nobody, "gift"));
    });
}
