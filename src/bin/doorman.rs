//! `doorman`, the command line.
#![forbid(unsafe_code)]

fn main() -> std::process::ExitCode {
    mosquitto_doorman::cli::main()
}
