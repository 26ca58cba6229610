//! One example, brought from the paths and ports of a Debian machine to those of a test.
//!
//! The commands are the comment lines that begin with `#` and three blanks. A password that one of
//! them asks for is `password`.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::support::certificates::{certificates, signed};
use crate::support::{
    Broker, Finished, Issuer, Startup, doorman, finish, finish_with_input, python,
};

/// Where the examples are.
pub fn directory() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("conf-examples")
}

/// The operator's paths, and what stands for them in the broker's own directory.
const PLACES: [(&str, &str); 4] = [
    ("/usr/lib/x86_64-linux-gnu/mosquitto_doorman.so", "{plugin}"),
    ("/etc/mosquitto/", "{dir}/etc/"),
    ("/var/lib/mosquitto/", "{dir}/var/"),
    ("/srv/app/", "{dir}/srv/"),
];

/// An example whose commands have been run.
pub struct Example {
    startup: Startup,
    conf: String,
}

impl Example {
    /// Reads `file` and runs the commands in it.
    pub fn new(startup: Startup, file: &str) -> Self {
        for name in ["etc/certs", "var", "srv"] {
            fs::create_dir_all(startup.dir().join(name)).unwrap();
        }
        let text = fs::read_to_string(directory().join(file)).unwrap();
        let conf = with_test_ports(&with_test_paths(&text));
        let example = Self { startup, conf };
        for command in commands(&text) {
            example.run(command);
        }
        example
    }

    /// Starts the broker. `doorman check` finds no problem; it may warn, of a listener without TLS.
    #[track_caller]
    pub fn start(self) -> Broker {
        let broker = self.startup.start(&self.conf);
        let conf = broker.dir().join("mosquitto.conf");
        let checked = finish(doorman().arg("check").arg(conf));
        assert!(matches!(checked.code, Some(0 | 6)), "{checked:#?}");
        assert!(!checked.stdout.contains(": problem: "), "{checked:#?}");
        broker
    }

    /// Runs SQL on the database that the operator has at `path`.
    pub fn fill(&self, path: &str, sql: &str) {
        let connection = rusqlite::Connection::open(self.place(path)).unwrap();
        connection.execute_batch(sql).unwrap();
    }

    /// Makes a key, and a certificate of it for this machine.
    pub fn certificate(&self, certificate: &str, key: &str) {
        let made = finish(Command::new("openssl").args([
            "req",
            "-x509",
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:prime256v1",
            "-nodes",
            "-days",
            "2",
            "-subj",
            "/CN=localhost",
            "-addext",
            "subjectAltName=DNS:localhost,IP:127.0.0.1",
            "-keyout",
            &self.place(&format!("/etc/mosquitto/certs/{key}")),
            "-out",
            &self.place(&format!("/etc/mosquitto/certs/{certificate}")),
        ]));
        made.succeeded();
    }

    /// Makes an authority, a certificate for this machine, and one with a name for each of these.
    pub fn authority(&self, clients: &[(&str, &str)]) {
        let dir = PathBuf::from(self.place("/etc/mosquitto/certs"));
        certificates(&dir, &[]);
        for (file, name) in clients {
            signed(&dir, file, file, &[&format!("subjectAltName={name}")]);
        }
    }

    /// An issuer of tokens, and its key where the operator has it.
    pub fn issuer(&self, path: &str, key: &str) -> Issuer {
        let issuer = Issuer::in_dir(self.startup.dir());
        fs::copy(issuer.file(key), self.place(path)).unwrap();
        issuer
    }

    fn place(&self, text: &str) -> String {
        let dir = self.startup.dir().display().to_string();
        with_test_paths(text).replace("{dir}", &dir)
    }

    fn run(&self, command: &str) {
        let here = self.place(command);
        let words = here.split_whitespace();
        let words: Vec<&str> = words.map(|word| word.trim_matches('\'')).collect();
        let (program, args) = words.split_first().unwrap();
        let mut ready = match (*program, args) {
            ("sqlite3", [database, "<", script]) => {
                let script = fs::read_to_string(directory().join(script)).unwrap();
                return self.fill(database, &script);
            }
            ("cp", [from, to]) => {
                fs::copy(directory().join(from), to).unwrap();
                return;
            }
            ("mosquitto_passwd", args) => {
                let mut ready = self.startup.tree().command("mosquitto_passwd");
                ready.args(args);
                ready
            }
            ("mosquitto_ctrl", args) => {
                let mut ready = self.startup.tree().command("mosquitto_ctrl");
                ready.args(args);
                ready
            }
            ("doorman", args) => {
                let mut ready = doorman();
                ready.args(args);
                // Cheap: what is tested is not the hashing.
                match args {
                    ["passwd", ..] => ready.args(["-I", "1"]),
                    ["psk", "add", ..] => ready.arg("--psk-stdin"),
                    ["user", "add", .., "--scram", _] => {
                        ready.args(["--password-stdin", "--iterations", "4096"])
                    }
                    ["user", "add", ..] | ["init", "--admin", ..] => {
                        ready.args(["--password-stdin", "--iterations", "1"])
                    }
                    _ => &mut ready,
                };
                ready
            }
            _ => panic!("an example says {command:?}, which this test does not know"),
        };
        let input: &[u8] = match args {
            ["psk", ..] => PSK.as_bytes(),
            _ => b"password\npassword\n",
        };
        finish_with_input(&mut ready, input).succeeded();
    }
}

/// The Paho client over secure WebSockets, as `roger`.
pub fn websocket(
    broker: &Broker,
    listener: usize,
    ca: &str,
    expected: &str,
    password: &str,
) -> Finished {
    let port = broker.nth_port(listener).to_string();
    let args = [
        "--wss",
        ca,
        "127.0.0.1",
        &port,
        "3.1.1",
        expected,
        "roger",
        password,
    ];
    finish(python("paho_tutorial.py").args(args))
}

/// The key of whoever has one.
pub const PSK: &str = "00112233445566778899aabbccddeeff";

/// The commands in the comments of an example.
pub fn commands(text: &str) -> impl Iterator<Item = &str> {
    text.lines()
        .filter_map(|line| line.strip_prefix("#   "))
        .map(str::trim)
}

fn with_test_paths(text: &str) -> String {
    PLACES
        .iter()
        .fold(text.to_owned(), |text, (operator, test)| {
            text.replace(operator, test)
        })
}

/// The listeners' ports in their order: `{port}`, `{port2}`, …
fn with_test_ports(text: &str) -> String {
    let mut listeners = 0;
    let mut conf = String::new();
    for line in text.lines() {
        match line.strip_prefix("listener ") {
            Some(rest) => {
                listeners += 1;
                let number = if listeners == 1 {
                    String::new()
                } else {
                    listeners.to_string()
                };
                let address = rest.split_once(' ').map_or("", |(_, address)| address);
                let line = format!("listener {{port{number}}} {address}");
                conf.push_str(line.trim_end());
            }
            None => conf.push_str(line),
        }
        conf.push('\n');
    }
    conf
}
