//! One table of commands, given to a database and to a broker: they print the same and end the same.

use std::fs;

use serde_json::{Value, json};

use super::super::accounts::stored;
use super::super::control_compared::Admin;
use super::{Pair, SECRET, ended};
use crate::support::{Answer, Connect, Finished, Protocol, for_each_broker};

/// Arguments, each as a line, and standard input.
type Step = (&'static str, &'static str);

const ADD: &str = "--password-stdin --iterations 101";

const KEY: &str = "00112233445566778899aabbccddeeff";

const ACCOUNTS: &[Step] = &[
    (
        "user add dave ADD --client-id d1 --networks 10.0.0.0/8,::1 --notes kept --textname D",
        "tulip-1\n",
    ),
    ("user add dave ADD", "tulip-1\n"),
    (
        "user add eve ADD --disabled --valid-until 2001-02-03",
        "tulip-2\n",
    ),
    ("user list", ""),
    ("user show dave", ""),
    ("user show dave --json", ""),
    ("user show eve --json", ""),
    ("user show nobody", ""),
    ("user passwd dave ADD --keep-old", "tulip-3\n"),
    ("user passwd nobody ADD", "tulip-3\n"),
    ("user show dave", ""),
    ("user drop-old dave", ""),
    ("user drop-old dave", ""),
    (
        "user set dave --any-client-id --any-network --textdescription what --valid-from always",
        "",
    ),
    (
        "user certificate add dave dns:Dave.example uri:urn:dev:7",
        "",
    ),
    ("user certificate add ann uri:urn:dev:7", ""),
    ("psk add dave --psk-stdin", KEY),
    ("psk add dave --identity d1 --psk-stdin", KEY),
    ("user show dave", ""),
    ("user set nobody --notes x", ""),
    ("user set dave", ""),
    ("user show dave --json", ""),
    ("user enable eve", ""),
    ("user disable ann bob", ""),
    ("user disable ann nobody", ""),
    ("user list", ""),
    ("user delete eve nobody", ""),
    ("user delete eve", ""),
    ("user passwd dave --password-stdin --argon2id", "tulip-4\n"),
    ("user show dave", ""),
];

const ROLES: &[Step] = &[
    (
        "role add reader --textname R --valid-until 2001-02-03 --no-wildcard-subs",
        "",
    ),
    ("role add reader", ""),
    (
        "role allow reader publishClientReceive plant/# --max-qos 1 --no-retain --max-payload 100",
        "",
    ),
    (
        "role allow reader subscribePattern plant/# --priority 7",
        "",
    ),
    ("role deny reader publishClientSend plant/%u/+", ""),
    ("role deny reader publishClientSend plant/%u/+", ""),
    ("role deny nothing publishClientSend a", ""),
    ("role show reader", ""),
    ("role show reader --json", ""),
    ("role remove reader publishClientSend plant/%u/+", ""),
    ("role remove reader publishClientSend plant/%u/+", ""),
    ("role set reader --wildcard-subs --valid-until never", ""),
    ("role list", ""),
    ("role list --json", ""),
    ("user grant dave reader --priority 3", ""),
    ("user grant dave reader", ""),
    ("user grant dave reader nothing", ""),
    ("user grant nobody reader", ""),
    ("user show dave", ""),
    ("group add staff --textname S", ""),
    ("group add staff", ""),
    ("group grant staff reader r1", ""),
    ("group join staff dave ann --priority 2", ""),
    ("group join staff nobody", ""),
    ("group show staff", ""),
    ("group show staff --json", ""),
    ("group list --json", ""),
    ("role show reader --all", ""),
    ("group leave staff ann", ""),
    ("group revoke staff r1", ""),
    ("group set staff --textdescription those", ""),
    ("group anonymous", ""),
    ("group anonymous staff", ""),
    ("group anonymous --json", ""),
    ("group delete staff", ""),
    ("group anonymous --none", ""),
    ("group delete staff nothing", ""),
    ("group show nothing", ""),
    ("user revoke dave reader", ""),
    ("user revoke dave reader", ""),
    ("user show dave --json", ""),
    ("role delete reader", ""),
    ("role show reader", ""),
    ("default", ""),
    ("default set subscribe=allow publishClientReceive=deny", ""),
    ("default set subscribe=allow subscribe=deny", ""),
    ("default show --json", ""),
];

