//! Runs the `.slt` files: statements with the results that Trino's documentation or plain arithmetic gives.
//!
//! A record is `query` with the columns' types, the statement, `----` and the rows with `|` between cells; or
//! `error` with a part of the message, and the statement. Records stand between blank lines.

use super::Lake;

#[tokio::test]
async fn statements_answer_as_documented() {
    let lake = Lake::open().await;
    let dir = concat!(env!("CARGO_MANIFEST_DIR"), "/slt");
    let mut files: Vec<_> = std::fs::read_dir(dir)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    files.sort();
    let mut failures = Vec::new();
    for file in files {
        let name = file.file_name().unwrap().to_string_lossy().into_owned();
        let text = std::fs::read_to_string(&file).unwrap();
        for record in text.split("\n\n").map(str::trim).filter(|record| !record.is_empty()) {
            let record: String = record
                .lines()
                .filter(|line| !line.starts_with('#'))
                .collect::<Vec<_>>()
                .join("\n");
            if let Err(failure) = run(&lake, &record).await {
                failures.push(format!("{name}: {record}\n  => {failure}"));
            }
        }
    }
    assert!(
        failures.is_empty(),
        "{} failed:\n{}",
        failures.len(),
        failures.join("\n\n")
    );
}

async fn run(lake: &Lake, record: &str) -> Result<(), String> {
    let (head, rest) = record.split_once('\n').unwrap_or((record, ""));
    if head.is_empty() {
        return Ok(());
    }
    if let Some(expected) = head.strip_prefix("error ") {
        return match lake.ask(rest).await {
            Ok(_) => Err("it succeeded".to_owned()),
            Err(error) if error.message.contains(expected) => Ok(()),
            Err(error) => Err(error.message),
        };
    }
    let types = head.strip_prefix("query").ok_or("not a record")?.trim();
    let (statement, expected) = rest.split_once("\n----").ok_or("no result")?;
    let answer = lake.ask(statement).await.map_err(|error| error.message)?;
    let actual_types: Vec<_> = answer
        .columns
        .iter()
        .map(|column| column.type_name.replace(' ', "_"))
        .collect();
    if !types.is_empty() && actual_types.join(" ") != types {
        return Err(format!("types are {}", actual_types.join(" ")));
    }
    let row = |row: &Vec<Option<String>>| {
        row.iter()
            .map(|cell| cell.as_deref().unwrap_or("NULL"))
            .collect::<Vec<_>>()
            .join("|")
    };
    let actual = answer.rows.iter().map(row).collect::<Vec<_>>().join("\n");
    if actual == expected.trim_start_matches('\n') {
        Ok(())
    } else {
        Err(format!("rows are\n{actual}"))
    }
}
