//! The manifest tells the truth: every test that it names is there and runs, no statement of the
//! server is without a word, and `docs/protocol.md` shows the same. With
//! `HOMING_WRITE_CONFORMANCE=1` it writes the tables of that page.

use std::fmt::Write as _;

use super::manifest::{MQTT5, MQTT311, Specification, Statement, parse, root};

const BOTH: [Specification; 2] = [MQTT5, MQTT311];

/// Numbers of an id in their order: `MQTT-3.1.2-24` is `[3, 1, 2, 24]`.
fn place(id: &str) -> Option<Vec<u32>> {
    let (section, number) = id.strip_prefix("MQTT-")?.split_once('-')?;
    let numbers = section.split('.').chain([number]).map(|part| part.parse().ok());
    numbers.collect::<Option<Vec<u32>>>().filter(|numbers| numbers.len() == 4)
}

/// What is wrong with this statement by itself.
fn flaw(statement: &Statement) -> Option<String> {
    let Statement { id, section, says, tests, gap, choice, .. } = statement;
    let told = [gap, choice].iter().filter(|words| words.is_some()).count();
    let wrong = if place(id).is_none() {
        "has an id that is none"
    } else if !id.starts_with(&format!("MQTT-{section}.")) {
        "is of another section"
    } else if says.is_empty() || [gap, choice].into_iter().flatten().any(String::is_empty) {
        "says nothing"
    } else if statement.is_ours() && tests.is_empty() && told != 1 {
        "is the server's and has neither tests nor one word why"
    } else if !tests.is_empty() && gap.is_some() {
        "has tests and a gap"
    } else {
        return None;
    };
    Some(format!("{id} {wrong}"))
}

fn out_of_order(statements: &[Statement]) -> Vec<&str> {
    let wrong = |pair: &&[Statement]| place(&pair[0].id) >= place(&pair[1].id);
    statements.windows(2).filter(wrong).map(|pair| pair[1].id.as_str()).collect()
}

/// Whether this source has a test of this name that runs by itself.
fn has_test(source: &str, name: &str) -> bool {
    let lines: Vec<&str> = source.lines().map(str::trim).collect();
    let head = format!("fn {name}()");
    let at = lines.iter().position(|line| line.starts_with(&head));
    let attributes = |at: usize| {
        lines[..at].iter().rev().take_while(|line| line.starts_with(['#', '/'])).copied()
    };
    let is_test = |at: usize| attributes(at).any(|line| line == "#[test]");
    let is_ignored = |at: usize| attributes(at).any(|line| line.starts_with("#[ignore"));
    at.is_some_and(|at| is_test(at) && !is_ignored(at))
}

/// Why `binary::module::test` is not a test that is there.
fn missing(test: &str) -> Option<String> {
    let parts: Vec<&str> = test.split("::").collect();
    let [binary, modules @ .., name] = parts.as_slice() else {
        return Some(format!("{test}: no path of a test"));
    };
    let mut folder = root().join("tests").join(binary);
    let mut source = std::fs::read_to_string(folder.join("main.rs")).unwrap_or_default();
    for module in modules {
        if !source.lines().any(|line| line == format!("mod {module};")) {
            return Some(format!("{test}: no module {module}"));
        }
        let file = folder.join(format!("{module}.rs"));
        folder = folder.join(module);
        let file = if file.exists() { file } else { folder.join("mod.rs") };
        source = std::fs::read_to_string(file).unwrap_or_default();
    }
    (!has_test(&source, name)).then(|| format!("{test}: no such test"))
}

/// How many of these are the server's, and how many of them are tested.
fn covered<'a>(statements: impl IntoIterator<Item = &'a Statement>) -> (usize, usize) {
    let ours = statements.into_iter().filter(|statement| statement.is_ours());
    ours.fold((0, 0), |(all, tested), one| (all + 1, tested + usize::from(one.is_tested())))
}

// -- the page -------------------------------------------------------------------------------------

const BEGIN: &str = "<!-- conformance: written by tests/conformance/guard.rs -->\n";
const END: &str = "<!-- conformance ends -->\n";

