//! Reading Rust as text, as far as the house rules need it.

/// The text with comments, strings and characters turned to spaces; newlines stay.
pub fn blank(text: &str) -> String {
    let chars: Vec<char> = text.chars().collect();
    let mut out = String::with_capacity(text.len());
    let mut at = 0;
    while at < chars.len() {
        let end = at + literal_length(&chars, at);
        if end == at {
            out.push(chars[at]);
            at += 1;
        }
        while at < end {
            out.push(if chars[at] == '\n' { '\n' } else { ' ' });
            at += 1;
        }
    }
    out
}

/// How many characters from `at` on are a comment or a literal; 0 if neither begins here.
pub fn literal_length(chars: &[char], at: usize) -> usize {
    let rest = &chars[at..];
    let after_word = at > 0 && is_word(chars[at - 1]);
    match rest {
        ['/', '/', ..] => rest.iter().position(|c| *c == '\n').unwrap_or(rest.len()),
        ['/', '*', ..] => block_comment(rest),
        ['"', ..] => quoted(rest, '"'),
        ['r', '"' | '#', ..] if !after_word => raw_string(rest),
        ['b' | 'c', 'r', '"' | '#', ..] if !after_word => 1 + raw_string(&rest[1..]),
        ['\'', '\\', ..] => quoted(rest, '\''),
        ['\'', _, '\'', ..] => 3,
        _ => 0,
    }
}

pub fn block_comment(rest: &[char]) -> usize {
    let (mut depth, mut at) = (0, 0);
    while at < rest.len() {
        match &rest[at..] {
            ['/', '*', ..] => (depth, at) = (depth + 1, at + 2),
            ['*', '/', ..] => (depth, at) = (depth - 1, at + 2),
            _ => at += 1,
        }
        if depth == 0 {
            break;
        }
    }
    at
}

pub fn quoted(rest: &[char], quote: char) -> usize {
    let mut at = 1;
    while at < rest.len() && rest[at] != quote {
        at += if rest[at] == '\\' { 2 } else { 1 };
    }
    (at + 1).min(rest.len())
}

/// `r"…"` or `r#"…"#`; 0 for a raw identifier.
pub fn raw_string(rest: &[char]) -> usize {
    let hashes = rest[1..].iter().take_while(|c| **c == '#').count();
    if rest.get(1 + hashes) != Some(&'"') {
        return 0;
    }
    let ends = |at: &usize| {
        rest[*at] == '"' && rest[at + 1..].iter().take_while(|c| **c == '#').count() >= hashes
    };
    let end = (2 + hashes..rest.len()).find(ends);
    end.map_or(rest.len(), |end| end + 1 + hashes)
}

pub fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// Blanked code with its `#[cfg(test)] mod …` blocks blanked too.
pub fn without_tests(code: &str) -> String {
    let Some(start) = code.find("#[cfg(test)]\nmod ") else { return code.to_owned() };
    let end = body(code, start).map_or(code.len(), |(_, end)| end);
    let gone: String = code[start..end].chars().map(|c| if c == '\n' { c } else { ' ' }).collect();
    format!("{}{gone}{}", &code[..start], without_tests(&code[end..]))
}

/// The next body in braces from `start` on, as its first and its last byte; `None` if a `;` outside
/// of parentheses comes first.
pub fn body(code: &str, start: usize) -> Option<(usize, usize)> {
    let (mut depth, mut open) = (0i32, None);
    for (at, c) in code[start..].char_indices() {
        match c {
            '(' | '[' => depth += 1,
            ')' | ']' => depth -= 1,
            ';' if depth == 0 && open.is_none() => return None,
            '{' => {
                open.get_or_insert(start + at);
                depth += 1;
            }
            '}' => {
                depth -= 1;
                if depth == 0 {
                    return open.map(|open| (open, start + at + 1));
                }
            }
            _ => {}
        }
    }
    None
}

pub struct Function {
    pub name: String,
    pub at: usize,
    pub lines: usize,
}

pub fn functions(code: &str) -> Vec<Function> {
    let mut found = Vec::new();
    for (at, _) in code.match_indices("fn ") {
        let name: String = code[at + 3..].chars().take_while(|c| is_word(*c)).collect();
        let inside_word = code[..at].chars().next_back().is_some_and(is_word);
        if name.is_empty() || inside_word {
            continue;
        }
        if let Some((_, end)) = body(code, at) {
            found.push(Function { name, at, lines: code[at..end].matches('\n').count() + 1 });
        }
    }
    found
}

/// The position of `word` where it is a path or word of its own.
pub fn find_word(text: &str, word: &str) -> Option<usize> {
    let alone = |at: &usize| {
        let before = text[..*at].chars().next_back();
        let after = text[at + word.len()..].chars().next();
        !before.is_some_and(is_word) && !after.is_some_and(is_word)
    };
    text.match_indices(word).map(|(at, _)| at).find(alone)
}

/// Top-level modules that code `depth` modules deep names by `crate::` or by enough `super::`.
pub fn used_modules(code: &str, depth: usize) -> Vec<(usize, String)> {
    let root = ["super::".repeat(depth), "crate::".to_owned()];
    let mut used = Vec::new();
    for prefix in &root {
        for (at, _) in code.match_indices(prefix.as_str()) {
            // `x_crate::` is another word, a longer chain of `super::` leads elsewhere.
            let before = &code[..at];
            if before.ends_with("::") || before.chars().next_back().is_some_and(is_word) {
                continue;
            }
            let names = first_names(&code[at + prefix.len()..]);
            used.extend(names.into_iter().map(|name| (at, name)));
        }
    }
    used.retain(|(_, name)| !["super", "self", "crate"].contains(&name.as_str()));
    used
}

/// `a::b` names `a`; `{a::b, c::{d}}` names `a` and `c`.
pub fn first_names(rest: &str) -> Vec<String> {
    let name = |text: &str| text.trim().chars().take_while(|c| is_word(*c)).collect::<String>();
    let Some(group) = rest.strip_prefix('{') else { return vec![name(rest)] };
    let (mut depth, mut start, mut names) = (0, 0, Vec::new());
    for (at, c) in group.char_indices() {
        match c {
            '{' => depth += 1,
            '}' if depth > 0 => depth -= 1,
            ',' | '}' if depth == 0 => {
                names.push(name(&group[start..at]));
                start = at + 1;
            }
            _ => {}
        }
        if c == '}' && depth == 0 && start == at + 1 {
            break;
        }
    }
    names.retain(|name| !name.is_empty());
    names
}

pub fn median(mut values: Vec<usize>) -> usize {
    values.sort_unstable();
    values.get(values.len() / 2).copied().unwrap_or_default()
}
