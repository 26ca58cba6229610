//! Administrators whose roles limit them to what is called as they say: what they may do, that they see no
//! more, and that no way leads beyond.

use std::time::Duration;

use serde_json::{Value, json};

use super::control_compared::{Admin, RESPONSE, TOPIC, beginning, import, ours};
use crate::support::{
    Broker, Client, Connect, Event, PATIENCE, Protocol, doorman, finish, for_each_broker,
    plugin_conf,
};

const OUTSIDE: &str = "Outside of your administrative limit";

fn acl(acltype: &str, topic: &str, allow: bool) -> Value {
    json!({"acltype": acltype, "topic": topic, "allow": allow})
}

/// What a limited administrator has: orders, hearing answers, and what it may hand out.
fn limited_role(name: &str, prefix: &str) -> Value {
    json!({"command": "createRole", "rolename": name, "adminprefix": prefix, "acls": [
        acl("publishClientSend", TOPIC, true),
        acl("subscribeLiteral", RESPONSE, true),
        acl("publishClientSend", "p1/#", true),
        acl("subscribePattern", "p1/#", true),
        acl("publishClientReceive", "secret/#", false),
    ]})
}

fn client(name: &str, roles: &[&str]) -> Value {
    let roles: Vec<Value> = roles.iter().map(|role| json!({"rolename": role})).collect();
    json!({"command": "createClient", "username": name, "password": "pw", "roles": roles})
}

fn group(name: &str, roles: &[&str]) -> Value {
    let roles: Vec<Value> = roles.iter().map(|role| json!({"rolename": role})).collect();
    json!({"command": "createGroup", "groupname": name, "roles": roles})
}

fn role(name: &str, acls: Value) -> Value {
    json!({"command": "createRole", "rolename": name, "acls": acls})
}

/// A broker with somebody who may administer all, and `boss`, limited to what begins with `p1-`.
fn furnished(broker: &Broker) -> (Admin, Admin) {
    let mut admin = Admin::at(broker);
    let mut stranger = Client::tcp(broker.port(), Protocol::V311);
    for order in [
        group("p1-nobody", &[]),
        json!({"command": "setAnonymousGroup", "groupname": "p1-nobody"}),
    ] {
        assert_eq!(error(&mut admin, &order), Value::Null, "{order}");
    }
    // That ends whoever has no username yet, as everybody who is about to say it: nobody comes before.
    assert!(stranger.is_closed_within(PATIENCE));
    let wide = json!([
        acl("publishClientSend", "#", true),
        acl("publishClientSend", "p1/x", false)
    ]);
    for order in [
        limited_role("p1-admin", "p1-"),
        role("p1-sensor", json!([acl("publishClientSend", "p1/s", true)])),
        role("p1-wide", wide),
        role("other", json!([acl("publishClientSend", "x", true)])),
        client("boss", &["p1-admin"]),
        client("p1-deputy", &["p1-admin"]),
        client("p1-super", &["admin"]),
        client("p1-dev", &["p1-sensor", "other"]),
        group("p1-group", &["p1-sensor"]),
        group("p1-admins", &["p1-admin"]),
        client("p1-chief", &[]),
        json!({"command": "addGroupClient", "groupname": "p1-admins", "username": "p1-chief"}),
        json!({"command": "addGroupClient", "groupname": "p1-group", "username": "bob"}),
    ] {
        let done = admin.order(order.clone());
        assert_eq!(done["error"], Value::Null, "{order}");
    }
    (admin, by(broker, "boss"))
}

fn by(broker: &Broker, name: &str) -> Admin {
    let connect = Connect::new(Protocol::V311).client_id(name);
    let mut client = connect.credentials(name, "pw").accepted(broker.port());
    assert_eq!(client.subscribe(RESPONSE, 0), 0);
    Admin(client)
}

fn error(admin: &mut Admin, order: &Value) -> Value {
    admin.order(order.clone())["error"].take()
}

