//! `cargo xtask new-operation SERVICE OPERATION`: the file, the `mod` line, the `.on` line, and one line less in
//! the list of what is not built.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use crate::{root, run};

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// The service's model in models/, such as `kinesis`; its crate is `crates/service-SERVICE`.
    service: String,
    /// The operation as the model names it, such as `SplitShard`.
    operation: String,
}

pub(crate) fn make(arguments: &Arguments) -> Result<()> {
    let Arguments { service, operation } = arguments;
    let model = fs::read_to_string(root().join("models").join(format!("{service}.json")))
        .with_context(|| format!("models/ has no {service}"))?;
    let model: Value = serde_json::from_str(&model)?;
    let modelled = &model["operations"][operation];
    ensure!(modelled.is_object(), "{service} has no operation {operation}");
    let home = root().join("crates").join(format!("service-{service}"));
    ensure!(home.exists(), "there is no crate crates/service-{service} yet");
    let module = snake_case(operation);
    let file = home.join("src").join(format!("{module}.rs"));
    ensure!(!file.exists(), "{} is there already", file.display());
    let source = source(&model, service, operation);
    if source.contains("serde_json::") {
        add_dependency(&home.join("Cargo.toml"), "serde_json")?;
    }
    fs::write(&file, source)?;
    let lib = home.join("src/lib.rs");
    add_lines(&lib, &module, operation)?;
    unlist(&home.join("unimplemented.txt"), operation)?;
    // A line too long for one is broken as everywhere else.
    run(Command::new("rustfmt")
        .arg("--edition=2024")
        .arg("--config-path")
        .arg(root())
        .arg(&lib))?;
    println!("{}: write what it does, and its test", file.display());
    Ok(())
}

