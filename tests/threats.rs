//! `docs/security.md` and the tests say the same: each test whose documentation begins with
//! `Threat I5.` is in the table of that page, and each row of the table is such a test. With
//! `HOMING_WRITE_THREATS=1` it writes that table.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::Path;

/// Id of the threat, and `file::function`.
type Shown = (String, String);

/// The id behind a line such as `/// Threat I5. …`.
fn threat(line: &str) -> Option<&str> {
    let (id, _) = line.trim_start().strip_prefix("/// Threat ")?.split_once('.')?;
    let (letter, number) = id.split_at_checked(1)?;
    let named = letter.chars().all(|c| c.is_ascii_uppercase());
    (named && !number.is_empty() && number.chars().all(|c| c.is_ascii_digit())).then_some(id)
}

/// The name of the function that begins at or behind this line.
fn function<'a>(mut lines: impl Iterator<Item = &'a str>) -> Option<String> {
    let (_, rest) = lines.find_map(|line| line.split_once("fn "))?;
    Some(rest.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect())
}

fn of_source(file: &str, text: &str) -> Vec<Shown> {
    let lines: Vec<&str> = text.lines().collect();
    let at = |(n, line): (usize, &&str)| {
        let id = threat(line)?.to_owned();
        Some((id, format!("{file}::{}", function(lines[n + 1..].iter().copied())?)))
    };
    lines.iter().enumerate().filter_map(at).collect()
}

fn of_page(page: &str) -> Vec<Shown> {
    let row = |line: &str| {
        let (id, rest) = line.strip_prefix("| ")?.split_once(" | `")?;
        Some((id.to_owned(), rest.strip_suffix("` |")?.to_owned()))
    };
    page.lines().filter_map(row).collect()
}

/// The page with this table of tests.
fn with_table(page: &str, there: &BTreeSet<Shown>) -> String {
    const HEAD: &str = "| id | test |\n|---|---|\n";
    let (before, after) = page.split_once(HEAD).expect("a table of tests");
    let behind: String =
        after.lines().filter(|line| !line.starts_with("| ")).map(|l| format!("{l}\n")).collect();
    let place = |(id, test): &Shown| {
        let (letter, number) = id.split_at(1);
        (letter.to_owned(), number.parse::<u32>().unwrap(), test.clone())
    };
    let mut sorted: Vec<&Shown> = there.iter().collect();
    sorted.sort_by_key(|shown| place(shown));
    let mut rows = String::new();
    for (id, test) in sorted {
        writeln!(rows, "| {id} | `{test}` |").unwrap();
    }
    format!("{before}{HEAD}{rows}{behind}")
}

/// Ids that the page explains.
fn explained(page: &str) -> BTreeSet<String> {
    let rows = page.lines().filter(|line| line.matches(" | ").count() == 2);
    rows.filter_map(|line| Some(line.strip_prefix("| ")?.split_once(" | ")?.0.to_owned()))
        .filter(|id| id != "id")
        .collect()
}

fn sources(dir: &Path, root: &Path, found: &mut Vec<Shown>) {
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() && path.file_name().is_some_and(|name| name != "target") {
            sources(&path, root, found);
        } else if path.extension().is_some_and(|ending| ending == "rs") {
            let file = path.strip_prefix(root).unwrap().to_str().unwrap();
            if file != "tests/threats.rs" {
                found.extend(of_source(file, &std::fs::read_to_string(&path).unwrap()));
            }
        }
    }
}

#[test]
fn the_page_names_the_tests_there_are_and_no_other() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let page_file = root.join("docs/security.md");
    let mut page = std::fs::read_to_string(&page_file).unwrap();
    let mut there = Vec::new();
    ["src", "tests"].iter().for_each(|dir| sources(&root.join(dir), root, &mut there));
    let there: BTreeSet<Shown> = there.into_iter().collect();
    if std::env::var_os("HOMING_WRITE_THREATS").is_some() {
        page = with_table(&page, &there);
        std::fs::write(page_file, &page).unwrap();
    }
    let told: BTreeSet<Shown> = of_page(&page).into_iter().collect();
    let missing: Vec<_> = there.difference(&told).collect();
    let wrong: Vec<_> = told.difference(&there).collect();
    assert!(
        missing.is_empty() && wrong.is_empty(),
        "not there: {missing:#?}, too much: {wrong:#?}"
    );
    let ids: BTreeSet<String> = there.into_iter().map(|(id, _)| id).collect();
    assert_eq!(explained(&page), ids, "each threat has one row that says what homing does");
}

#[test]
fn a_test_and_a_row_are_read_as_they_are_written() {
    let source =
        "    /// Threat I5. It ends.\n    #[test]\n    fn it_ends() {}\n/// threat I6\nfn no() {}";
    assert_eq!(of_source("a.rs", source), [("I5".into(), "a.rs::it_ends".into())]);
    let page = "| id | test |\n|---|---|\n| I5 | `a.rs::it_ends` |\n";
    assert_eq!(of_page(page), [("I5".into(), "a.rs::it_ends".into())]);
    assert_eq!(explained("| I5 | what | how |\n"), ["I5".to_owned()].into());
}