#[test]
fn a_limited_administrator_does_everything_to_what_is_called_as_its_role_says() {
    for_each_broker(|startup| {
        let broker = ours(startup, &beginning());
        let (_, mut boss) = furnished(&broker);
        for order in [
            client("p1-a", &["p1-sensor"]),
            json!({"command": "getClient", "username": "p1-a"}),
            json!({"command": "setClientPassword", "username": "p1-a", "password": "x"}),
            json!({"command": "rotatePassword", "username": "p1-a", "password": "y"}),
            json!({"command": "dropSecondPassword", "username": "p1-a"}),
            json!({"command": "setClientId", "username": "p1-a", "clientid": "c"}),
            json!({"command": "setClientValidity", "username": "p1-a", "validUntil": null}),
            json!({"command": "disableClient", "username": "p1-a"}),
            json!({"command": "enableClient", "username": "p1-a"}),
            json!({"command": "modifyClient", "username": "p1-a", "textname": "t", "roles": []}),
            json!({"command": "addClientRole", "username": "p1-a", "rolename": "p1-wide"}),
            json!({"command": "removeClientRole", "username": "p1-a", "rolename": "p1-wide"}),
            group("p1-g", &["p1-sensor"]),
            json!({"command": "getGroup", "groupname": "p1-g"}),
            json!({"command": "modifyGroup", "groupname": "p1-g", "textname": "t"}),
            json!({"command": "addGroupClient", "groupname": "p1-g", "username": "p1-a"}),
            json!({"command": "removeGroupClient", "groupname": "p1-g", "username": "p1-a"}),
            json!({"command": "addGroupRole", "groupname": "p1-g", "rolename": "p1-wide"}),
            json!({"command": "removeGroupRole", "groupname": "p1-g", "rolename": "p1-wide"}),
            role("p1-r", json!([acl("publishClientSend", "p1/%u/#", true)])),
            json!({"command": "getRole", "rolename": "p1-r"}),
            json!({"command": "addRoleACL", "rolename": "p1-r", "acltype": "subscribePattern",
                   "topic": "p1/a", "allow": true}),
            json!({"command": "addRoleACL", "rolename": "p1-r", "acltype": "publishClientSend",
                   "topic": "zzz", "allow": false}),
            json!({"command": "removeRoleACL", "rolename": "p1-r", "acltype": "subscribePattern",
                   "topic": "p1/a"}),
            json!({"command": "modifyRole", "rolename": "p1-r", "textname": "t",
                   "acls": [acl("publishClientSend", "p1/b", true),
                            acl("publishClientSend", "zzz", false)]}),
            json!({"command": "deleteRole", "rolename": "p1-r"}),
            json!({"command": "deleteGroup", "groupname": "p1-g"}),
            json!({"command": "deleteClient", "username": "p1-a"}),
            json!({"command": "listClients"}),
            json!({"command": "getDefaultACLAccess"}),
        ] {
            assert_eq!(error(&mut boss, &order), Value::Null, "{order}");
        }
    });
}

/// What a limited administrator orders, and what it hears.
const NOT_THERE: &str = "
createClient username=q | Outside of your administrative limit
createClient username=bob | Outside of your administrative limit
createGroup groupname=q | Outside of your administrative limit
createRole rolename=q | Outside of your administrative limit
getClient username=bob | Client not found
deleteClient username=bob | Client not found
disableClient username=bob | Client not found
enableClient username=bob | Client not found
modifyClient username=bob | Client not found
setClientId username=bob | Client not found
setClientValidity username=bob | Client not found
dropSecondPassword username=bob | Client not found
setClientPassword username=bob password=x | Client not found
rotatePassword username=bob password=x | Client not found
explain username=bob action=publish topic=a | Client not found
addClientRole username=bob rolename=p1-sensor | Client not found
addClientRole username=p1-dev rolename=r1 | Role not found
removeClientRole username=p1-dev rolename=other | Role not found
getGroup groupname=g1 | Group not found
modifyGroup groupname=g1 | Group not found
deleteGroup groupname=g1 | Group not found
addGroupRole groupname=g1 rolename=p1-sensor | Group not found
addGroupRole groupname=p1-group rolename=other | Role not found
removeGroupRole groupname=g1 rolename=p1-sensor | Group not found
addGroupClient groupname=g1 username=p1-dev | Group not found
addGroupClient groupname=p1-group username=ann | Client not found
removeGroupClient groupname=p1-group username=bob | Client not found
getRole rolename=r1 | Role not found
modifyRole rolename=r1 | Role does not exist
deleteRole rolename=r1 | Role not found
addRoleACL rolename=r1 acltype=publishClientSend topic=p1/a | Role not found
removeRoleACL rolename=r1 acltype=publishClientSend topic=a/b | Role not found
kickClient username=admin | Client not connected
kickClient clientid=admin | Client not connected
explain action=publish topic=a | Outside of your administrative limit
clearBan username=bob | Ban not found
clearBan address=127.0.0.1 | Outside of your administrative limit
";

