//! homing (temporary entry)
use homing::store::lock::Mode;
use std::process::ExitCode;
#[derive(clap::Parser)]
struct Args {
    #[arg(long, global = true)]
    data: Option<std::path::PathBuf>,
    #[command(subcommand)]
    verb: Verb,
}
#[derive(clap::Subcommand)]
enum Verb {
    Dev(Run),
    Serve(Run),
    User {
        #[command(flatten)]
        user: homing::cli::user::UserArgs,
    },
}
#[derive(clap::Args)]
struct Run {
    #[arg(long)]
    mqtt: Vec<String>,
    #[arg(long)]
    http: Vec<String>,
}
fn main() -> ExitCode {
    let args = <Args as clap::Parser>::parse();
    let (run, mode) = match args.verb {
        Verb::Dev(run) => (run, Mode::Dev),
        Verb::Serve(run) => (run, Mode::Serve),
        Verb::User { user } => {
            return tokio::runtime::Runtime::new().unwrap().block_on(homing::cli::user::run(
                user,
                args.data.as_ref().unwrap(),
                async || Err::<homing::cli::user::Opened<()>, String>("not here".into()),
            ));
        }
    };
    let mut table = toml::Table::new();
    for (key, value) in std::env::vars() {
        let Some(key) = key.strip_prefix("HOMING__") else { continue };
        let (a, b) = key.split_once("__").unwrap();
        let v: toml::Value = toml::from_str::<toml::Table>(&format!("x={value}"))
            .map(|t| t["x"].clone())
            .unwrap_or(toml::Value::String(value));
        table
            .entry(a.to_lowercase())
            .or_insert(toml::Value::Table(Default::default()))
            .as_table_mut()
            .unwrap()
            .insert(b.to_lowercase(), v);
    }
    let has_acl = table.contains_key("acl");
    let mut config: homing::config::Config = toml::Value::Table(table).try_into().unwrap();
    if mode == Mode::Dev && !has_acl {
        config.acl.default = homing::config::Access::Allow;
    }
    if args.data.is_some() {
        config.store.data = args.data;
    }
    if !run.mqtt.is_empty() {
        config.listen.mqtt = run.mqtt;
    }
    if !run.http.is_empty() {
        config.listen.http = run.http;
    }
    homing::log::start(&config.log).ok();
    homing::node::run(homing::node::Start { config, mode, banner: |_| String::new() })
}
