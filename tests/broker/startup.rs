//! The start, and the end: what is wrong is said in one line that names it, and nothing is left
//! running.

use std::fs;
use std::os::unix::fs::MetadataExt;

use super::accounts::line;
use super::conf::conf;
use crate::support::{Answer, Broker, Connect, PATIENCE, Protocol, eventually, for_each_broker};

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

#[test]
fn a_broker_ends_in_order_and_takes_the_watcher_with_it() {
    for_each_broker(|startup| {
        let mut broker = startup
            .file("users", line("ann", "pw"))
            .start(&conf(&["password_file {dir}/users", "database {dir}/db"]));
        let tasks = format!("/proc/{}/task", broker.pid());
        let names = || {
            let tasks = fs::read_dir(&tasks).unwrap().flatten();
            let names = tasks.map(|task| fs::read_to_string(task.path().join("comm")));
            names.map(Result::unwrap_or_default).collect::<String>()
        };
        // A thread names itself, a moment after it was started.
        assert!(eventually(PATIENCE, || names().contains("doorman-watch")));
        // Every signal is blocked in it: a SIGHUP there would be lost to the broker.
        for task in fs::read_dir(&tasks).unwrap().flatten() {
            let status = fs::read_to_string(task.path().join("status")).unwrap();
            if status.starts_with("Name:\tdoorman-watch") {
                let blocked = status
                    .lines()
                    .find_map(|line| line.strip_prefix("SigBlk:\t"));
                let mask = u64::from_str_radix(blocked.unwrap(), 16).unwrap();
                assert_eq!(
                    mask & HUP_INT_USR1_USR2_TERM,
                    HUP_INT_USR1_USR2_TERM,
                    "{status}"
                );
            }
        }
        assert_eq!(broker.stop().code(), Some(0));
    });
}

#[test]
fn threads_of_ours_take_no_core_from_the_brokers() {
    for_each_broker(|startup| {
        let broker = startup.start(&conf(&[
            "database {dir}/db",
            "database_roles true",
            "auto_init false",
        ]));
        let tasks = format!("/proc/{}/task", broker.pid());
        // Name, niceness and policy of each.
        let all = || -> Vec<[String; 3]> {
            let tasks = fs::read_dir(&tasks).unwrap().flatten();
            let stats = tasks.filter_map(|task| fs::read_to_string(task.path().join("stat")).ok());
            stats.map(|stat| of_thread(&stat)).collect()
        };
        let gives_way = |name: &str| {
            let is_it = |thread: &[String; 3]| thread[0].starts_with(name);
            let all = all();
            let mut those = all.iter().filter(|thread| is_it(thread)).peekable();
            those.peek().is_some() && those.all(|thread| thread[1..] == ["10", BATCH])
        };
        let workers = broker.tree().is_2_1().then_some("doorman-work");
        for name in ["doorman-watch", "doorman-control"]
            .into_iter()
            .chain(workers)
        {
            // It says so itself, a moment after it was started.
            assert!(eventually(PATIENCE, || gives_way(name)), "{:?}", all());
        }
        let [_, niceness, policy] = of_thread(&fs::read_to_string("/proc/self/stat").unwrap());
        let main = fs::read_to_string(format!("{tasks}/{}/stat", broker.pid())).unwrap();
        assert_eq!(
            of_thread(&main)[1..],
            [niceness, policy],
            "as it was started"
        );
    });
}

/// Name, niceness and policy of `/proc/PID/stat`.
fn of_thread(stat: &str) -> [String; 3] {
    let (before, after) = stat.rsplit_once(')').unwrap();
    let fields: Vec<&str> = after.split_whitespace().collect();
    let (_, name) = before.split_once('(').unwrap();
    // The nineteenth and the forty-first, of which the third comes first.
    [name, fields[16], fields[38]].map(str::to_owned)
}

const BATCH: &str = "3";

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

const HUP_INT_USR1_USR2_TERM: u64 = 1 | 1 << 1 | 1 << 9 | 1 << 11 | 1 << 14;