/// An order of texts alone, written in words.
fn order(words: &str) -> Value {
    let mut words = words.split(' ');
    let mut order = json!({"command": words.next()});
    for (field, text) in words.filter_map(|word| word.split_once('=')) {
        order[field] = json!(text);
    }
    order
}

#[test]
fn what_is_called_otherwise_is_not_there_for_a_limited_administrator() {
    for_each_broker(|startup| {
        let broker = ours(startup, &beginning());
        let (mut admin, mut boss) = furnished(&broker);
        let before = admin.order(json!({"command": "listClients", "verbose": true}));
        for line in NOT_THERE.lines().filter(|line| !line.is_empty()) {
            let (words, why) = line.split_once(" | ").unwrap();
            assert_eq!(error(&mut boss, &order(words)), why, "{words}");
        }
        let imported = json!({"command": "importClients",
                              "clients": [{"username": "p1-i"}, {"username": "q"}]});
        let refused = boss.order(imported);
        assert_eq!(
            refused["data"]["failed"],
            json!([{"index": 1, "username": "q", "error": OUTSIDE}])
        );
        let by_token = |role| {
            json!({"command": "explain", "username": "p1-dev", "action": "publish", "topic": "a",
                   "tokenroles": [role]})
        };
        for role in ["r1", "nobody has this"] {
            assert_eq!(error(&mut boss, &by_token(role)), "Role not found");
        }
        let asked = error(&mut boss, &by_token("p1-sensor"));
        assert!(asked.to_string().contains("plugin_opt_jwt_roles_claim"));
        assert!(admin.0.is_connected());
        let after = admin.order(json!({"command": "listClients", "verbose": true}));
        assert_eq!(after, before);
    });
}

/// Each of these would be more than was given, by what a role says.
fn escalations_by_rules() -> Vec<Value> {
    let control = "$CONTROL/dynamic-security/v1";
    let add = |role: &str, acltype: &str, topic: &str, allow: bool| {
        json!({"command": "addRoleACL", "rolename": role, "acltype": acltype, "topic": topic,
               "allow": allow})
    };
    let acls = |topic: &str| json!([acl("publishClientSend", topic, true)]);
    vec![
        // A role that opens the control topic, or lets somebody hear what others are answered.
        role("p1-x", acls(control)),
        role("p1-x", acls("$CONTROL/#")),
        role("p1-x", acls("$CONTROL/+/v1")),
        add("p1-sensor", "publishClientSend", control, true),
        add("p1-sensor", "publishClientReceive", RESPONSE, true),
        add("p1-sensor", "subscribeLiteral", RESPONSE, true),
        add("p1-sensor", "subscribePattern", "$share/g/$CONTROL/#", true),
        add("p1-sensor", "subscribePattern", "$share/#", true),
        // Shutting others out of it.
        add("p1-sensor", "publishClientSend", control, false),
        // What one has not oneself.
        role("p1-x", acls("#")),
        role("p1-x", acls("p2/a")),
        role(
            "p1-x",
            json!([acl("publishClientReceive", "secret/a", true)]),
        ),
        role("p1-x", json!([acl("publishClientReceive", "#", true)])),
        add("p1-sensor", "publishClientSend", "x", true),
        // What a role denies and then would not: it allows more than one has oneself.
        json!({"command": "modifyRole", "rolename": "p1-wide", "acls": acls("#")}),
    ]
}