fn source(model: &Value, service: &str, operation: &str) -> String {
    let input = model["operations"][operation]["input"]["shape"]
        .as_str()
        .unwrap_or_default();
    let shape = &model["shapes"][input];
    let required: Vec<&str> = shape["required"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .collect();
    let fields: String = shape["members"]
        .as_object()
        .into_iter()
        .flatten()
        .map(|(name, member)| {
            let kind = rust_type(&model["shapes"][member["shape"].as_str().unwrap_or_default()]);
            let kind = if required.contains(&name.as_str()) {
                kind
            } else {
                format!("Option<{kind}>")
            };
            let field = snake_case(name);
            let rename = if pascal_case(&field) == *name {
                String::new()
            } else {
                format!("    #[serde(rename = \"{name}\")]\n")
            };
            let raw = if KEYWORDS.contains(&field.as_str()) { "r#" } else { "" };
            format!("{rename}    {raw}{field}: {kind},\n")
        })
        .collect();
    format!(
        "//! {operation}: say what it does in one line.\n\n\
         use protocol_aws::{{AwsError, Empty}};\nuse serde::Deserialize;\n\nuse crate::Call;\n\n\
         #[derive(Deserialize)]\n#[serde(rename_all = \"PascalCase\")]\npub(crate) struct Input {{\n{fields}}}\n\n\
         pub(crate) async fn handle(call: &Call, input: Input) -> Result<Empty, AwsError> {{\n    \
         Err(AwsError::not_implemented(\"{service}\", \"{operation}\"))\n}}\n"
    )
}

/// Words of Rust that members of the models are named by.
const KEYWORDS: &[&str] = &[
    "as", "async", "box", "break", "const", "continue", "do", "else", "enum", "final", "fn", "for", "if", "in", "let",
    "loop", "macro", "match", "mod", "move", "override", "priv", "pub", "ref", "return", "static", "struct", "trait",
    "try", "type", "unsafe", "use", "where", "while", "yield",
];

fn rust_type(shape: &Value) -> String {
    match shape["type"].as_str() {
        Some("boolean") => "bool",
        Some("integer") => "i32",
        Some("long") => "i64",
        Some("float" | "double") => "f64",
        Some("timestamp") => "protocol_aws::Timestamp",
        Some("blob") => "protocol_aws::Blob",
        Some("string") => "String",
        _ => "serde_json::Value",
    }
    .to_owned()
}

/// Puts the `mod` line among the others and the `.on` line before `.build()`, each in the order of names where
/// the file keeps one.
fn add_lines(path: &PathBuf, module: &str, operation: &str) -> Result<()> {
    let text = fs::read_to_string(path)?;
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    insert_sorted(&mut lines, &format!("mod {module};"), "mod ", "use ")?;
    let on = format!("        .on(\"{operation}\", {module}::handle)");
    insert_sorted(&mut lines, &on, "        .on(\"", "        .build()")?;
    Ok(fs::write(path, lines.join("\n") + "\n")?)
}

/// Inserts `line` before the first line with this start that sorts behind it, else before the first that begins
/// with `end`. Attributes stay with the line that they belong to.
fn insert_sorted(lines: &mut Vec<String>, line: &str, start: &str, end: &str) -> Result<()> {
    let behind = lines
        .iter()
        .position(|text| text.starts_with(start) && text.as_str() > line);
    let at = match behind {
        Some(behind) => {
            let before = lines[..behind].iter().rev();
            behind - before.take_while(|text| text.starts_with("#[")).count()
        }
        None => {
            let ends = lines.iter().position(|text| text.starts_with(end));
            let ends = ends.with_context(|| format!("no line starts with {end:?}"))?;
            ends - lines[..ends].iter().rev().take_while(|text| text.is_empty()).count()
        }
    };
    lines.insert(at, line.to_owned());
    Ok(())
}

/// Names a dependency of the workspace in the crate's manifest, unless it is there.
fn add_dependency(path: &PathBuf, name: &str) -> Result<()> {
    let text = fs::read_to_string(path)?;
    let line = format!("{name}.workspace = true\n");
    let section = "[dependencies]\n";
    let (before, rest) = text
        .split_once(section)
        .with_context(|| format!("{} has no dependencies", path.display()))?;
    let end = rest.find("\n[").map_or(rest.len(), |end| end + 1);
    if rest[..end].contains(&line) {
        return Ok(());
    }
    let at = rest[..end].trim_end().len() + 1;
    let (kept, rest) = rest.split_at(at.min(rest.len()));
    Ok(fs::write(path, format!("{before}{section}{kept}{line}{rest}"))?)
}

fn unlist(path: &PathBuf, operation: &str) -> Result<()> {
    let text = fs::read_to_string(path)?;
    let kept: String = text
        .lines()
        .filter(|line| *line != operation)
        .map(|line| format!("{line}\n"))
        .collect();
    Ok(fs::write(path, kept)?)
}

/// `StreamARN` is `stream_arn`, `S3BackupMode` is `s3_backup_mode`.
fn snake_case(name: &str) -> String {
    let letters: Vec<char> = name.chars().collect();
    let mut out = String::new();
    for (index, letter) in letters.iter().enumerate() {
        let before = index.checked_sub(1).map(|at| letters[at]);
        let after = letters.get(index + 1);
        let starts_word = letter.is_uppercase()
            && before.is_some_and(|before| !before.is_uppercase() || after.is_some_and(|after| after.is_lowercase()));
        if starts_word {
            out.push('_');
        }
        out.extend(letter.to_lowercase());
    }
    out
}

fn pascal_case(name: &str) -> String {
    let word = |word: &str| {
        let mut letters = word.chars();
        letters
            .next()
            .into_iter()
            .flat_map(char::to_uppercase)
            .chain(letters)
            .collect::<String>()
    };
    name.split('_').map(word).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names() {
        for (name, snake) in [
            ("StreamARN", "stream_arn"),
            ("ShardId", "shard_id"),
            ("KMSKeyARN", "kms_key_arn"),
            ("AddTags", "add_tags"),
        ] {
            assert_eq!(snake_case(name), snake);
        }
        assert_eq!(pascal_case("shard_id"), "ShardId");
    }

    #[test]
    fn lines_go_where_they_belong() {
        let text = ["mod a;", "mod c;", "#[cfg(test)]", "mod tests;", "", "use x;"];
        let mut lines: Vec<String> = text.map(str::to_owned).into();
        for module in ["b", "d", "x"] {
            insert_sorted(&mut lines, &format!("mod {module};"), "mod ", "use ").expect("inserts");
        }
        assert_eq!(
            lines.join(" "),
            "mod a; mod b; mod c; mod d; #[cfg(test)] mod tests; mod x;  use x;"
        );
        assert!(insert_sorted(&mut lines, "x", "no such", "nor this").is_err());
    }
}
