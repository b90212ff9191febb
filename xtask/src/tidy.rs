//! `cargo xtask tidy`: the rules of the house that a machine can check.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Result, bail};
use cargo_metadata::{DependencyKind, MetadataCommand, Package};

use crate::{models, root};

/// A file longer than this asks to be split by concept.
const FILE_LINES_MAX: usize = 800;

/// Licences that may be linked. An expression passes where one of its alternatives consists of these.
const LICENCES: &[&str] = &[
    "0BSD",
    "Apache-2.0",
    "Apache-2.0 WITH LLVM-exception",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "BSL-1.0",
    "CC0-1.0",
    "CDLA-Permissive-2.0",
    "ISC",
    "MIT",
    "MIT-0",
    "MPL-2.0",
    "Unicode-3.0",
    "Unlicense",
    "Zlib",
    "bzip2-1.0.6",
];

/// Edges between crates of one layer that a decision record allows.
const SIDEWAYS: &[(&str, &str)] = &[
    // docs/decisions/0001-layers.md
    ("store-objects", "store-meta"),
    ("engine-delivery", "engine-catalog"),
    ("engine-delivery", "engine-formats"),
    ("engine-delivery", "engine-lake"),
    ("engine-delivery", "engine-log"),
    ("engine-formats", "engine-catalog"),
    ("engine-sql", "engine-catalog"),
    ("engine-sql", "engine-formats"),
];

pub(crate) fn check() -> Result<()> {
    let mut problems = Vec::new();
    let metadata = MetadataCommand::new().manifest_path(root().join("Cargo.toml")).exec()?;
    let ours: BTreeSet<&str> = metadata
        .workspace_packages()
        .iter()
        .map(|package| package.name.as_str())
        .collect();
    for package in metadata.workspace_packages() {
        layers(package, &ours, &mut problems);
        unused_dependencies(package, &metadata.packages, &mut problems)?;
        if package.name.starts_with("service-") && !home(package).join("unimplemented.txt").exists() {
            problems.push(format!("{} has no unimplemented.txt", package.name));
        }
    }
    for package in &metadata.packages {
        licence(package, &mut problems);
    }
    models::check(&mut problems)?;
    for file in rust_files(&root().join("crates"))?
        .into_iter()
        .chain(rust_files(&root().join("xtask"))?)
    {
        file_rules(&file, &mut problems)?;
    }
    if problems.is_empty() {
        println!("tidy: {} crates, all in order", ours.len());
        return Ok(());
    }
    problems.iter().for_each(|problem| eprintln!("tidy: {problem}"));
    bail!("{} problems", problems.len())
}

/// The layer of one of our crates; a crate may depend on lower layers only.
fn layer(name: &str) -> Option<u8> {
    Some(match name.split('-').next()? {
        "base" => 0,
        "store" => 1,
        "engine" => 2,
        "protocol" => 3,
        "service" => 4,
        "catchment" => 5,
        "xtask" => 6,
        _ => return None,
    })
}

fn layers(package: &Package, ours: &BTreeSet<&str>, problems: &mut Vec<String>) {
    let name = package.name.as_str();
    let Some(own) = layer(name) else {
        problems.push(format!("{name} has no layer in its name"));
        return;
    };
    for dependency in package.dependencies.iter().filter(|d| d.kind == DependencyKind::Normal) {
        let other = dependency.name.as_str();
        if other == "datafusion" && !matches!(name, "engine-sql" | "engine-stream") {
            problems.push(format!(
                "{name} names DataFusion; only engine-sql and engine-stream may"
            ));
        }
        if !ours.contains(other) {
            continue;
        }
        let below = layer(other).is_some_and(|layer| layer < own);
        // A protocol needs no engine, and an engine no protocol.
        let crossing = name.starts_with("protocol-") && other.starts_with("engine-");
        if crossing || !(below || SIDEWAYS.contains(&(name, other))) {
            problems.push(format!("{name} must not depend on {other}: arrows point down"));
        }
    }
}

/// A dependency that no source file of the crate names.
fn unused_dependencies(package: &Package, all: &[Package], problems: &mut Vec<String>) -> Result<()> {
    let mut text = String::new();
    for file in rust_files(&home(package))? {
        text.push_str(&fs::read_to_string(file)?);
    }
    for dependency in &package.dependencies {
        let found = all.iter().find(|package| package.name.as_str() == dependency.name);
        let library = found.and_then(|package| {
            package
                .targets
                .iter()
                .find(|target| target.is_lib() || target.is_proc_macro())
        });
        let name = library.map_or(dependency.name.as_str(), |target| target.name.as_str());
        let name = dependency.rename.as_deref().unwrap_or(name).replace('-', "_");
        if !mentions(&text, &name) {
            problems.push(format!(
                "{} does not use its dependency {}",
                package.name, dependency.name
            ));
        }
    }
    Ok(())
}

