//! Orders to a broker whose disk has no room, or whose directory cannot be written: each is told so, nothing
//! is half done, and the next one is carried out as soon as it can be.
//!
//! The full disk is a small file system in memory of the broker's own, in a mount namespace: as root, or
//! with a user namespace beside it. Where neither is allowed, the file that may not grow is left.

use std::collections::BTreeSet;
use std::fs;
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use nix::sys::statvfs::statvfs;
use nix::unistd::Uid;
use serde_json::{Value, json};

use super::control_compared::{Admin, beginning, import};
use crate::support::{
    Answer, Broker, Connect, PATIENCE, Protocol, Startup, for_each_broker, plugin_conf,
};

const LISTENER: &str = "listener {port} 127.0.0.1\nlog_type all\n";

/// More orders than there is room for.
const MOST: usize = 4_000;

/// What was said to orders, by the names of the clients that they would make.
#[derive(Default)]
struct Said {
    done: BTreeSet<String>,
    refused: BTreeSet<String>,
}

impl Said {
    /// Has clients made until that is refused; the refusal.
    fn until_refused(&mut self, admin: &mut Admin) -> String {
        for _ in 0..MOST {
            if let Some(why) = self.order(admin) {
                return why;
            }
        }
        panic!("{MOST} clients found room");
    }

    /// Why a client was not made.
    fn order(&mut self, admin: &mut Admin) -> Option<String> {
        let number = self.done.len() + self.refused.len();
        let name = format!("new-{number:05}");
        let text = "x".repeat(600);
        let answer = admin
            .order(json!({"command": "createClient", "username": name, "textdescription": text}));
        assert_eq!(answer["command"], "createClient");
        let Some(why) = answer["error"].as_str() else {
            self.done.insert(name);
            return None;
        };
        self.refused.insert(name);
        Some(why.to_owned())
    }

    /// Exactly those are there that were said to be.
    fn is_true(&self, admin: &mut Admin) {
        let listed = admin.order(json!({"command": "listClients"}));
        let listed = listed["data"]["clients"].as_array().expect("a list").iter();
        let listed = listed.map(|name| name.as_str().expect("a name").to_owned());
        let new: BTreeSet<String> = listed.filter(|name| name.starts_with("new-")).collect();
        assert_eq!(new, self.done);
    }
}

/// Refused, as far as there is no room; once there is, carried out.
fn is_endured(broker: &Broker, admin: &mut Admin, why: &str, make_room: impl FnOnce()) {
    let mut said = Said::default();
    assert_eq!(said.order(admin), None, "there is room");
    let refused = said.until_refused(admin);
    assert!(refused.starts_with("Internal error: "), "{refused}");
    assert!(refused.contains(why), "{refused}");
    let line = format!("the control API changed nothing: {}", &refused[16..]);
    broker.wait_for_log(&line, PATIENCE);
    // Whoever logs in is let in, and what is asked is answered.
    let login = Connect::new(Protocol::V311).client_id("another");
    let login = login.credentials("admin", PASSWORD);
    assert_eq!(login.answer(broker.port()), Answer::Accepted);
    said.is_true(admin);
    for _ in 0..20 {
        said.order(admin);
    }
    said.is_true(admin);
    make_room();
    assert_eq!(said.order(admin), None);
    said.is_true(admin);
    let created = said.done.last().expect("the last one").clone();
    let deleted = admin.order(json!({"command": "deleteClient", "username": created}));
    assert_eq!(deleted, json!({"command": "deleteClient"}));
}

const PASSWORD: &str = "tulips in the snow";

/// A broker whose database begins with an administrator, in a directory.
fn founded(startup: Startup, database: &str) -> Broker {
    let startup = startup.file("password", PASSWORD);
    let options = plugin_conf(&[
        &format!("database {database}"),
        "database_roles true",
        "password_init_file {dir}/password",
        "control_iterations 10",
    ]);
    startup.start(&(LISTENER.to_owned() + &options))
}

/// How a program gets a mount namespace of its own here, if it does.
fn unshare() -> Option<Vec<&'static str>> {
    let ways = [vec!["unshare", "-m"], vec!["unshare", "-r", "-m"]];
    ways.into_iter().find(|way| {
        let mut mount = Command::new(way[0]);
        mount
            .args(&way[1..])
            .args(["mount", "-t", "tmpfs", "tmpfs", "/mnt"]);
        mount.output().is_ok_and(|output| output.status.success())
    })
}

/// A directory as a process sees it.
fn seen_by(broker: &Broker, path: &Path) -> PathBuf {
    let root = PathBuf::from(format!("/proc/{}/root", broker.pid()));
    root.join(path.strip_prefix("/").expect("an absolute path"))
}