/// Each of these too, by what limits somebody, and by whoever may more.
fn escalations_by_holders() -> Vec<Value> {
    let add = |role: &str, topic: &str| {
        json!({"command": "addRoleACL", "rolename": role, "acltype": "publishClientSend",
               "topic": topic, "allow": true})
    };
    vec![
        // The limit: lifted, copied, given away, taken from a colleague.
        json!({"command": "modifyRole", "rolename": "p1-admin", "adminprefix": null}),
        json!({"command": "modifyRole", "rolename": "p1-admin", "adminprefix": "p"}),
        json!({"command": "modifyRole", "rolename": "p1-admin", "acls": []}),
        json!({"command": "modifyRole", "rolename": "p1-admin", "textname": "t"}),
        json!({"command": "modifyRole", "rolename": "p1-sensor", "adminprefix": "p1-"}),
        json!({"command": "createRole", "rolename": "p1-x", "adminprefix": "p1-"}),
        json!({"command": "createRole", "rolename": "p1-x", "adminprefix": "p1-a"}),
        add("p1-admin", "p1/z"),
        json!({"command": "removeRoleACL", "rolename": "p1-admin",
               "acltype": "publishClientReceive", "topic": "secret/#"}),
        json!({"command": "deleteRole", "rolename": "p1-admin"}),
        json!({"command": "addClientRole", "username": "p1-dev", "rolename": "p1-admin"}),
        json!({"command": "removeClientRole", "username": "p1-deputy", "rolename": "p1-admin"}),
        json!({"command": "addGroupRole", "groupname": "p1-group", "rolename": "p1-admin"}),
        json!({"command": "removeGroupRole", "groupname": "p1-admins", "rolename": "p1-admin"}),
        json!({"command": "addGroupClient", "groupname": "p1-admins", "username": "p1-dev"}),
        json!({"command": "removeGroupClient", "groupname": "p1-admins", "username": "p1-chief"}),
        json!({"command": "modifyGroup", "groupname": "p1-admins",
               "clients": [{"username": "p1-dev"}]}),
        json!({"command": "deleteGroup", "groupname": "p1-admins"}),
        client("p1-x", &["p1-admin"]),
        group("p1-x", &["p1-admin"]),
        // The accounts of those who may more.
        json!({"command": "setClientPassword", "username": "p1-super", "password": "x"}),
        json!({"command": "rotatePassword", "username": "p1-super", "password": "x"}),
        json!({"command": "modifyClient", "username": "p1-super", "password": "x"}),
        json!({"command": "modifyClient", "username": "p1-super", "roles": []}),
        json!({"command": "setClientId", "username": "p1-super", "clientid": "x"}),
        json!({"command": "disableClient", "username": "p1-super"}),
        json!({"command": "deleteClient", "username": "p1-super"}),
        json!({"command": "setClientPassword", "username": "p1-deputy", "password": "x"}),
        json!({"command": "setClientPassword", "username": "p1-chief", "password": "x"}),
        // What concerns everybody.
        json!({"command": "setDefaultACLAccess",
               "acls": [{"acltype": "subscribe", "allow": true}]}),
        json!({"command": "setAnonymousGroup", "groupname": "p1-group"}),
        json!({"command": "addGroupRole", "groupname": "p1-nobody", "rolename": "p1-sensor"}),
        json!({"command": "deleteGroup", "groupname": "p1-nobody"}),
    ]
}

