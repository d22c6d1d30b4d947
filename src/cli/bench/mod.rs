//! placeholder
use super::connection::Server;
use super::exit::Failure;
#[derive(clap::Args, Debug)]
#[command(disable_help_flag = true)]
pub struct Bench {
    #[command(flatten)]
    server: Server,
    word: String,
    #[arg(short)]
    u: Option<String>,
}
pub fn run(_: Bench) -> Result<(), Failure> {
    Ok(())
}