/// `questions` is a table of expected answers, of which some do not hold.
const QUESTIONS: &[Step] = &[
    ("explain bob publish a/b", ""),
    ("explain bob publish a/b --json", ""),
    ("explain bob publish a/c", ""),
    ("explain ann subscribe #", ""),
    (
        "explain bob receive x --client-id c --qos 1 --retain --payload 2K --json",
        "",
    ),
    ("explain - receive x", ""),
    ("explain admin publish $CONTROL/dynamic-security/v1", ""),
    ("explain nobody publish a", ""),
    ("explain bob publish a/#", ""),
    ("test questions", ""),
    ("test questions --json", ""),
];

const IMPORTS: &[Step] = &[
    (
        "import --format plain --iterations 101 -",
        "kim:tulip-5\nlee:tulip-6\nno colon\n",
    ),
    (
        "import --format plain --iterations 101 --strict -",
        "max:tulip-5\n:empty\n",
    ),
    ("import --format mosquitto some", ""),
    ("import --format mosquitto --existing keep some", ""),
    ("import --format mosquitto --existing refuse some", ""),
    (
        "import --format mosquitto --existing refuse --strict some",
        "",
    ),
    ("import table.csv", ""),
    ("import table.csv", ""),
    ("user show kim --json", ""),
    ("user show new --json", ""),
    ("user list", ""),
];

/// More than one message and one answer hold; over a broker it is more than one transaction, too, with a
/// record of each.
const MANY: &[Step] = &[
    ("import --format mosquitto many", ""),
    ("import --format mosquitto many", ""),
    ("import --format mosquitto --existing keep many", ""),
    (
        "import --format mosquitto --existing refuse --strict many",
        "",
    ),
    ("user list", ""),
];

const RECORD: &[Step] = &[
    ("audit list --json", ""),
    ("audit list --json --user dave --limit 2", ""),
    (
        "audit list --json --since 2001-02-03 --until 2001-02-04",
        "",
    ),
    (
        "audit verify --json --known 0000000000000000000000000000000000000000000000000000000000000001",
        "",
    ),
    ("audit verify", ""),
    // Nothing and everything: "now" is another second on one side than on the other.
    ("audit prune --before 2001-02-03", ""),
    ("audit prune --before 52w", ""),
    ("audit prune --before 2100-01-01", ""),
    ("audit verify", ""),
];

#[test]
fn a_command_says_the_same_to_a_broker_as_to_its_database() {
    for_each_broker(|startup| {
        let pair = Pair::start(startup);
        write_imports(&pair);
        let all = [QUESTIONS, ACCOUNTS, ROLES, QUESTIONS, IMPORTS, RECORD, MANY];
        for (args, input) in all.concat() {
            let args = args.replace("ADD", ADD);
            let args: Vec<&str> = args.split(' ').collect();
            let here = same(&pair, pair.here(&args, input));
            let there = same(&pair, pair.there(&args, input));
            assert_eq!(here, there, "{args:?}");
            assert!(here.code.is_some_and(|code| code != 101), "{here:?}");
        }
        let log = pair.broker.log();
        assert!(log.contains("command=\"applyCommands\"") && log.contains("\"importCommands\""));
        for secret in [SECRET, "$7$", KEY] {
            assert!(!log.contains(secret));
        }
    });
}

/// What is imported.
fn write_imports(pair: &Pair) {
    let credential = stored(b"pw", 101).text;
    let many = (0..1_300).map(|n| format!("m{n}:{credential}\n"));
    fs::write(pair.dir().join("many"), many.collect::<String>()).unwrap();
    let some = format!("kim:{credential}\nfresh:{credential}\nlee:{credential}\n");
    fs::write(pair.dir().join("some"), some).unwrap();
    let table = format!(
        "username,credential,client_id,networks,certificates,disabled,notes\n\
         kim,{credential},k1,10.0.0.0/8,dns:kim.example uri:urn:k,no,told\n\
         new,{credential},,,,yes,\nbad,no hash,,,,,\nodd,{credential},,,kim.example,,\n\
         lee,{credential},,,uri:urn:k,,\n"
    );
    fs::write(pair.dir().join("table.csv"), table).unwrap();
    let questions = "allow bob publish a/b\ndeny bob publish a/b\ndeny nobody publish a\n";
    fs::write(pair.dir().join("questions"), questions).unwrap();
}