/// What the specifications call this section.
fn title(section: &str) -> &'static str {
    match section {
        "1.5" => "data representation",
        "2.1" | "2.2" | "2.3" => "packet format",
        "3.1" => "CONNECT",
        "3.2" => "CONNACK",
        "3.3" => "PUBLISH",
        "3.4" => "PUBACK",
        "3.5" => "PUBREC",
        "3.6" => "PUBREL",
        "3.7" => "PUBCOMP",
        "3.8" => "SUBSCRIBE",
        "3.9" => "SUBACK",
        "3.10" => "UNSUBSCRIBE",
        "3.11" => "UNSUBACK",
        "3.12" => "PINGREQ",
        "3.13" => "PINGRESP",
        "3.14" => "DISCONNECT",
        "3.15" => "AUTH",
        "4.1" => "session state",
        "4.2" => "network connections",
        "4.3" => "quality of service",
        "4.4" => "delivery retry",
        "4.5" => "message receipt",
        "4.6" => "message ordering",
        "4.7" => "topic names and filters",
        "4.8" => "subscriptions, errors",
        "4.9" => "flow control",
        "4.12" => "enhanced authentication",
        "4.13" => "handling errors",
        "6.0" => "WebSocket",
        "7.0" | "7.1" => "conformance",
        _ => "",
    }
}

fn row(out: &mut String, head: &str, statements: &[&Statement]) {
    let (ours, tested) = covered(statements.iter().copied());
    let untested = || statements.iter().filter(|one| one.is_ours() && !one.is_tested());
    let gaps: Vec<&str> = untested().map(|one| one.id.trim_start_matches("MQTT-")).collect();
    let all = statements.len();
    writeln!(out, "| {head} | {all} | {ours} | {tested} | {} |", gaps.join(", ")).unwrap();
}

fn table(specification: &str, statements: &[Statement]) -> String {
    let heads = "statements | the server's | tested | not tested";
    let mut out = format!("\n| {specification} | {heads} |\n|---|---|---|---|---|\n");
    for part in statements.chunk_by(|one, next| one.section == next.section) {
        let section = &part[0].section;
        let head = format!("{section} {}", title(section));
        row(&mut out, head.trim_end(), &part.iter().collect::<Vec<_>>());
    }
    let (ours, tested) = covered(statements);
    writeln!(out, "| **all** | {} | {ours} | {tested} | {} |", statements.len(), ours - tested)
        .unwrap();
    out
}

/// Why statements are not tested, or done otherwise; one line for all that have the same reason.
fn reasons(statements: &[Statement]) -> String {
    let mut lines: Vec<(&str, String)> = Vec::new();
    for one in statements.iter().filter(|one| one.is_ours()) {
        let Some(words) = one.gap.as_ref().or(one.choice.as_ref()) else { continue };
        match lines.iter_mut().find(|(known, _)| known == words) {
            Some((_, ids)) => write!(ids, ", {}", one.id).unwrap(),
            None => lines.push((words, one.id.clone())),
        }
    }
    let lines: String = lines.iter().map(|(words, ids)| format!("- {ids}: {words}\n")).collect();
    if lines.is_empty() { lines } else { format!("\nNot tested, or done otherwise:\n\n{lines}") }
}

fn tables() -> String {
    let of = |specification: &Specification| {
        let statements = specification.statements();
        table(specification.name, &statements) + &reasons(&statements)
    };
    BOTH.iter().map(of).collect::<String>() + "\n"
}

#[test]
fn the_page_shows_what_the_manifest_says() {
    let file = root().join("docs/protocol.md");
    let page = std::fs::read_to_string(&file).unwrap();
    let (before, rest) = page.split_once(BEGIN).expect("a place for the tables");
    let (shown, after) = rest.split_once(END).expect("an end of that place");
    let tables = tables();
    if std::env::var_os("HOMING_WRITE_CONFORMANCE").is_some() {
        std::fs::write(file, format!("{before}{BEGIN}{tables}{END}{after}")).unwrap();
    } else {
        assert_eq!(shown, tables, "write it anew with HOMING_WRITE_CONFORMANCE=1");
    }
}

// -- the manifest ---------------------------------------------------------------------------------

#[test]
fn every_statement_is_whole_and_in_its_place() {
    for specification in BOTH {
        let statements = specification.statements();
        let flaws: Vec<String> = statements.iter().filter_map(flaw).collect();
        assert!(flaws.is_empty(), "{}: {flaws:#?}", specification.name);
        assert_eq!(out_of_order(&statements), [""; 0], "{}", specification.name);
    }
}