/// Whether the crate's name stands as a word of its own.
fn mentions(text: &str, name: &str) -> bool {
    let is_word = |c: char| c.is_alphanumeric() || c == '_';
    text.match_indices(name).any(|(at, _)| {
        let before = text[..at].chars().next_back();
        let after = text[at + name.len()..].chars().next();
        !before.is_some_and(is_word) && !after.is_some_and(is_word)
    })
}

fn licence(package: &Package, problems: &mut Vec<String>) {
    let name = &package.name;
    let Some(expression) = &package.license else {
        problems.push(format!("{name} names no licence"));
        return;
    };
    if !allowed(expression) {
        problems.push(format!("{name} has the licence {expression}"));
    }
}

/// One alternative of the expression (`OR`, or the old `/`) must consist of allowed licences (`AND`).
fn allowed(expression: &str) -> bool {
    let expression = expression.replace('/', " OR ");
    split(&expression, " OR ").into_iter().any(|alternative| {
        let parts = split(alternative, " AND ");
        parts.into_iter().all(|part| match part.strip_prefix('(') {
            Some(inner) => inner.strip_suffix(')').is_some_and(allowed),
            None => LICENCES.contains(&part),
        })
    })
}

/// The pieces between the operators that stand outside all parentheses.
fn split<'e>(expression: &'e str, operator: &str) -> Vec<&'e str> {
    let mut pieces = Vec::new();
    let (mut start, mut depth) = (0, 0_i32);
    for (at, byte) in expression.bytes().enumerate() {
        match byte {
            b'(' => depth += 1,
            b')' => depth -= 1,
            _ if depth == 0 && at >= start && expression.as_bytes()[at..].starts_with(operator.as_bytes()) => {
                pieces.push(expression[start..at].trim());
                start = at + operator.len();
            }
            _ => {}
        }
    }
    pieces.push(expression[start..].trim());
    pieces
}

fn file_rules(file: &Path, problems: &mut Vec<String>) -> Result<()> {
    let text = fs::read_to_string(file)?;
    let shown = file.strip_prefix(root()).unwrap_or(file).display();
    let lines = text.lines().count();
    if lines > FILE_LINES_MAX {
        problems.push(format!("{shown} has {lines} lines; split it by concept"));
    }
    for mark in ["TO", "FIX"].map(|start| format!("{start}{}", if start == "TO" { "DO" } else { "ME" })) {
        if text.contains(&mark) {
            problems.push(format!("{shown} has a {mark}: finish it or write it into an issue"));
        }
    }
    let is_root = matches!(
        file.file_name().and_then(|name| name.to_str()),
        Some("lib.rs" | "main.rs")
    );
    if is_root && !text.starts_with("//!") {
        problems.push(format!("{shown} does not say what its crate is"));
    }
    Ok(())
}

fn home(package: &Package) -> PathBuf {
    package
        .manifest_path
        .parent()
        .map(|path| path.as_std_path().to_owned())
        .unwrap_or_default()
}

fn rust_files(under: &Path) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(under)? {
        let path = entry?.path();
        if path.is_dir() {
            files.extend(rust_files(&path)?);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
    Ok(files)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn licence_expressions() {
        assert!(allowed("MIT OR Apache-2.0"));
        assert!(allowed("MIT/Apache-2.0"));
        assert!(allowed("(MIT OR Apache-2.0) AND Unicode-3.0"));
        assert!(allowed("GPL-3.0 OR MIT"));
        assert!(!allowed("GPL-3.0"));
        assert!(!allowed("MIT AND AGPL-3.0"));
        assert!(!allowed("(MIT OR Apache-2.0) AND AGPL-3.0"));
        assert!(!allowed("AGPL-3.0 AND (MIT OR Apache-2.0)"));
        assert!(allowed("(MIT AND (ISC OR AGPL-3.0)) OR GPL-2.0"));
        assert!(!allowed("(MIT"));
    }

    #[test]
    fn names_count_only_as_words() {
        assert!(mentions("use serde::Deserialize;", "serde"));
        assert!(!mentions("use serde_json::Value;", "serde"));
    }
}
