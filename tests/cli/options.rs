//! `doorman options`, the help, completions and manual pages.

use mosquitto_doorman::config::OPTIONS;
use mosquitto_doorman::verdict::Reason;

use super::Desk;

#[test]
fn every_option_and_every_reason_is_on_the_page() {
    let desk = Desk::bare("--file");
    let text = desk.run(&["options"]).code(0).out;
    let page = desk.run(&["options", "--markdown"]).code(0).out;
    for opt in OPTIONS {
        let name = format!("plugin_opt_{}", opt.key);
        assert!(text.contains(&name) && page.contains(&name), "{name}");
    }
    for reason in Reason::ALL {
        assert!(page.contains(&format!("| `{reason}` | ")), "{reason}");
    }
}

#[test]
fn help_and_manual_page_tell_the_exit_codes() {
    let desk = Desk::bare("--file");
    desk.run(&["--help"])
        .code(0)
        .tells("6  doorman check found problems");
    desk.run(&["man"])
        .code(0)
        .tells("6  doorman check found problems");
    desk.run(&["frobnicate"]).code(2);
}

#[test]
fn manual_pages_and_completions_are_written_for_every_command() {
    let desk = Desk::bare("--file");
    let dir = desk.path("man");
    std::fs::create_dir(&dir).unwrap();
    desk.run(&["man", "man"]).code(0);
    for page in ["doorman.1", "doorman-user-add.1", "doorman-passwd.1"] {
        assert!(dir.join(page).exists(), "{page}");
    }
    desk.run(&["man", "missing"]).code(5);
    desk.run(&["completions", "bash"]).code(0).tells("doorman");
    desk.run(&["completions", "latin"]).code(2);
}