#[test]
fn every_test_that_is_named_is_there() {
    let all = BOTH.iter().flat_map(Specification::statements);
    let gone: Vec<String> =
        all.flat_map(|one| one.tests).filter_map(|test| missing(&test)).collect();
    assert!(gone.is_empty(), "{gone:#?}");
}

#[test]
fn enough_of_the_servers_statements_are_tested() {
    for (specification, percent) in [(MQTT5, 95), (MQTT311, 100)] {
        let (ours, tested) = covered(&specification.statements());
        assert!(tested * 100 >= ours * percent, "{}: {tested} of {ours}", specification.name);
    }
}

// -- the guard sees what is wrong -----------------------------------------------------------------

fn statement(lines: &str) -> Statement {
    let head = "[[statement]]\nid = \"MQTT-3.1.2-1\"\nsection = \"3.1\"\nsays = \"It is so.\"\n";
    parse(&format!("{head}{lines}")).remove(0)
}

#[test]
fn a_statement_without_tests_or_reason_is_seen() {
    let flawed = |lines: &str| flaw(&statement(lines)).is_some();
    assert!(flawed("on = \"server\""));
    assert!(flawed("on = \"both\"\ngap = \"\""));
    assert!(flawed("on = \"both\"\ngap = \"a\"\nchoice = \"b\""));
    assert!(flawed("on = \"server\"\ntests = [\"a::b\"]\ngap = \"a\""));
    assert!(!flawed("on = \"server\"\ntests = [\"a::b\"]\nchoice = \"a\""));
    assert!(!flawed("on = \"client\""));
    assert!(flaw(&Statement { id: "MQTT-3.1.2".into(), ..statement("on = \"client\"") }).is_some());
    assert!(flaw(&Statement { section: "3.2".into(), ..statement("on = \"client\"") }).is_some());
}

#[test]
fn ids_out_of_order_and_twice_are_seen() {
    let with = |id: &str| Statement { id: id.into(), ..statement("on = \"client\"") };
    let ids = ["MQTT-3.1.2-9", "MQTT-3.1.2-10", "MQTT-3.1.2-10", "MQTT-3.10.1-1", "MQTT-3.9.1-1"];
    let statements: Vec<Statement> = ids.map(with).to_vec();
    assert_eq!(out_of_order(&statements), ["MQTT-3.1.2-10", "MQTT-3.9.1-1"]);
}

#[test]
fn a_test_that_is_not_there_or_does_not_run_is_seen() {
    let source = "#[test]\nfn one() {}\n\nfn two() {}\n#[test]\n#[ignore]\nfn three() {}";
    assert!(has_test(source, "one"));
    assert!(!["two", "three", "four", "on"].iter().any(|name| has_test(source, name)));
    let here = "conformance::guard::a_test_that_is_not_there_or_does_not_run_is_seen";
    assert_eq!(missing(here), None);
    assert!(missing("conformance::guard::no_such_test").is_some());
    assert!(missing("conformance::no_such_module::a_test").is_some());
    assert!(missing("nothing").is_some());
}

#[test]
fn a_row_counts_the_servers_statements_and_names_what_is_not_tested() {
    let ours = Statement { id: "MQTT-3.1.2-2".into(), ..statement("on = \"both\"\ngap = \"a\"") };
    let tested = statement("on = \"server\"\ntests = [\"a::b\"]");
    let client = Statement { id: "MQTT-3.1.2-3".into(), ..statement("on = \"client\"") };
    let table = table("X", &[tested, ours, client]);
    assert!(table.contains("| 3.1 CONNECT | 3 | 2 | 1 | 3.1.2-2 |\n"), "{table}");
    assert!(table.ends_with("| **all** | 3 | 2 | 1 | 1 |\n"), "{table}");
}

#[test]
fn statements_with_one_reason_are_told_together() {
    let with = |id: &str, words: &str| {
        let gap = Some(words.to_owned());
        Statement { id: id.into(), gap, ..statement("on = \"server\"") }
    };
    let all = [with("MQTT-1.1.1-1", "a"), with("MQTT-1.1.1-2", "b"), with("MQTT-1.1.1-3", "a")];
    let told = reasons(&all);
    assert!(told.ends_with("\n- MQTT-1.1.1-1, MQTT-1.1.1-3: a\n- MQTT-1.1.1-2: b\n"), "{told}");
    assert_eq!(reasons(&[statement("on = \"server\"")]), "");
}
