//! Whose connections end by an order: those that end by it with the stock dynamic-security plugin, each kind of
//! order by itself.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::control_compared::{Side, USERS, beginning, ours, stock};
use crate::support::{Broker, Tree, for_each_broker};

/// One order of each kind that ends connections, and of each that ends none; all of them can be carried out.
fn one_of_each() -> [Value; 28] {
    let acls = json!([{"acltype": "publishClientSend", "topic": "x", "allow": true}]);
    [
        json!({"command": "createClient", "username": "eve", "password": "pw"}),
        json!({"command": "createClient", "username": "zoe", "password": "pw"}),
        json!({"command": "createGroup", "groupname": "g2"}),
        json!({"command": "createRole", "rolename": "r2", "acls": acls}),
        json!({"command": "setAnonymousGroup", "groupname": "g2"}),
        json!({"command": "addClientRole", "username": "eve", "rolename": "r2"}),
        json!({"command": "addGroupClient", "username": "ann", "groupname": "g1"}),
        json!({"command": "addGroupClient", "username": "eve", "groupname": "g1"}),
        json!({"command": "addGroupRole", "groupname": "g1", "rolename": "r1"}),
        json!({"command": "addGroupRole", "groupname": "g2", "rolename": "r2"}),
        json!({"command": "addRoleACL", "rolename": "r1", "acltype": "subscribeLiteral",
               "topic": "y", "allow": true}),
        json!({"command": "removeRoleACL", "rolename": "r1", "acltype": "subscribeLiteral",
               "topic": "y"}),
        json!({"command": "modifyRole", "rolename": "r1", "acls": acls}),
        json!({"command": "modifyRole", "rolename": "r1", "textname": "text"}),
        json!({"command": "modifyClient", "username": "zoe", "textname": "text"}),
        json!({"command": "modifyGroup", "groupname": "g1", "clients": [{"username": "bob"}]}),
        json!({"command": "setClientPassword", "username": "zoe", "password": "pw"}),
        json!({"command": "setClientId", "username": "zoe", "clientid": "zoe"}),
        json!({"command": "disableClient", "username": "zoe"}),
        json!({"command": "enableClient", "username": "zoe"}),
        json!({"command": "setDefaultACLAccess",
               "acls": [{"acltype": "publishClientReceive", "allow": false}]}),
        json!({"command": "removeClientRole", "username": "eve", "rolename": "r2"}),
        json!({"command": "removeGroupRole", "groupname": "g1", "rolename": "r1"}),
        json!({"command": "removeGroupClient", "groupname": "g1", "username": "bob"}),
        json!({"command": "addGroupClient", "username": "zoe", "groupname": "g1"}),
        json!({"command": "deleteGroup", "groupname": "g1"}),
        json!({"command": "deleteRole", "rolename": "r2"}),
        json!({"command": "deleteClient", "username": "eve"}),
    ]
}

/// Where the original leaves connections of those who lose by an order: 2.0 those of a role's holders when the
/// role is modified, 2.0.11 also those of a group's members who are not in the list that replaces them.
fn ends_too_few(tree: &Tree, order: &Value) -> bool {
    match order["command"].as_str() {
        Some("modifyRole") => !tree.is_2_1(),
        Some("modifyGroup") => tree.version() == "2.0.11",
        _ => false,
    }
}

#[test]
fn one_order_of_each_kind_ends_the_connections_that_dynamic_security_ends() {
    for_each_broker(|startup| {
        let file = beginning();
        let mut stock = Side::of(stock(Broker::of(startup.tree()), &file));
        let mut ours = Side::of(ours(Broker::of(startup.tree()), &file));
        let (mut ends, mut peaceful) = (Vec::new(), 0);
        for order in one_of_each() {
            assert_eq!(stock.gather(), ours.gather(), "before {order}");
            let message = json!({ "commands": [order] });
            let ((theirs, their_ends), (mine, my_ends)) = (stock.ask(&message), ours.ask(&message));
            assert_eq!(mine, theirs, "{order}");
            assert!(!mine.to_string().contains("error"), "{mine}");
            if ends_too_few(startup.tree(), &order) {
                assert!(my_ends.is_superset(&their_ends), "{order} {their_ends:?}");
            } else {
                assert_eq!(my_ends, their_ends, "{order}");
            }
            peaceful += usize::from(my_ends.is_empty());
            ends.extend(my_ends);
        }
        assert!(peaceful > 5 && ends.len() > 15, "{peaceful} {ends:?}");
        let everybody: BTreeSet<_> = ends.into_iter().collect();
        assert_eq!(everybody.len(), USERS.len() + 1, "{everybody:?}");
    });
}
