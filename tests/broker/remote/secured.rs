//! TLS: whom `doorman` believes, and whom it does not.

use std::fs;

use super::{LISTENER, Pair, ended, run};
use crate::support::certificates::certificates;
use crate::support::{Finished, for_each_broker};

const TLS: &str = "cafile {dir}/ca.crt\ncertfile {dir}/localhost.crt\nkeyfile {dir}/localhost.key\n\
                   listener {port2} 127.0.0.1\ncafile {dir}/ca.crt\ncertfile {dir}/other.crt\n\
                   keyfile {dir}/other.key\nrequire_certificate true\n";

const LIST: [&str; 5] = ["user", "list", "--timeout", "5", "-u"];

#[test]
fn a_broker_is_believed_that_somebody_vouches_for_and_no_other() {
    for_each_broker(|startup| {
        let dir = startup.dir().to_owned();
        certificates(&dir, &["other", "admin"]);
        // Another authority of the same name.
        let elsewhere = dir.join("elsewhere");
        fs::create_dir(&elsewhere).unwrap();
        certificates(&elsewhere, &[]);
        let pair = Pair::with(startup, &(LISTENER.to_owned() + TLS), &[]);
        let [first, second] = [1, 2].map(|number| pair.broker.nth_port(number));
        let to = |url: String, more: &[&str]| -> Finished {
            let args = [&LIST[..], &["admin", "--broker", &url], more].concat();
            run(&dir, &args, "", "pw")
        };
        let ca = ["--cafile", "ca.crt"];
        for name in ["localhost", "127.0.0.1"] {
            let url = format!("mqtts://{name}:{first}");
            ended(to(url.clone(), &ca), 0, "sentinel");
            ended(to(url.clone(), &[]), 5, "TLS: ");
            ended(
                to(url.clone(), &["--cafile", "elsewhere/ca.crt"]),
                5,
                "TLS: ",
            );
            // The name can be waived, that somebody vouches for it cannot.
            ended(to(url.clone(), &["--insecure"]), 5, "TLS: ");
            ended(
                to(url.clone(), &["--cafile", "localhost.key"]),
                5,
                "no certificate",
            );
            ended(to(url, &["--cafile", "missing"]), 5, "missing");
        }
        ended(to(format!("mqtt://127.0.0.1:{first}"), &[]), 5, "mqtt://");

        let url = format!("mqtts://localhost:{second}");
        let own = ["--cert", "admin.crt", "--key", "admin.key"];
        let waived = [&ca[..], &own, &["--insecure"]].concat();
        ended(to(url.clone(), &waived), 0, "sentinel");
        ended(to(url.clone(), &[&ca[..], &own].concat()), 5, "TLS: ");
        ended(
            to(url.clone(), &[&ca[..], &["--insecure"]].concat()),
            5,
            &url,
        );
        let half = [&ca[..], &["--cert", "admin.crt"]].concat();
        ended(to(url, &half), 2, "--cert and --key");
    });
}