/// What was printed, without what must differ: where it was done, when, and by whom.
fn same(pair: &Pair, mut finished: Finished) -> Finished {
    let paths = [pair.other(), pair.dir().join("db")].map(|path| path.display().to_string());
    for text in [&mut finished.stdout, &mut finished.stderr] {
        for path in &paths {
            *text = text.replace(path, "DB");
        }
        let lines = text.lines().map(|line| match serde_json::from_str(line) {
            Ok(Value::Object(mut fields)) => {
                for field in ["at", "who", "from", "hash"] {
                    fields.remove(field);
                }
                Value::Object(fields).to_string()
            }
            // The hash that `audit verify` tells.
            _ if line.len() == 64 => "HASH".to_owned(),
            _ => line.to_owned(),
        });
        *text = lines.collect::<Vec<_>>().join("\n");
    }
    finished
}

#[test]
fn what_was_done_over_a_broker_is_in_force_and_names_who_did_it() {
    for_each_broker(|startup| {
        let pair = Pair::start(startup);
        let login = |password: &str| {
            let connect = Connect::new(Protocol::V5).client_id("dave");
            connect
                .credentials("dave", password)
                .answer(pair.broker.port())
        };
        let args: Vec<&str> = "user add dave --password-stdin --iterations 101"
            .split(' ')
            .collect();
        assert_ne!(login("tulip-1"), Answer::Accepted);
        ended(pair.there(&args, "tulip-1"), 0, "dave added");
        assert_eq!(login("tulip-1"), Answer::Accepted);
        assert_ne!(login("tulip-2"), Answer::Accepted);
        ended(
            pair.there(&["user", "disable", "dave"], ""),
            0,
            "dave changed",
        );
        assert_ne!(login("tulip-1"), Answer::Accepted);
        let listed = pair.there(&["audit", "list", "--json", "--limit", "1"], "");
        let record: Value = serde_json::from_str(&listed.stdout).unwrap();
        assert_eq!(record["verb"], "disableClient");
        assert_eq!(record["who"], "mqtt:admin");
        let from = record["from"].as_str().unwrap();
        assert!(from.starts_with("127.0.0.1 doorman-"), "{from}");
    });
}

#[test]
fn an_order_of_ours_is_all_or_nothing_and_takes_no_password_in_clear() {
    for_each_broker(|startup| {
        let pair = Pair::start(startup);
        let mut admin = Admin::at(&pair.broker);
        let mut apply =
            |changes: Value| admin.order(json!({"command": "applyCommands", "changes": changes}));
        let add = |name: &str, credential: &str| json!({"add": {"account": {"name": name}, "credential": credential}});
        let hash = stored(b"pw", 101).text;
        let done = apply(json!([add("one", &hash), {"delete": "bob"}]));
        assert_eq!(done["data"], json!(["added", "deleted"]));
        let refused = apply(json!([add("two", &hash), {"delete": "nobody"}]));
        assert_eq!(refused["error"], "Client not found");
        assert_eq!(refused["detail"], json!({"missing": {"name": "nobody"}}));
        for wrong in [
            json!([add("two", "tulip-garden")]),
            json!([add("two", "$7$1$x")]),
            json!([add("two\n", &hash)]),
            json!([{"add": {"account": {"name": "two", "superuser": true}}}]),
            json!([{"destroy": "ann"}]),
            json!({"delete": "ann"}),
            json!("delete"),
            Value::Null,
        ] {
            let refused = apply(wrong.clone());
            assert!(refused["error"].is_string(), "{wrong} gives {refused}");
            assert!(!refused.to_string().contains("tulip"));
        }
        let names = admin.order(json!({"command": "listClients"}));
        let names = names["data"]["clients"].to_string();
        assert!(
            names.contains("\"one\"") && names.contains("\"ann\""),
            "{names}"
        );
        assert!(
            !names.contains("\"two") && !names.contains("\"bob\""),
            "{names}"
        );
        let whole = admin.order(json!({"command": "queryStore", "question": {"account": "one"}}));
        let kind = &whole["data"]["credential"]["kind"];
        assert_eq!(kind, "PBKDF2-HMAC-SHA512, 101 iterations");
        assert!(!whole.to_string().contains("$7$"), "{whole}");
        let none = admin.order(json!({"command": "queryStore", "question": {"account": "two"}}));
        assert_eq!(none["data"], Value::Null);
        let wrong = admin.order(json!({"command": "queryStore", "question": {"secrets": 1}}));
        assert_eq!(wrong["error"], "Invalid/missing question");
    });
}
