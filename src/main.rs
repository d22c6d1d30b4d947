//! homing
fn main() -> std::process::ExitCode {
    let mut config = homing::config::Config::default();
    config.store.data = Some(std::env::args().nth(1).unwrap().into());
    config.listen.mqtt = vec!["127.0.0.1:0".into()];
    config.listen.http = vec!["127.0.0.1:0".into()];
    config.acl.default = homing::config::Access::Allow;
    {config.log.level="debug".into(); homing::log::start(&config.log)}.ok();
    homing::node::run(homing::node::Start { config, mode: homing::store::lock::Mode::Dev, banner: |_| String::new() })
}
