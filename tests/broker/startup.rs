//! The start, and the end: what is wrong is said in one line that names it, and nothing is left
//! running.

use std::fs;
use std::os::unix::fs::MetadataExt;

use super::accounts::line;
use super::conf::conf;
use crate::support::{Answer, Broker, Connect, PATIENCE, Protocol, for_each_broker};

#[test]
fn options_that_are_wrong_stop_the_broker_with_what_is_accepted() {
    let wrong: [(&[&str], &str); 7] = [
        (
            &["pasword_file /x"],
            "unknown option plugin_opt_pasword_file; accepted are password_file",
        ),
        (
            &["unknown_user deny", "unknown_user deny"],
            "plugin_opt_unknown_user is given twice",
        ),
        (
            &["unknown_user refuse"],
            "plugin_opt_unknown_user \"refuse\": accepted are defer and deny",
        ),
        (
            &["max_memory 12"],
            "plugin_opt_max_memory \"12\": accepted is a size",
        ),
        (
            &["database_query SELECT 1"],
            "directly behind the plugin_opt_database line",
        ),
        (
            &["password_file {dir}/none"],
            "/none: No such file or directory",
        ),
        (&["password_file {dir}"], "not a regular file"),
    ];
    for_each_broker(|startup| {
        for (options, said) in wrong {
            let refusal = Broker::of(startup.tree()).start_fails(&conf(options));
            assert_eq!(refusal.code, Some(13), "{}", refusal.log);
            let lines = refusal
                .log
                .lines()
                .filter(|line| line.contains("doorman: "));
            let lines: Vec<_> = lines.collect();
            assert!(
                lines.len() == 1 && lines[0].contains(said),
                "{said}: {}",
                refusal.log
            );
        }
    });
}

#[test]
fn databases_that_are_not_ours_stop_the_broker_with_what_they_are() {
    for_each_broker(|startup| {
        let other = |sql: &str, at: &str| {
            let connection = rusqlite::Connection::open(startup.dir().join(at)).unwrap();
            connection.execute_batch(sql).unwrap();
        };
        other("CREATE TABLE mqtt_user (name, hash)", "foreign");
        fs::write(
            startup.dir().join("corrupt"),
            "no database at all, but long enough",
        )
        .unwrap();
        let query = "database_query SELECT hash FROM mqtt_user WHERE name = :username";
        let wrong = [
            (vec!["database {dir}/foreign"], "foreign: "),
            (vec!["database {dir}/corrupt"], "corrupt: "),
            (vec!["database {dir}/none", query], "none: "),
            (
                vec![
                    "database {dir}/foreign",
                    "database_query SELECT hash FROM mqtt_user",
                ],
                ":username",
            ),
            (
                vec![
                    "database {dir}/foreign",
                    "database_query DELETE FROM mqtt_user",
                ],
                "foreign: ",
            ),
            (
                vec!["database {dir}/foreign", "database_query SELEC"],
                "foreign: ",
            ),
        ];
        for (options, said) in wrong {
            let conf = conf(&options).replace("{dir}", &startup.dir().display().to_string());
            let refusal = Broker::of(startup.tree()).start_fails(&conf);
            assert_eq!(refusal.code, Some(13), "{}", refusal.log);
            let line = refusal
                .log
                .lines()
                .find(|line| line.contains("doorman: "))
                .unwrap();
            assert!(line.contains(said), "{said}: {line}");
        }
    });
}

#[test]
fn a_missing_database_is_made_for_its_owner_alone() {
    for_each_broker(|startup| {
        let mut broker = startup.start(&conf(&["database {dir}/db"]));
        let connect = Connect::new(Protocol::V311).credentials("ann", "pw");
        assert_eq!(connect.answer(broker.port()), Answer::Refused(5));
        let made = fs::metadata(broker.dir().join("db")).unwrap();
        let directory = fs::metadata(broker.dir()).unwrap();
        assert_eq!((made.mode() & 0o777, made.uid()), (0o600, directory.uid()));
        assert_eq!(broker.stop().code(), Some(0));
    });
}

