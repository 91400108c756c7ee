//! Documents that are put together from code: `docs/patterns/*.md`, and the index `docs/README.md`.
//! `UPDATE_DOCS=1 cargo nextest run -p mcp-serve docs` writes them.

use std::{fs, path::PathBuf};

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// What stands between two anchors of a source file.
fn excerpt(file: &str, anchor: &str) -> String {
    let source = fs::read_to_string(root().join(file)).unwrap_or_else(|error| panic!("`{file}`: {error}"));
    let (_, rest) = source
        .split_once(&format!("// ANCHOR: {anchor}\n"))
        .unwrap_or_else(|| panic!("`{file}` has no anchor `{anchor}`"));
    let (inside, _) = rest.split_once(&format!("// ANCHOR_END: {anchor}\n")).expect("an anchor ends");
    let lines: Vec<&str> = inside.lines().filter(|line| !line.trim_start().starts_with("// ANCHOR")).collect();
    let indent = lines.iter().filter(|line| !line.trim().is_empty());
    let indent = indent.map(|line| line.len() - line.trim_start().len()).min().unwrap_or(0);
    lines
        .iter()
        .map(|line| line.get(indent..).unwrap_or("").trim_end())
        .collect::<Vec<_>>()
        .join("\n")
        .trim_end()
        .to_owned()
}

/// Puts the code behind each `<!-- from FILE ANCHOR -->`, in place of what stood there.
fn filled(document: &str) -> String {
    let mut filled = String::new();
    let mut lines = document.lines().peekable();
    while let Some(line) = lines.next() {
        filled.push_str(line);
        filled.push('\n');
        let Some(from) = line.strip_prefix("<!-- from ").and_then(|line| line.strip_suffix(" -->")) else { continue };
        let (file, anchor) = from.split_once(' ').expect("a file and an anchor");
        if lines.peek().is_some_and(|next| next.starts_with("```")) {
            lines.next();
            for old in lines.by_ref() {
                if old == "```" {
                    break;
                }
            }
        }
        filled.push_str(&format!("```rust\n{}\n```\n", excerpt(file, anchor)));
    }
    filled
}

fn check(file: &str, expected: &str) {
    let path = root().join(file);
    let found = fs::read_to_string(&path).unwrap_or_default();
    if std::env::var_os("UPDATE_DOCS").is_some() {
        // Another test may be reading it.
        if found != expected {
            fs::write(&path, expected).expect("written");
        }
        return;
    }
    assert!(found == expected, "`{file}` is out of date: UPDATE_DOCS=1 cargo nextest run -p mcp-serve docs");
}

/// S1-1, S1-2: the page is there, has its ten sections in order, and all of its code is compiled.
#[test]
fn the_factory_pattern_has_its_sections_and_no_code_but_examples() {
    const FILE: &str = "docs/patterns/server-factory.md";
    let page = fs::read_to_string(root().join(FILE)).expect("the page");
    let sections: Vec<&str> = page.lines().filter_map(|line| line.strip_prefix("## ")).collect();
    let expected = [
        "Overview",
        "Core Principles",
        "Implementation",
        "Global Initialization",
        "Factory Function",
        "User Scoping",
        "mcp-auth Integration",
        "Examples",
        "Benefits",
        "Anti-Patterns",
    ];
    assert_eq!(sections, expected);
    let pasted = page
        .lines()
        .zip(page.lines().skip(1))
        .filter(|(before, fence)| fence.starts_with("```rust") && !before.starts_with("<!-- from "));
    assert_eq!(pasted.count(), 0, "Rust that is not included from an example");
    check(FILE, &filled(&page));
}

/// S4-46: the four patterns, all of their code compiled.
#[test]
fn the_per_bearer_page_has_no_code_but_examples() {
    const FILE: &str = "docs/patterns/per-bearer.md";
    let page = fs::read_to_string(root().join(FILE)).expect("the page");
    assert_eq!(page.matches("<!-- from crates/serve/examples/per_bearer_").count(), 4);
    assert!(page.matches("```rust").count() <= 4, "Rust that is not included from an example");
    check(FILE, &filled(&page));
}

#[test]
fn the_page_of_toolsets_has_no_code_but_examples() {
    const FILE: &str = "docs/patterns/toolsets.md";
    let page = fs::read_to_string(root().join(FILE)).expect("the page");
    let included = page.matches("<!-- from crates/serve/examples/").count();
    assert!(page.matches("```rust").count() <= included, "Rust that is not included from an example");
    check(FILE, &filled(&page));
}

/// S1-6: every page is in the index, by its title.
#[test]
fn the_index_of_documents_is_whole() {
    let mut index =
        "<!-- Made by the tests of `crates/serve`: UPDATE_DOCS=1 cargo nextest run -p mcp-serve docs -->\n\n\
                     # Documents\n"
            .to_owned();
    for (folder, title) in [("docs", "How it behaves"), ("docs/patterns", "Patterns")] {
        let pages = fs::read_dir(root().join(folder)).expect("a folder").map(|entry| entry.expect("an entry").path());
        let mut pages: Vec<_> = pages.filter(|path| path.extension().is_some_and(|end| end == "md")).collect();
        pages.retain(|path| path.file_name().is_some_and(|name| name != "README.md"));
        pages.sort();
        index.push_str(&format!("\n## {title}\n\n"));
        for page in pages {
            let text = fs::read_to_string(&page).expect("a page");
            let heading = text.lines().find_map(|line| line.strip_prefix("# ")).expect("a title");
            let path = page.strip_prefix(root().join("docs")).expect("below").display().to_string();
            index.push_str(&format!("- [{heading}]({path})\n"));
        }
    }
    check("docs/README.md", &index);
}
