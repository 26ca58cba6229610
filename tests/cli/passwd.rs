//! `doorman passwd`: the habits of `mosquitto_passwd`, without its data loss.

use std::path::Path;
use std::process::{Child, Stdio};
use std::time::Duration;

use super::{Desk, Ran, hash, run};

/// A file as somebody keeps it by hand.
const KEPT: &str = "# staff\n\n  # indented\nroger:$7$101$AAAA$BBBB\nnonsense\n:empty\n";

fn passwd(desk: &Desk, args: &[&str], input: &str) -> Ran {
    let mut command = desk.command(&["passwd", "-I", "101"]);
    command.args(args);
    run(command, input)
}

fn twice(password: &str) -> String {
    format!("{password}\n{password}\n")
}

#[test]
fn a_file_is_created_changed_and_cleaned() {
    let desk = Desk::bare("--file");
    passwd(&desk, &["accounts", "roger"], &twice("tulip-garden"))
        .code(5)
        .says("-c");
    passwd(&desk, &["-c", "accounts", "roger"], &twice("tulip-garden")).code(0);
    assert_eq!(desk.verify("roger", "tulip-garden"), Some(0));
    passwd(&desk, &["-b", "accounts", "sub", "rose-garden"], "").code(0);
    passwd(&desk, &["accounts", "roger"], &twice("lily-garden")).code(0);
    assert_eq!(desk.verify("sub", "rose-garden"), Some(0));
    assert_eq!(desk.verify("roger", "lily-garden"), Some(0));
    passwd(&desk, &["-D", "accounts", "roger"], "").code(0);
    passwd(&desk, &["-D", "accounts", "roger"], "").code(3);
    assert_eq!(desk.verify("roger", "lily-garden"), Some(3));
}

#[test]
fn creating_never_overwrites() {
    let desk = Desk::file();
    desk.add("roger", "tulip-garden").code(0);
    let before = desk.text();
    passwd(&desk, &["-c", "-b", "accounts", "sub", "rose-garden"], "")
        .code(4)
        .says("leave out -c");
    assert_eq!(desk.text(), before);
}

#[test]
fn two_passwords_that_differ_change_nothing() {
    let desk = Desk::bare("--file");
    let differing = "tulip-garden\nrose-garden\n";
    passwd(&desk, &["-c", "accounts", "roger"], differing)
        .code(1)
        .says("differ");
    passwd(&desk, &["-c", "accounts", "roger"], "tulip-garden\n").code(1);
    assert!(!desk.place.exists());
}

#[test]
fn comments_and_lines_nobody_understands_stay() {
    let desk = Desk::file();
    desk.write("accounts", KEPT);
    passwd(&desk, &["-b", "accounts", "sub", "tulip-garden"], "").code(0);
    assert!(desk.text().starts_with(KEPT));
    passwd(&desk, &["-D", "accounts", "sub"], "").code(0);
    assert_eq!(desk.text(), KEPT);
    passwd(&desk, &["-b", "accounts", "roger", "tulip-garden"], "").code(0);
    let text = desk.text();
    let kept: Vec<_> = text
        .lines()
        .filter(|line| !line.starts_with("roger:"))
        .collect();
    let before: Vec<_> = KEPT
        .lines()
        .filter(|line| !line.starts_with("roger:"))
        .collect();
    assert_eq!(kept, before);
}

#[test]
fn upgrading_hashes_what_is_clear_and_nothing_twice() {
    let desk = Desk::file();
    let hash = hash("$7$101$", 12);
    desk.write(
        "accounts",
        &format!("# staff\na:tulip-garden\nb:{hash}\nc:$7$damaged\n"),
    );
    passwd(&desk, &["-U", "accounts"], "")
        .code(0)
        .says("c left alone");
    let after = desk.text();
    assert!(after.contains(&format!("b:{hash}\nc:$7$damaged\n")) && !after.contains("tulip"));
    assert_eq!(desk.verify("a", "tulip-garden"), Some(0));
    passwd(&desk, &["-U", "accounts"], "").code(0);
    assert_eq!(desk.text(), after);
}

