//! `pg-host`: train, export, evaluate, inspect, run and verify
//! precision-gated models. See `pg-host help`.

mod cli;

use std::process::ExitCode;

fn main() -> ExitCode {
    // A closed pipe (`pg-host inspect ... | head`) ends the program quietly.
    sigpipe::reset();
    match cli::run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // The chain on one line each: what failed, then why.
            eprintln!("error: {error}");
            for cause in error.chain().skip(1) {
                eprintln!("  because: {cause}");
            }
            ExitCode::FAILURE
        }
    }
}