/// Somebody else's tables, asked with the operator's statement.
#[test]
fn a_database_with_its_own_schema_is_asked_with_the_operators_query() {
    for_each_broker(|startup| {
        let path = startup.dir().join("app.db");
        let app = rusqlite::Connection::open(&path).unwrap();
        app.execute_batch("CREATE TABLE device (name TEXT PRIMARY KEY, hash, off, cid)")
            .unwrap();
        let add = |name: &str, off: i64, cid: Option<&str>| {
            let hash = super::accounts::stored(b"pw", 1).text;
            let sql = "INSERT INTO device VALUES (?1, ?2, ?3, ?4)";
            app.execute(sql, rusqlite::params![name, &*hash, off, cid])
                .unwrap();
        };
        add("ann", 0, None);
        add("off", 1, None);
        add("bound", 0, Some("c1"));
        let query = "database_query SELECT hash, off AS disabled, cid AS client_id FROM device \
                     WHERE name = :username";
        let mut broker = startup.start(&conf(&["database {dir}/app.db", query]));
        let answer = |name: &str, password: &str, id: &str| {
            let connect = Connect::new(Protocol::V311).client_id(id);
            connect.credentials(name, password).answer(broker.port())
        };
        assert_eq!(answer("ann", "pw", "x"), Answer::Accepted);
        assert_eq!(answer("ann", "wp", "x"), Answer::Refused(5));
        assert_eq!(answer("off", "pw", "x"), Answer::Refused(5));
        assert_eq!(answer("bound", "pw", "c1"), Answer::Accepted);
        assert_eq!(answer("bound", "pw", "c2"), Answer::Refused(5));
        assert_eq!(answer("' OR 1=1 --", "pw", "x"), Answer::Refused(5));
        add("new", 0, None);
        assert_eq!(answer("new", "pw", "x"), Answer::Accepted);
        for reason in ["disabled", "wrong_client_id", "bad_password"] {
            let line = format!("refused reason={reason} ");
            broker.wait_for_log(&line, PATIENCE);
        }
        assert_eq!(broker.stop().code(), Some(0));
    });
}

#[test]
fn the_first_source_that_knows_a_username_answers() {
    for_each_broker(|startup| {
        let broker = startup
            .file("first", line("ann", "first"))
            .file("second", line("ann", "second") + &line("bob", "second"))
            .start(&conf(&[
                "password_file {dir}/first",
                "password_file {dir}/second",
            ]));
        let answer = |name: &str, password: &str| {
            Connect::new(Protocol::V5)
                .credentials(name, password)
                .answer(broker.port())
        };
        assert_eq!(answer("ann", "first"), Answer::Accepted);
        assert_eq!(answer("ann", "second"), Answer::Refused(135));
        assert_eq!(answer("bob", "second"), Answer::Accepted);
    });
}

/// In a process with threads, the kernel has whoever opens the 256th, 512th … descriptor wait.
#[test]
fn the_table_of_descriptors_is_as_large_as_it_may_get() {
    for_each_broker(|startup| {
        let version = startup.tree().version().to_owned();
        let broker = startup
            .file("users", line("ann", "pw"))
            .start(&conf(&["password_file {dir}/users"]));
        let room = descriptors(broker.pid(), "status", "FDSize:");
        let limit = descriptors(broker.pid(), "limits", "Max open files");
        assert!(room >= limit.min(131_072), "{version}: {room} of {limit}");
        // Without us it grows as connections come.
        let stock = Broker::of(broker.tree()).start("listener {port}\nallow_anonymous true\n");
        assert!(descriptors(stock.pid(), "status", "FDSize:") < limit);
    });
}

/// The first number of a line of `/proc/PID/FILE`.
fn descriptors(pid: u32, file: &str, line: &str) -> u64 {
    let text = fs::read_to_string(format!("/proc/{pid}/{file}")).unwrap();
    let rest = text.lines().find_map(|l| l.strip_prefix(line)).unwrap();
    rest.split_whitespace().next().unwrap().parse().unwrap()
}

#[test]
fn newer_brokers_are_told_our_name() {
    for_each_broker(|startup| {
        let is_2_1 = startup.tree().is_2_1();
        let broker = startup
            .file("users", line("ann", "pw"))
            .start(&conf(&["password_file {dir}/users"]));
        assert!(broker.log().contains("doorman: version "));
        if is_2_1 {
            let told = format!(
                "Plugin doorman version {} loaded",
                env!("CARGO_PKG_VERSION")
            );
            assert!(broker.log().contains(&told), "{}", broker.log());
        }
    });
}
