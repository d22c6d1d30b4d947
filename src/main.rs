//! The command `homing`. What its verbs do is in `cli/`.

fn main() -> std::process::ExitCode {
    homing::cli::run()
}
