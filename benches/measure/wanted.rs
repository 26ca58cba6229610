//! What was asked for on the command line, and the round of it: each question of each version.

use std::env;
use std::time::Instant;

use crate::support::Tree;
use crate::support::tree::SUPPORTED;

/// Words, without the options: `cargo bench` adds one of its own.
pub struct Wanted(Vec<String>);

impl Wanted {
    pub fn of_command_line() -> Self {
        let words = env::args().skip(1);
        Self(words.filter(|word| !word.starts_with('-')).collect())
    }

    pub fn words(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(String::as_str)
    }

    /// Whether one of these was asked for.
    pub fn names(&self, names: &[&str]) -> bool {
        self.words().any(|wanted| names.contains(&wanted))
    }

    /// Asks the questions that are wanted, or all of them, and says how long each took; of the versions that
    /// are wanted, or of these, the newest first.
    pub fn ask<Q: Copy, const N: usize>(
        &self,
        questions: [(&str, Q); N],
        versions: &[&str],
        mut ask: impl FnMut(Q, Tree),
    ) {
        let all_questions = !self.names(&questions.map(|(name, _)| name));
        let named = self.names(&SUPPORTED);
        for (name, question) in questions {
            if !all_questions && !self.names(&[name]) {
                continue;
            }
            let began = Instant::now();
            for version in SUPPORTED.into_iter().rev() {
                let is_wanted = match named {
                    true => self.names(&[version]),
                    false => versions.contains(&version),
                };
                if is_wanted {
                    ask(question, Tree::find(version));
                }
            }
            println!("({name}: {:.0} s)\n", began.elapsed().as_secs_f64());
        }
    }
}