#[test]
fn no_way_leads_beyond_a_limit() {
    for_each_broker(|startup| {
        let broker = ours(startup, &beginning());
        let (mut admin, mut boss) = furnished(&broker);
        let mut state = || {
            let mut get = |command: &str| admin.order(json!({"command": command, "verbose": true}));
            let lists = ["listClients", "listGroups", "listRoles"].map(&mut get);
            // Who is connected is another matter.
            let [clients, groups, roles] = lists.map(|list| list.to_string());
            let bare = clients.replace("{\"address\":\"127.0.0.1\"}", "");
            let policy = ["getDefaultACLAccess", "getAnonymousGroup", "getDetails"].map(&mut get);
            (bare, groups, roles, policy.map(|answer| answer.to_string()))
        };
        let before = state();
        for order in [escalations_by_rules(), escalations_by_holders()].concat() {
            assert_eq!(error(&mut boss, &order), OUTSIDE, "{order}");
        }
        // Several in one message, the first of which would open the way.
        let batch = json!({"commands": [
            role("p1-y", json!([])),
            {"command": "addRoleACL", "rolename": "p1-y", "acltype": "publishClientSend",
             "topic": TOPIC, "allow": true},
            {"command": "addClientRole", "username": "p1-dev", "rolename": "p1-y"},
            {"command": "modifyRole", "rolename": "p1-y", "adminprefix": "p"},
            {"command": "deleteRole", "rolename": "p1-y"},
        ]});
        let answered = boss.ask(&batch.to_string());
        let errors = answered["responses"].as_array().unwrap().iter();
        let errors: Vec<&Value> = errors.map(|answer| &answer["error"]).collect();
        assert_eq!(
            errors,
            [
                &Value::Null,
                &json!(OUTSIDE),
                &Value::Null,
                &json!(OUTSIDE),
                &Value::Null
            ]
        );
        let after = state();
        assert_eq!((after.0, after.1, after.2), (before.0, before.1, before.2));
        let log = broker.log();
        assert!(
            log.contains("control by=\"boss\"") && log.contains(OUTSIDE),
            "{log}"
        );
    });
}

#[test]
fn lists_show_and_count_what_is_within_the_limit_and_nothing_else() {
    for_each_broker(|startup| {
        let broker = ours(startup, &beginning());
        let (_admin, mut boss) = furnished(&broker);
        let mut data = |order: Value| boss.order(order)["data"].take();
        let clients = data(json!({"command": "listClients"}));
        assert_eq!(
            clients["clients"],
            json!(["p1-chief", "p1-deputy", "p1-dev", "p1-super"])
        );
        assert_eq!(clients["totalCount"], 4);
        let page = data(json!({"command": "listClients", "count": 1, "offset": 2}));
        assert_eq!(
            (&page["clients"], &page["totalCount"]),
            (&json!(["p1-dev"]), &json!(4))
        );
        let whole = data(json!({"command": "listClients", "verbose": true, "offset": 2}));
        let names: Vec<&Value> = (whole["clients"].as_array().unwrap().iter())
            .map(|client| &client["username"])
            .collect();
        assert_eq!(names, [&json!("p1-dev"), &json!("p1-super")]);
        let roles = ["roles", "groups"].map(|field| whole["clients"][0][field].clone());
        assert_eq!(roles, [json!([{"rolename": "p1-sensor"}]), json!([])]);
        assert_eq!(
            whole["clients"][1]["roles"],
            json!([]),
            "admin is not there"
        );
        let groups = data(json!({"command": "listGroups"}));
        assert_eq!(
            groups["groups"],
            json!(["p1-admins", "p1-group", "p1-nobody"])
        );
        let roles = data(json!({"command": "listRoles"}));
        assert_eq!(roles["roles"], json!(["p1-admin", "p1-sensor", "p1-wide"]));
        let details = data(json!({"command": "getDetails"}));
        assert_eq!(
            (&details["clientCount"], &details["groupCount"]),
            (&json!(4), &json!(3))
        );
        let dev = data(json!({"command": "getClient", "username": "p1-dev"}));
        assert_eq!(dev["client"]["roles"], json!([{"rolename": "p1-sensor"}]));
        let group = data(json!({"command": "getGroup", "groupname": "p1-group"}));
        assert_eq!(group["group"]["clients"], json!([]), "bob is in it");
        let sessions = data(json!({"command": "listSessions"}));
        assert_eq!(
            (&sessions["totalCount"], &sessions["sessions"]),
            (&json!(0), &json!([]))
        );
        let role = data(json!({"command": "getRole", "rolename": "p1-admin"}));
        assert_eq!(role["role"]["adminprefix"], "p1-");
        let role = data(json!({"command": "getRole", "rolename": "p1-sensor"}));
        assert_eq!(role["role"].get("adminprefix"), None);
    });
}