#[test]
fn forms_are_chosen_by_the_originals_names() {
    let desk = Desk::file();
    for (form, start) in [
        ("sha512", "$6$"),
        ("sha512-pbkdf2", "$7$101$"),
        ("argon2id", "$argon2id$"),
    ] {
        passwd(
            &desk,
            &["-H", form, "-b", "accounts", "roger", "tulip-garden"],
            "",
        )
        .code(0);
        assert!(desk.text().starts_with(&format!("roger:{start}")));
        assert_eq!(desk.verify("roger", "tulip-garden"), Some(0));
        assert_eq!(desk.verify("roger", "rose-garden"), Some(1));
    }
    passwd(
        &desk,
        &["-H", "md5", "-b", "accounts", "roger", "tulip-garden"],
        "",
    )
    .code(2);
}

#[test]
fn a_wrong_command_line_is_refused() {
    let desk = Desk::file();
    for args in [
        &["accounts"][..],
        &["-b", "accounts", "roger"],
        &["accounts", "roger", "tulip-garden"],
        &["-c", "-D", "accounts", "roger"],
        &["-U", "accounts", "roger"],
        &["-b", "accounts", "", "tulip-garden"],
    ] {
        passwd(&desk, args, "").code(2);
    }
    passwd(&desk, &["-b", "accounts", "a:b", "tulip-garden"], "").code(1);
    assert_eq!(desk.text(), "");
}

#[test]
fn writers_at_once_lose_nothing() {
    for desk in Desk::both() {
        let children: Vec<Child> = (0..12)
            .map(|n| {
                let name = format!("user{n}");
                let mut command = desk.command(&["user", "add", &name, "--generate"]);
                command.arg(desk.flag).arg(&desk.place);
                command.stdout(Stdio::null()).spawn().unwrap()
            })
            .collect();
        for mut child in children {
            assert!(child.wait().unwrap().success());
        }
        assert_eq!(desk.on(&["user", "list"]).code(0).out.lines().count(), 12);
    }
}

#[test]
fn a_kill_at_any_moment_leaves_the_old_file_or_the_new_one() {
    let desk = Desk::file();
    let hash = hash("$7$101$", 12);
    let rest: String = (0..60_000).map(|n| format!("user{n}:{hash}\n")).collect();
    let mut before = format!("roger:{hash}\n{rest}");
    desk.write("accounts", &before);
    let whole = |args: &[&str]| {
        let mut command = desk.command(args);
        command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        command.spawn().unwrap()
    };
    let args = [
        "passwd",
        "-I",
        "101",
        "-b",
        "accounts",
        "roger",
        "tulip-garden",
    ];
    let (mut killed, mut replaced) = (0, 0);
    let begun = std::time::Instant::now();
    assert!(whole(&args).wait().unwrap().success());
    let once = begun.elapsed();
    before = assert_whole(&desk.place, &rest, &before);
    // Spread over the whole run, and a little beyond its end.
    let moments = 40;
    for moment in 0..moments {
        let mut child = whole(&args);
        wait(once * moment / (moments * 4 / 5));
        child.kill().unwrap();
        killed += u32::from(!child.wait().unwrap().success());
        let now = assert_whole(&desk.place, &rest, &before);
        replaced += u32::from(now != before);
        before = now;
    }
    assert!(killed > 0, "no process was killed in time");
    println!("{killed} of {moments} killed, {replaced} replaced the file");
    assert_eq!(
        desk.on(&["user", "list"]).code(0).out.lines().count(),
        60_001
    );
}

#[expect(
    clippy::disallowed_methods,
    reason = "the moment of the kill is what is tested"
)]
fn wait(time: Duration) {
    std::thread::sleep(time);
}

/// Checks that the file is the old one or one with a whole new line in the place of the old one.
fn assert_whole(path: &Path, rest: &str, before: &str) -> String {
    let now = std::fs::read_to_string(path).unwrap();
    if now != before {
        let line = now
            .strip_suffix(rest)
            .expect("the other lines are as they were");
        let credential = line
            .strip_prefix("roger:$7$101$")
            .expect("a new line for roger");
        assert_eq!(credential.trim_end().len(), 16 + 1 + 88);
    }
    now
}