#[test]
fn a_full_disk_is_told_and_what_was_answered_stays() {
    let Some(unshare) = unshare() else {
        println!("skipped: no mount namespace is to be had here");
        return;
    };
    for_each_broker(|startup| {
        let disk = startup.dir().join("disk");
        fs::create_dir(&disk).unwrap();
        let mounted = disk.display().to_string();
        let mount = "mount -t tmpfs -o size=3m tmpfs \"$0\" && exec \"$@\"";
        let runner = [&unshare[..], &["sh", "-c", mount, &mounted]].concat();
        let broker = founded(startup.run_by(&runner), "{dir}/disk/db");
        let disk = seen_by(&broker, &disk);
        let mut admin = Admin::with(&broker, PASSWORD);
        // What is left of the disk is taken by somebody else.
        let filler = disk.join("filler");
        let mut file = fs::File::create(&filler).unwrap();
        while free(&disk) > LEFT {
            file.write_all(&[0; 4096]).unwrap();
        }
        drop(file);
        is_endured(&broker, &mut admin, "disk is full", || {
            fs::remove_file(&filler).unwrap();
        });
    });
}

/// Room for a few orders.
const LEFT: u64 = 256 * 1024;

/// Bytes that are free on a file system.
fn free(path: &Path) -> u64 {
    let system = statvfs(path).unwrap();
    system.blocks_available() * system.fragment_size()
}

#[test]
fn a_file_that_may_not_grow_is_told_and_what_was_answered_stays() {
    for_each_broker(|startup| {
        // Without the signal that a program of this kind is ended by.
        let limited = "trap '' XFSZ; ulimit -S -f 1024; exec \"$@\"";
        let broker = founded(startup.run_by(&["sh", "-c", limited, "sh"]), "{dir}/db");
        let mut admin = Admin::with(&broker, PASSWORD);
        is_endured(&broker, &mut admin, "I/O error", || {
            let pid = broker.pid().to_string();
            let prlimit = Command::new("prlimit")
                .args(["--pid", &pid, "--fsize=unlimited:"])
                .status();
            assert!(prlimit.is_ok_and(|status| status.success()), "prlimit");
        });
    });
}

/// Has a broker meet the permissions of files, also as root.
fn without_privilege(startup: Startup) -> Startup {
    match Uid::effective().is_root() {
        true => startup.run_by(&["setpriv", "--bounding-set", "-dac_override", "--"]),
        false => startup,
    }
}

#[test]
fn a_directory_that_cannot_be_written_any_more_stops_no_order() {
    for_each_broker(|startup| {
        let startup = startup.file("dynsec.json", beginning());
        import(startup.dir());
        let options = plugin_conf(&[
            "database {dir}/db",
            "database_roles true",
            "sys_interval 1",
            "metrics_file {dir}/doorman.prom",
        ]);
        let conf = LISTENER.to_owned() + &options;
        let broker = without_privilege(startup).start(&conf);
        let mut admin = Admin::at(&broker);
        let allow = |mode| {
            let mode = fs::Permissions::from_mode(mode);
            fs::set_permissions(broker.dir(), mode).unwrap();
        };
        allow(0o555);
        broker.wait_for_log("the figures are not written", PATIENCE);
        // What lies beside the database is there already.
        let created = admin.order(json!({"command": "createClient", "username": "dave"}));
        let listed = admin.order(json!({"command": "listClients"}));
        allow(0o755);
        assert_eq!(created, json!({"command": "createClient"}));
        let clients = listed["data"]["clients"].as_array().expect("a list");
        assert!(clients.contains(&Value::from("dave")));
    });
}

#[test]
fn a_database_in_a_directory_that_cannot_be_written_ends_the_start_with_its_name() {
    for_each_broker(|startup| {
        let startup = startup.file("dynsec.json", beginning());
        import(startup.dir());
        let kept = startup.dir().join("kept");
        fs::create_dir(&kept).unwrap();
        fs::rename(startup.dir().join("db"), kept.join("db")).unwrap();
        fs::set_permissions(&kept, fs::Permissions::from_mode(0o555)).unwrap();
        let options = plugin_conf(&["database {dir}/kept/db", "database_roles true"]);
        let conf = LISTENER.to_owned() + &options;
        let refusal = without_privilege(startup).start_fails(&conf);
        assert!(refusal.code.is_some_and(|code| code != 0), "{refusal:?}");
        assert!(refusal.log.contains("kept/db: "), "{refusal:?}");
    });
}