/// What comes until a marker that was sent behind it.
fn heard(client: &mut Client) -> Vec<String> {
    client.subscribe("p1/marker", 0);
    client.publish("p1/marker", "");
    let mut topics = Vec::new();
    loop {
        match client.receive(PATIENCE) {
            Event::Publish { topic, .. } if topic == "p1/marker" => return topics,
            Event::Publish { topic, .. } => topics.push(topic),
            Event::Closed | Event::Silence => panic!("no marker"),
            _ => {}
        }
    }
}

#[test]
fn a_limited_administrator_alone_hears_its_answers_and_hears_those_of_nobody_else() {
    for_each_broker(|startup| {
        let broker = ours(startup, &beginning());
        let (mut admin, mut boss) = furnished(&broker);
        let mut deputy = by(&broker, "p1-deputy");
        let listed = boss.order(json!({"command": "listClients"}));
        assert_eq!(listed["data"]["totalCount"], 4);
        admin.order(json!({"command": "listClients"}));
        assert_eq!(heard(&mut boss.0), Vec::<String>::new());
        assert_eq!(heard(&mut deputy.0), Vec::<String>::new());
    });
}

#[test]
fn mosquitto_ctrl_works_for_a_limited_administrator() {
    for_each_broker(|startup| {
        let broker = ours(startup, &beginning());
        let (_admin, _boss) = furnished(&broker);
        let ctrl = |args: &[&str]| {
            let mut command = broker.tree().at_port("mosquitto_ctrl", broker.port());
            command.args(["-h", "127.0.0.1", "-u", "boss", "-P", "pw", "dynsec"]);
            finish(command.args(args)).succeeded()
        };
        let listed = ctrl(&["listClients"]);
        assert!(
            listed.contains("p1-dev") && !listed.contains("bob"),
            "{listed}"
        );
        ctrl(&["createClient", "p1-new", "-p", "secret"]);
        assert!(ctrl(&["getClient", "p1-new"]).contains("p1-new"));
    });
}

#[test]
fn orders_that_are_refused_end_no_connection_beyond_the_limit() {
    for_each_broker(|startup| {
        let broker = ours(startup, &beginning());
        let (_admin, mut boss) = furnished(&broker);
        let connect = Connect::new(Protocol::V311).client_id("bob");
        let mut bob = connect.credentials("bob", "pw").accepted(broker.port());
        let connect = Connect::new(Protocol::V311).client_id("p1-dev");
        let mut dev = connect.credentials("p1-dev", "pw").accepted(broker.port());
        for name in ["bob", "p1-dev"] {
            let order = json!({"command": "addGroupClient", "groupname": "q", "username": name});
            assert_ne!(error(&mut boss, &order), Value::Null);
        }
        assert!(dev.is_closed_within(PATIENCE), "as the original ends it");
        assert!(bob.is_connected());
    });
}

