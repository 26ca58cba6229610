//! Which accounts a command works on.

use super::{Desk, run};

fn list(desk: &Desk, args: &[&str], env: &[(&str, &str)]) -> super::Ran {
    let mut command = desk.command(&["user", "list"]);
    command.args(args);
    for (name, value) in env {
        command.env(name, value);
    }
    run(command, "")
}

#[test]
fn the_environment_names_a_place_and_a_flag_outweighs_it() {
    let desk = Desk::file();
    desk.add("roger", "tulip-garden").code(0);
    list(&desk, &[], &[("DOORMAN_FILE", "accounts")])
        .code(0)
        .tells("roger");
    list(
        &desk,
        &["--file", "accounts"],
        &[("DOORMAN_FILE", "elsewhere")],
    )
    .code(0)
    .tells("roger");
    list(&desk, &["--file", "accounts"], &[("DOORMAN_DATABASE", "x")])
        .code(0)
        .tells("roger");
    list(&desk, &[], &[("DOORMAN_FILE", "elsewhere")])
        .code(5)
        .says("doorman init");
    list(
        &desk,
        &[],
        &[("DOORMAN_FILE", "accounts"), ("DOORMAN_DATABASE", "x")],
    )
    .code(2);
    list(&desk, &["--file", "a", "--database", "b"], &[]).code(2);
    list(&desk, &[], &[])
        .code(2)
        .says("--file, --database, --config or --broker");
}

#[test]
fn a_configuration_names_the_place() {
    let desk = Desk::file();
    desk.add("roger", "tulip-garden").code(0);
    std::fs::create_dir(desk.path("conf.d")).unwrap();
    desk.write(
        "conf.d/doorman.conf",
        &format!(
            "plugin /lib/other.so\nplugin_opt_password_file /other\n\
             plugin /lib/libmosquitto_doorman.so\nauth_opt_password_file {}\n",
            desk.place.display()
        ),
    );
    let include = desk.path("conf.d");
    desk.write("m.conf", &format!("include_dir {}\n", include.display()));
    list(&desk, &["--config", "m.conf"], &[])
        .code(0)
        .tells("roger");
    list(&desk, &[], &[("DOORMAN_CONFIG", "m.conf")])
        .code(0)
        .tells("roger");
}

#[test]
fn a_configuration_with_several_sources_or_none_is_not_guessed_at() {
    let desk = Desk::file();
    let plugin = "plugin /lib/libmosquitto_doorman.so\n";
    let two = "plugin_opt_password_file /a\nplugin_opt_database /b\n";
    desk.write("two.conf", &format!("{plugin}{two}"));
    list(&desk, &["--config", "two.conf"], &[])
        .code(2)
        .says("--file /a or --database /b");
    desk.write("none.conf", plugin);
    list(&desk, &["--config", "none.conf"], &[])
        .code(5)
        .says("no source");
    desk.write("stock.conf", "listener 1883\n");
    list(&desk, &["--config", "stock.conf"], &[])
        .code(5)
        .says("mosquitto_doorman");
    let foreign = "plugin_opt_database /b\nplugin_opt_database_query SELECT 1\n";
    desk.write("foreign.conf", &format!("{plugin}{foreign}"));
    list(&desk, &["--config", "foreign.conf"], &[])
        .code(5)
        .says("can be changed");
}

#[test]
fn a_database_is_no_password_file_and_the_other_way_round() {
    let file = Desk::file();
    file.write("text", "roger:x\n");
    list(&file, &["--database", "text"], &[]).code(5);
    list(&file, &["--file", "."], &[]).code(5);
}