#[test]
fn several_limits_are_one_limit_and_a_role_without_one_takes_it_away() {
    for_each_broker(|startup| {
        let broker = ours(startup, &beginning());
        let (mut admin, boss) = furnished(&broker);
        drop(boss);
        admin.order(limited_role("q-admin", "q-"));
        admin.order(json!({"command": "addClientRole", "username": "boss", "rolename": "q-admin"}));
        let mut boss = by(&broker, "boss");
        assert_eq!(error(&mut boss, &client("p1-b", &[])), Value::Null);
        assert_eq!(error(&mut boss, &client("q-b", &[])), Value::Null);
        assert_eq!(error(&mut boss, &client("r-b", &[])), OUTSIDE);
        admin.order(json!({"command": "addClientRole", "username": "boss", "rolename": "admin"}));
        let mut boss = by(&broker, "boss");
        assert_eq!(error(&mut boss, &client("r-b", &[])), Value::Null);
        assert!(matches!(admin.0.receive(PATIENCE), Event::Publish { .. }));
        // The limit is in force for who is in already, and comes with the next order.
        let limit = json!({"command": "modifyRole", "rolename": "admin", "adminprefix": "z"});
        assert_eq!(error(&mut admin, &limit), Value::Null);
        assert!(matches!(boss.0.receive(PATIENCE), Event::Publish { .. }));
        assert_eq!(error(&mut boss, &client("s-b", &[])), OUTSIDE);
    });
}

#[test]
fn a_limit_is_a_text_that_is_not_empty_or_null() {
    for_each_broker(|startup| {
        let broker = ours(startup, &beginning());
        let mut admin = Admin::at(&broker);
        for wrong in [json!(""), json!(1), json!(["a"]), json!("a\u{1}")] {
            for command in ["createRole", "modifyRole"] {
                let order = json!({"command": command, "rolename": "r1", "adminprefix": wrong});
                assert_eq!(error(&mut admin, &order), "Invalid adminprefix");
            }
        }
        let mut shown = |value: Value| {
            let order = json!({"command": "modifyRole", "rolename": "r1", "adminprefix": value});
            assert_eq!(error(&mut admin, &order), Value::Null);
            let mut role = admin.order(json!({"command": "getRole", "rolename": "r1"}));
            role["data"]["role"].get_mut("adminprefix").map(Value::take)
        };
        assert_eq!(shown(json!("a")), Some(json!("a")));
        assert_eq!(shown(Value::Null), None);
    });
}

#[test]
fn an_order_whose_sender_lost_the_right_before_its_turn_is_not_carried_out() {
    for_each_broker(|startup| {
        let startup = startup.file("dynsec.json", beginning());
        import(startup.dir());
        let options = plugin_conf(&[
            "database {dir}/db",
            "database_roles true",
            // What comes while a password is hashed waits.
            "control_iterations 1000000",
        ]);
        let broker =
            startup.start(&("listener {port} 127.0.0.1\nlog_type all\n".to_owned() + &options));
        let mut grant = doorman();
        grant.args(["user", "grant", "ann", "admin", "--database"]);
        finish(grant.arg(broker.dir().join("db"))).succeeded();
        let mut admin = Admin::at(&broker);
        let connect = Connect::new(Protocol::V311).client_id("ann");
        let mut ann = connect.credentials("ann", "pw").accepted(broker.port());
        let order = |order: Value| json!({ "commands": [order] }).to_string();
        let slow = order(json!({"command": "createClient", "username": "x", "password": "x"}));
        admin.0.publish_acknowledged(TOPIC, slow);
        let revoke = json!({"command": "removeClientRole", "username": "ann", "rolename": "admin"});
        admin.0.publish_acknowledged(TOPIC, order(revoke));
        ann.publish_acknowledged(
            TOPIC,
            order(json!({"command": "createGroup", "groupname": "g9"})),
        );
        broker.wait_for_log(
            "command=\"createGroup\" groupname=\"g9\": The right to give orders was lost",
            PATIENCE,
        );
        assert!(ann.is_closed_within(PATIENCE));
        let mut admin = Admin(admin.0);
        // Two answers wait.
        for _ in 0..2 {
            assert!(matches!(admin.0.receive(PATIENCE), Event::Publish { .. }));
        }
        let groups = admin.order(json!({"command": "listGroups"}));
        assert_eq!(groups["data"]["groups"], json!(["g1"]));
        assert!(!admin.0.is_closed_within(Duration::ZERO));
    });
}
